package xorgtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xi2"
)

// patience bounds the wait for an event.
const patience = 20 * time.Second

// Window is an X client that writes down the XInput events of a window over the whole screen.
type Window struct {
	conn *xdisplay.Conn
	mu   sync.Mutex
	got  []string
	// axes are the last values of the wheels.
	axes map[int]float64
}

// Watch opens a window over the whole screen, until the test ends.
func Watch(t *testing.T, display string) *Window {
	t.Helper()
	w := &Window{axes: map[int]float64{}}
	conn, err := xdisplay.DialGeneric(t.Context(), display, w.take)
	require.NoError(t, err)
	w.conn = conn
	screen := xproto.Setup(conn.Conn).DefaultScreen(conn.Conn)
	id, err := xproto.NewWindowId(conn.Conn)
	require.NoError(t, err)
	xproto.CreateWindow(conn.Conn, screen.RootDepth, id, screen.Root, 0, 0, screen.WidthInPixels, screen.HeightInPixels, 0,
		xproto.WindowClassInputOutput, screen.RootVisual, xproto.CwOverrideRedirect, []uint32{1})
	require.NoError(t, xi2.Select(t.Context(), conn, id, xi2.Motion, xi2.ButtonPress, xi2.ButtonRelease, xi2.TouchBegin, xi2.TouchUpdate, xi2.TouchEnd))
	xproto.MapWindow(conn.Conn, id)
	require.NoError(t, conn.RoundTrip(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if event, xerr := conn.WaitForEvent(); event == nil && xerr == nil {
				return
			}
		}
	}()
	t.Cleanup(func() { conn.Abort(); <-ended })
	return w
}

func (w *Window) take(raw []byte) {
	e, ok := xi2.Parse(raw)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case xi2.TouchBegin:
		w.got = append(w.got, fmt.Sprintf("begin %d,%d", int(e.X), int(e.Y)))
	case xi2.TouchUpdate:
		w.got = append(w.got, fmt.Sprintf("move %d,%d", int(e.X), int(e.Y)))
	case xi2.TouchEnd:
		w.got = append(w.got, "end")
	case xi2.Motion:
		line := fmt.Sprintf("@%.0f,%.0f", e.X, e.Y)
		for _, axis := range []int{2, 3} {
			if v, ok := e.Valuators[axis]; ok {
				line += fmt.Sprintf(" scroll%d%+.0f", axis, v-w.axes[axis])
				w.axes[axis] = v
			}
		}
		w.got = append(w.got, line)
	default:
		sign := map[xi2.Kind]string{xi2.ButtonPress: "+", xi2.ButtonRelease: "-"}[e.Kind]
		if e.Flags&xi2.FlagEmulated != 0 {
			sign += "~"
		}
		w.got = append(w.got, fmt.Sprintf("%sb%d", sign, e.Detail))
	}
}

// Expect waits for exactly these events since the last call.
func (w *Window) Expect(t *testing.T, want ...string) {
	t.Helper()
	wanted, got := strings.Join(want, " | "), ""
	require.Eventually(t, func() bool {
		require.NoError(t, w.conn.RoundTrip(t.Context()), "what was sent is here after a round trip")
		w.mu.Lock()
		defer w.mu.Unlock()
		got = strings.Join(w.got, " | ")
		return len(w.got) >= len(want)
	}, patience, 5*time.Millisecond, "%s", wanted)
	require.Equal(t, wanted, got)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = nil
}

// Has tells whether an event has come since the last Expect.
func (w *Window) Has(event string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.got, event)
}
