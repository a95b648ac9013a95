package docker

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
)

func warmUp(t *testing.T, d *Driver) driver.Warm {
	t.Helper()
	s := spec("limits")
	w, err := d.Warm(t.Context(), driver.WarmSpec{ID: "warm-" + uuid.NewString(), Application: s.Application, Screen: driver.Screen{Width: 640, Height: 480, FPS: 30}})
	require.NoError(t, err)
	return w
}

// A container that waited becomes a session's, under that name; an agent that comes back knows it, and at the end nothing is left.
func TestAWarmContainerBecomesASessions(t *testing.T) {
	t.Parallel()
	e := engine(t)
	c := config(t, e)
	d, err := New(t.Context(), c)
	require.NoError(t, err)
	w := warmUp(t, d)
	require.Equal(t, []string{c.name(w.ID())}, of(e, c))
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, swept)

	s := spec("limits")
	told := false
	s.BeforeStreamer = func(context.Context) error { told = true; return nil }
	require.True(t, w.Fits(s))
	in, err := w.Claim(t.Context(), s)
	require.NoError(t, err)
	require.True(t, told)
	require.Equal(t, s.Session, in.ID())
	require.Equal(t, []string{c.name(s.Session)}, of(e, c))
	printed(t, d, s.Session, "streamer: warm secret of 19 bytes")
	log := printed(t, d, s.Session, "application: end")
	require.Contains(t, log, `user data: {"colour":"green & <blue>"}`)
	require.NotContains(t, e.Podman("inspect", c.name(s.Session)), "hunter2")
	swept, err = d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, swept)
	_, err = d.Launch(t.Context(), s)
	require.ErrorIs(t, err, driver.ErrExists)
	_, err = w.Claim(t.Context(), spec("limits"))
	require.ErrorIs(t, err, driver.ErrCold, "it is had once")
	require.NoError(t, w.Stop(t.Context()))
	require.Zero(t, in.Ending(), "it is not the one that waits any more")

	die(d)
	next := open(t, c)
	found, err := next.Adopt(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, s.Session, found[0].ID())
	require.NoError(t, found[0].Stop(t.Context()))
	require.Empty(t, of(e, c))
}

// What cannot be had warm says so before anything of the session has begun; and what waits ends with its driver, on request, by
// itself, and with the agent that waited for sessions.
func TestAWarmContainerThatDoesNotDo(t *testing.T) {
	t.Parallel()
	e := engine(t)
	c := config(t, e)
	d := open(t, c)
	s := spec("limits")
	s.Screen.Width = 998
	s.BeforeStreamer = func(context.Context) error { t.Error("too early"); return nil }
	_, err := warmUp(t, d).Claim(t.Context(), s)
	require.ErrorIs(t, err, driver.ErrCold)
	require.ErrorContains(t, err, "no such size")
	require.Empty(t, of(e, c))

	w := warmUp(t, d)
	limited := spec("limits")
	limited.Application.Limits.Memory = 1 << 30
	require.False(t, w.Fits(limited), "its memory was set when it was started")
	require.NoError(t, w.Stop(t.Context()))
	require.NoError(t, w.Err())
	<-w.Done()

	w = warmUp(t, d)
	e.Podman("kill", c.name(w.ID()))
	select {
	case <-w.Done():
	case <-time.After(patience):
		t.Fatal("its end is not noticed")
	}
	require.ErrorContains(t, w.Err(), "the container was ended by signal 9")
	_, err = w.Claim(t.Context(), spec("limits"))
	require.ErrorIs(t, err, driver.ErrCold)
	require.Empty(t, of(e, c))

	c.Agent += "-2"
	dead, err := New(t.Context(), c)
	require.NoError(t, err)
	w = warmUp(t, dead)
	dead.end() // as a crash does; the container's removal is not asked for
	<-w.Done()
	next := open(t, c)
	found, err := next.Adopt(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	swept, err := next.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{w.ID()}, swept)
	require.Empty(t, of(e, c))
	die(dead)
}
