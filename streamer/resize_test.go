package streamer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// resizes is a display that can be resized, up to 2000 pixels a side, and knows what was captured of it when.
type resizes struct {
	r   *rig
	mu  sync.Mutex
	got []events.Screen
}

func (d *resizes) resize(_ context.Context, s events.Screen) (events.Screen, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if left := d.r.screen.allClosed(); left != "" {
		return s, errors.New("resized under a capture: " + left)
	}
	if s.Width > 2000 {
		return s, errors.New("too large")
	}
	s.Width += s.Width % 2
	d.got = append(d.got, s)
	return s, nil
}

// joinWith lets the client in with a screen and goes all the way up to pictures.
func (b *browser) joinWith(screen *events.Screen) *browser {
	b.t.Helper()
	b.signal()
	b.r.append(events.Gateway, events.Joined, events.JoinedData{Peer: b.id, Generation: 2, Role: "slave", Screen: screen})
	b.settings(`{"api_version":2}`)
	b.watch()
	return b
}

// A client that joins with another screen: the display has it, and the history tells, before the offer, and the encoder is started with it.
func TestJoinWithAnotherScreen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	display := &resizes{r: r}
	r.cfg.Resize = display.resize
	r.start()
	visit(t, r)
	videos, _ := r.screen.open()
	require.Equal(t, r.cfg.Screen, videos[0].screen)

	b := newBrowser(t, r, webrtc.MimeTypeVP8).joinWith(&events.Screen{Width: 1081, Height: 1440, FPS: 60, Density: 240})
	want := events.Screen{Width: 1082, Height: 1440, FPS: 60, Density: 240}
	var d events.ResizedData
	require.NoError(t, r.until(events.Resized, b.id).Decode(&d))
	require.Equal(t, events.ResizedData{Peer: b.id, Screen: want}, d)
	_, words := r.streamed(events.Resized, b.id)
	resized, offer := "resized("+string(b.id[:4])+")", "offer("+string(b.id[:4])+")"
	require.Less(t, slices.Index(words, resized), slices.Index(words, offer), words)
	videos, _ = r.screen.open()
	require.Len(t, videos, 1)
	require.Equal(t, want, videos[0].screen)

	// The same again, none at all, and one that cannot be had change nothing, and the client gets its picture.
	for _, screen := range []*events.Screen{{Width: 1081, Height: 1440, FPS: 60, Density: 240}, nil, {Width: 4000, Height: 1440, FPS: 60}, {Width: -1}} {
		next := newBrowser(t, r, webrtc.MimeTypeVP8).joinWith(screen)
		list, words := r.streamed(events.Resized, next.id)
		require.Empty(t, list, words)
		videos, _ = r.screen.open()
		require.Equal(t, want, videos[0].screen)
	}
	require.Contains(t, r.output.String(), "too large")
}

// A display that cannot be resized is shown as it is.
func TestJoinWhereNothingCanBeResized(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	b := newBrowser(t, r, webrtc.MimeTypeVP8).joinWith(&events.Screen{Width: 800, Height: 600, FPS: 30})
	videos, _ := r.screen.open()
	require.Equal(t, r.cfg.Screen.Width, videos[0].screen.Width)
	list, _ := r.streamed(events.Resized, b.id)
	require.Empty(t, list)
}

// Clients that take over from each other: each is told to go, and leaves nothing running. Not parallel: it looks at all goroutines.
func TestTakeoversLeaveNothing(t *testing.T) {
	r := newRig(t)
	display := &resizes{r: r}
	r.cfg.Resize = display.resize
	r.start()
	running := func() int {
		return len(eventstest.Goroutines("streamstack/streamer/peer.", "streamstack/streamer.(*captures)", "streamstack/streamer.(*sampler)", "github.com/pion/"))
	}
	var before *browser
	one := 0 // what runs for one client
	for n := range 12 {
		b := newBrowser(t, r, webrtc.MimeTypeVP8).joinWith(&events.Screen{Width: 640 + 2*n, Height: 480, FPS: 30})
		if before != nil {
			eventstest.Wait(t, patience, before.aborted)
			_ = before.pc.GracefulClose() // the streamer ended it first
			require.NoError(t, before.mux.Close())
		}
		before = b
		r.until(events.Connected, b.id)
		videos, sounds := r.screen.open()
		require.Len(t, videos, 1)
		require.LessOrEqual(t, len(sounds), 1)
		if n == 1 {
			one = running()
		}
	}
	const spare = 3 // one that is just starting or ending, as pion's timers do
	eventstest.Wait(t, patience, func() string {
		if n := running(); n > one+spare {
			return fmt.Sprintf("the end of what earlier clients left: %d goroutines, %d after the second client", n, one)
		}
		return ""
	})
	require.Len(t, display.got, 12)
}
