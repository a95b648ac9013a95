package sensors

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/control"
)

const patience = 20 * time.Second

func listen(t *testing.T) (*Hub, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensors")
	h, err := Listen(t.Context(), path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h, path
}

// reader is a program of the instance.
type reader struct {
	net.Conn
	lines *bufio.Reader
}

func connect(t *testing.T, path string) reader {
	t.Helper()
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return reader{conn, bufio.NewReader(conn)}
}

func (r reader) expect(t *testing.T, want string) {
	t.Helper()
	line, err := r.lines.ReadString('\n')
	require.NoError(t, err)
	require.JSONEq(t, want, line)
}

func (r reader) say(t *testing.T, line string) {
	t.Helper()
	_, err := fmt.Fprintln(r, line)
	require.NoError(t, err)
}

// phone is a client.
type phone struct {
	mu  sync.Mutex
	got []string
}

func (p *phone) send(message []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, string(message))
	return nil
}

// expect waits for exactly these messages since the last call, whatever their order.
func (p *phone) expect(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	var got []string
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		got = slices.Sorted(slices.Values(p.got))
		return slices.Equal(got, want)
	}, patience, time.Millisecond, "%v", &got)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = nil
}

func parse(t *testing.T, raw string) control.Message {
	t.Helper()
	m, err := control.Parse([]byte(raw))
	require.NoError(t, err)
	return m
}

func TestReadings(t *testing.T) {
	h, path := listen(t)
	early := connect(t, path)
	require.Eventually(t, func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.programs) == 1 }, patience, time.Millisecond)
	for _, test := range []struct{ raw, want string }{
		// A rotation by hand to 90 degrees (control-channel.md, section 7), which nobody asked for.
		{`{"type":"sensor:event","data":{"sensor":"acceleration","x":-9.81,"y":0,"z":0}}`, `{"type":"acceleration","x":-9.81,"y":0,"z":0}`},
		{`{"type":"sensor:event","data":{"sensor":"gyroscope","x":180,"y":null,"z":0}}`, `{"type":"gyroscope","x":3.141592653589793,"z":0}`},
		{`{"type":"sensor:event","data":{"sensor":"orientation","roll":12.0,"pitch":10.0,"azimuth":30.0}}`, `{"type":"orientation","roll":12,"pitch":10,"azimuth":30}`},
		{`{"type":"location::update-position","data":{"format":"nmea","time":1000,"latitude":4533.3,"longitude":-1330,"altitude":1,"speed":2,"bearing":3}}`,
			`{"type":"location","time":"1970-01-01T00:00:01Z","latitude":45.555,"longitude":-13.5,"altitude":1,"speed":2,"bearing":3,"horizontal_accuracy":20,"vertical_accuracy":20}`},
		{`{"type":"screen::change_orientation","data":{"orientation":"portrait"}}`, `{"type":"screen","orientation":"portrait"}`},
		{`{"type":"input::ime-event","data":{"type":3,"data":{"name":"show","params":"height-ratio=0.4"}}}`, `{"type":"keyboard","shown":true,"height_ratio":0.4}`},
		{`{"type":"input::ime-event","data":{"type":3,"data":{"name":"hide","params":""}}}`, `{"type":"keyboard","shown":false,"height_ratio":0}`},
	} {
		h.Handle(parse(t, test.raw))
		if strings.Contains(test.raw, "nmea") { // 45° 33.3′ is not exact in binary
			line, err := early.lines.ReadString('\n')
			require.NoError(t, err)
			assert.Regexp(t, `"latitude":45\.55[45]\d*,"longitude":-13\.5,`, line)
			continue
		}
		early.expect(t, test.want)
	}
	h.Handle(control.Key{})
	for _, none := range []string{`"acceleration","x":null,"y":null,"z":null`, `"gyroscope","x":null,"y":null,"z":null`, `"orientation","roll":null,"pitch":null,"azimuth":null`} {
		h.Handle(parse(t, `{"type":"sensor:event","data":{"sensor":`+none+`}}`)) // a browser without the sensor; the rotation above stays
	}
	h.Handle(parse(t, `{"type":"input::ime-event","data":{"type":3,"data":{"name":"dance","params":""}}}`))

	late := connect(t, path)
	late.expect(t, `{"type":"acceleration","x":-9.81,"y":0,"z":0}`)
	late.expect(t, `{"type":"gyroscope","x":3.141592653589793,"z":0}`)
}

// TestASlowProgram gets the last reading, and slows nobody down.
func TestASlowProgram(t *testing.T) {
	h, path := listen(t)
	slow := connect(t, path)
	const last = 200_000
	for i := range last + 1 {
		x := float64(i)
		h.Handle(control.Acceleration{X: &x})
	}
	want := fmt.Sprintf(`{"type":"acceleration","x":%d}`, last) + "\n"
	lines := 0
	for line := ""; line != want; lines++ {
		var err error
		line, err = slow.lines.ReadString('\n')
		require.NoError(t, err)
	}
	assert.Less(t, lines, last, "all of them were kept")
}

func TestWishes(t *testing.T) {
	h, path := listen(t)
	one, two, client := connect(t, path), connect(t, path), &phone{}
	detach := h.Attach(client.send)
	const on, off = `{"type":"activate-sensor","data":"{\"type\":\"gyroscope\"}"}`, `{"type":"deactivate-sensor","data":"{\"type\":\"gyroscope\"}"}`
	one.say(t, `{"activate":"gyroscope"}`)
	client.expect(t, on)
	two.say(t, `nonsense`)
	two.say(t, `{"activate":"smell"}`)
	two.say(t, `{"activate":"gyroscope"}`)
	two.say(t, `{"text_input":true}`)
	client.expect(t, `{"type":"show-ime"}`)
	one.say(t, `{"deactivate":"gyroscope"}`)

	// A client that comes is told of all there is; the one before no more.
	next := &phone{}
	detachNext := h.Attach(next.send)
	next.expect(t, on, `{"type":"show-ime"}`)
	detach() // too late to matter
	require.NoError(t, two.Close())
	next.expect(t, off, `{"type":"hide-ime"}`)
	client.expect(t)
	detachNext()
	one.say(t, `{"text_input":true}`) // to nobody
	require.Eventually(t, func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.client == nil }, patience, time.Millisecond)
	next.expect(t)
}

// TestTooMuch: too many programs, and a line without end, cost those only.
func TestTooMuch(t *testing.T) {
	h, path := listen(t)
	var all []reader
	for range maxPrograms {
		all = append(all, connect(t, path))
	}
	refused := connect(t, path)
	_, err := refused.lines.ReadString('\n')
	require.Error(t, err)
	_, err = all[0].Write([]byte(strings.Repeat("x", 4*maxLine)))
	require.NoError(t, err)
	_, err = all[0].lines.ReadString('\n')
	require.Error(t, err)
	h.Handle(control.ScreenOrientation{Name: "landscape"})
	all[1].expect(t, `{"type":"screen","orientation":"landscape"}`)
	_, err = Listen(t.Context(), path, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "address already in use")
}
