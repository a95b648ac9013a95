package input

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay"
)

// recorder is an X client with a window over the whole screen that writes down the events it gets, in the words of describe.
type recorder struct {
	conn   *xdisplay.Conn
	mu     sync.Mutex
	events []string
}

func record(t *testing.T, display string) *recorder {
	t.Helper()
	conn, err := xdisplay.Dial(t.Context(), display)
	require.NoError(t, err)
	screen := xproto.Setup(conn.Conn).DefaultScreen(conn.Conn)
	window, err := xproto.NewWindowId(conn.Conn)
	require.NoError(t, err)
	const mask = xproto.EventMaskKeyPress | xproto.EventMaskKeyRelease | xproto.EventMaskButtonPress | xproto.EventMaskButtonRelease |
		xproto.EventMaskPointerMotion
	xproto.CreateWindow(conn.Conn, screen.RootDepth, window, screen.Root, 0, 0, screen.WidthInPixels, screen.HeightInPixels, 0,
		xproto.WindowClassInputOutput, screen.RootVisual, xproto.CwOverrideRedirect|xproto.CwEventMask, []uint32{1, mask})
	xproto.MapWindow(conn.Conn, window)
	xproto.SetInputFocus(conn.Conn, xproto.InputFocusPointerRoot, window, xproto.TimeCurrentTime)
	require.NoError(t, conn.RoundTrip(t.Context()))

	r := &recorder{conn: conn}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.read()
	}()
	t.Cleanup(func() {
		conn.Abort()
		<-ended
	})
	return r
}

func (r *recorder) read() {
	for {
		event, xerr := r.conn.WaitForEvent()
		if event == nil && xerr == nil {
			return
		}
		var line string
		switch e := event.(type) {
		case xproto.KeyPressEvent:
			line = fmt.Sprintf("+k%d", e.Detail)
		case xproto.KeyReleaseEvent:
			line = fmt.Sprintf("-k%d", e.Detail)
		case xproto.ButtonPressEvent:
			line = fmt.Sprintf("+b%d", e.Detail)
		case xproto.ButtonReleaseEvent:
			line = fmt.Sprintf("-b%d", e.Detail)
		case xproto.MotionNotifyEvent:
			line = fmt.Sprintf("@%d,%d", e.RootX, e.RootY)
		default:
			continue
		}
		r.mu.Lock()
		r.events = append(r.events, line)
		r.mu.Unlock()
	}
}

// expect waits until the events since the last call are exactly these, and sees that no further one follows in the same breath.
func (r *recorder) expect(t *testing.T, want string) {
	t.Helper()
	got := ""
	ok := poll(t, patience, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		got = strings.Join(r.events, " ")
		return len(got) >= len(want)
	})
	require.NoError(t, r.conn.RoundTrip(t.Context()), "events that follow are here after a round trip")
	r.mu.Lock()
	defer r.mu.Unlock()
	if again := strings.Join(r.events, " "); !ok || again != want {
		t.Fatalf("the window got  %s\nand should have %s", got, want)
	}
	r.events = nil
}

// patience is for what takes milliseconds on a machine at rest.
const patience = 30 * time.Second

// poll asks again and again until the answer is yes or the limit is over.
func poll(t *testing.T, limit time.Duration, yes func() bool) bool {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(limit)
	for !yes() {
		select {
		case <-ticker.C:
		case <-deadline:
			return false
		case <-t.Context().Done():
			return false
		}
	}
	return true
}
