package streamer

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
)

// cupboard holds a microphone that counts packets, and a camera if it is given one.
type cupboard struct {
	camera error

	mu      sync.Mutex
	players []*counter
	codecs  []frame.Codec
}

// counter is a Player.
type counter struct {
	mu      sync.Mutex
	packets int
	closed  bool
	broken  error
	done    chan struct{}
}

func (c *counter) Write(packet []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	if len(packet) > 12 { // what an RTP header takes
		c.packets++
	}
	return nil
}
func (c *counter) Done() <-chan struct{} { return c.done }
func (c *counter) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}
func (c *counter) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (d *cupboard) Microphone() error { return nil }
func (d *cupboard) Camera() error     { return d.camera }
func (d *cupboard) start(codec frame.Codec) (Player, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &counter{done: make(chan struct{})}
	d.players, d.codecs = append(d.players, p), append(d.codecs, codec)
	return p, nil
}
func (d *cupboard) StartMicrophone(uint8) (Player, error) { return d.start(frame.Opus) }
func (d *cupboard) StartCamera(codec frame.Codec, _ uint8, _ control.Camera) (Player, error) {
	return d.start(codec)
}

// playing waits for a player that has packets.
func (d *cupboard) playing(t *testing.T, n int) *counter {
	t.Helper()
	var p *counter
	eventstest.Wait(t, patience, func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.players) <= n {
			return "a device in use"
		}
		p = d.players[n]
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.packets < 10 {
			return "packets of the client's device"
		}
		return ""
	})
	return p
}

// talking is a client that sends a track of a kind for as long as the test lasts, and what it was asked for.
func talking(t *testing.T, r *rig, mime, settings string) (b *browser, asked func() []string) {
	t.Helper()
	b = newBrowser(t, r, webrtc.MimeTypeVP8)
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, "device", "mine")
	require.NoError(t, err)
	_, err = b.pc.AddTrack(track)
	require.NoError(t, err)
	var mu sync.Mutex
	var got []string
	b.control.OnMessage(func(m webrtc.DataChannelMessage) {
		mu.Lock()
		defer mu.Unlock()
		var x struct{ Type string }
		_ = json.Unmarshal(m.Data, &x)
		got = append(got, x.Type)
	})
	b.signal()
	b.join()
	b.settings(settings)
	b.watch()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			_ = track.WriteSample(media.Sample{Data: make([]byte, 100), Duration: 20 * time.Millisecond})
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return b, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), got...)
	}
}

func device(t *testing.T, r *rig, b *browser, n int) (d events.DeviceChangedData) {
	t.Helper()
	eventstest.Wait(t, patience, func() string {
		list, _ := r.streamed(events.DeviceChanged, b.id)
		if len(list) < n {
			return "a device's event"
		}
		require.NoError(t, list[n-1].Decode(&d))
		return ""
	})
	return d
}

// A client that offers its microphone is asked for it, and applications get what it sends, until it leaves.
func TestMicrophone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := &cupboard{camera: errors.New("this machine has no v4l2loopback device")}
	r.cfg.Devices = d
	r.start()
	b, asked := talking(t, r, webrtc.MimeTypeOpus, `{"api_version":2,"enable_microphone":true}`)
	p := d.playing(t, 0)
	require.Equal(t, []string{"enable-microphone"}, asked())
	require.Equal(t, events.DeviceChangedData{Peer: b.id, Device: "microphone", State: "started"}, device(t, r, b, 1))
	b.send(`{"type":"stream::disconnect"}`)
	r.gone(b.id)
	p.mu.Lock()
	require.True(t, p.closed)
	p.mu.Unlock()

	silent := visit(t, r) // one that does not offer it
	list, _ := r.streamed(events.DeviceChanged, silent.id)
	require.Empty(t, list)
	silent.send(`{"type":"stream::disconnect"}`)
	r.gone(silent.id)

	b, _ = talking(t, r, webrtc.MimeTypeOpus, `{"api_version":2,"enable_microphone":true}`)
	p = d.playing(t, 1)
	p.mu.Lock()
	p.broken = errors.New("the sound server is gone")
	p.mu.Unlock()
	close(p.done)
	got := device(t, r, b, 2)
	require.Equal(t, events.DeviceEnded, got.State)
	require.Contains(t, got.Reason, "the sound server is gone")
	b.more() // the stream goes on
}

// A camera needs a device on the machine: where there is none the history says so, and the client is not asked.
func TestCamera(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := &cupboard{camera: errors.New("this machine has no v4l2loopback device")}
	r.cfg.Devices = d
	r.start()
	b, asked := talking(t, r, webrtc.MimeTypeVP8, `{"api_version":2,"enable_camera":true}`)
	require.Equal(t, events.DeviceChangedData{Peer: b.id, Device: "camera", State: "unavailable", Reason: d.camera.Error()}, device(t, r, b, 1))
	require.Empty(t, asked())
	b.send(`{"type":"stream::disconnect"}`)
	r.gone(b.id)

	with := newRig(t)
	full := &cupboard{}
	with.cfg.Devices = full
	with.start()
	b, asked = talking(t, with, webrtc.MimeTypeVP8, `{"api_version":2,"enable_camera":true}`)
	full.playing(t, 0)
	require.Equal(t, []string{"open-camera"}, asked())
	require.Equal(t, []frame.Codec{frame.VP8}, full.codecs)
	require.Equal(t, events.DeviceStarted, device(t, with, b, 1).State)

	none := newRig(t) // a streamer without any
	none.start()
	b, _ = talking(t, none, webrtc.MimeTypeOpus, `{"api_version":2,"enable_microphone":true}`)
	require.Equal(t, events.DeviceUnavailable, device(t, none, b, 1).State)
}
