package docker

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/podmantest"
	"streamstack/events/eventstest"
)

// die ends a driver as a crash of its agent does: its connections go, and nothing is said to the engine.
func die(d *Driver) {
	d.end()
	d.work.Wait()
}

// Instances outlive the agent: the next run of it finds them by their labels, and learns of those that ended meanwhile how they
// did. What had not been launched to its end, and what is nobody's, is swept; another agent's is left alone.
func TestAdopt(t *testing.T) {
	t.Parallel()
	e := engine(t)
	c := config(t, e)
	first, err := New(t.Context(), c)
	require.NoError(t, err)
	lives, ends, half := spec("steady"), spec("steady"), spec("steady")
	ends.Application.Limits.Memory = 256 << 20
	launch(t, first, lives)
	launch(t, first, ends)
	dead, stop := context.WithCancel(t.Context())
	reached, over := make(chan struct{}), make(chan struct{})
	half.BeforeStreamer = func(context.Context) error { close(reached); <-dead.Done(); return dead.Err() }
	go func() {
		defer close(over)
		_, _ = first.Launch(dead, half) // it is not to come back
	}()
	<-reached
	beside := config(t, e)
	beside.Image = c.Image
	other := open(t, beside)
	others := spec("steady")
	launch(t, other, others)

	// The agent is killed; meanwhile an application crashes.
	first.end()
	e.Podman("kill", c.name(ends.Session))
	second := open(t, c)
	require.NoError(t, second.Check(t.Context()))
	found, err := second.Adopt(t.Context())
	require.NoError(t, err)
	var adopted driver.Instance
	require.Len(t, found, 2)
	for _, in := range found {
		if in.ID() == lives.Session {
			adopted = in
			continue
		}
		require.Equal(t, ends.Session, in.ID())
		require.Contains(t, ending(t, in).Reason, "the container was ended by signal 9")
	}
	require.NotNil(t, adopted)
	again, err := second.Adopt(t.Context())
	require.NoError(t, err)
	require.Empty(t, again, "they are had already")
	swept, err := second.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{half.Session}, swept)
	stop()
	<-over
	die(first)
	select {
	case <-adopted.Done():
		t.Fatalf("the adopted instance ended: %+v", adopted.Ending())
	default:
	}
	printed(t, second, lives.Session, "streamer: secret of 19 bytes")
	require.ElementsMatch(t, []string{c.name(lives.Session), beside.name(others.Session)}, of(e, c, beside))

	require.NoError(t, adopted.Stop(t.Context()))
	require.Equal(t, []string{beside.name(others.Session)}, of(e, c, beside))
}

// of lists the containers of some drivers.
func of(e *podmantest.Engine, configs ...Config) (names []string) {
	for _, name := range e.Containers() {
		for _, c := range configs {
			if len(name) > len(c.Agent) && name[:len(c.Agent)] == c.Agent {
				names = append(names, name)
			}
		}
	}
	return names
}

// A guest whose agent dies before it let it go ends by itself: nobody knows of it.
func TestAbandonedLaunchEnds(t *testing.T) {
	t.Parallel()
	e := engine(t)
	c := config(t, e)
	d, err := New(t.Context(), c)
	require.NoError(t, err)
	in, err := d.admit(spec("steady"))
	require.NoError(t, err)
	require.NoError(t, in.prepare())
	require.NoError(t, in.create(t.Context()))
	talk, err := in.attach(t.Context())
	require.NoError(t, err)
	_, err = d.api.ContainerStart(t.Context(), in.id, client.ContainerStartOptions{})
	require.NoError(t, err)
	begin := make(chan struct{})
	in.spec.BeforeStreamer = func(context.Context) error { close(begin); return context.Canceled }
	require.ErrorIs(t, in.begin(t.Context(), talk), context.Canceled)
	<-begin
	talk.close() // as the end of our process does
	eventstest.Wait(t, patience, func() string {
		if state := e.Podman("inspect", "--format", "{{.State.Status}}", c.name(in.ID())); state != "exited" {
			return "the end of a container that is " + state
		}
		return ""
	})
	in.finish(driver.Ending{})
	next := open(t, c)
	found, err := next.Adopt(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	swept, err := next.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{in.ID()}, swept)
	require.Empty(t, of(e, c))
	die(d)
}

// While the engine is away sessions go on, launches fail for that reason, and all is as before when it is back.
func TestEngineAway(t *testing.T) {
	t.Parallel()
	e := podmantest.Start(t, self(t))
	c := config(t, e)
	c.times = defaultTimes()
	c.times.retry = 50 * time.Millisecond
	d := open(t, c)
	s, ends := spec("steady"), spec("steady")
	in := launch(t, d, s)
	gone := launch(t, d, ends)
	e.Down()
	require.ErrorIs(t, d.Check(t.Context()), driver.ErrAway)
	_, err := d.Launch(t.Context(), spec("steady"))
	require.ErrorIs(t, err, driver.ErrAway)
	require.ErrorContains(t, err, "does not answer")
	_, err = d.Sweep(t.Context())
	require.ErrorIs(t, err, driver.ErrAway)
	e.Podman("kill", c.name(ends.Session))
	select {
	case <-in.Done():
		t.Fatalf("the session ended: %+v", in.Ending())
	default:
	}
	e.Up()
	require.Contains(t, ending(t, gone).Reason, "the container was ended by signal 9")
	require.NoError(t, in.Stop(t.Context()))
	require.Empty(t, e.Containers())
}
