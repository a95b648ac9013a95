package ams

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/ams/amstest"
	"streamstack/events/eventstest"
)

// gate is a machine that boots when it is let.
type gate struct {
	reached, open chan struct{}
}

func newGate() gate { return gate{make(chan struct{}, 16), make(chan struct{})} }

func (g gate) Boot(ctx context.Context, b amstest.Boot) (amstest.Running, error) {
	g.reached <- struct{}{}
	select {
	case <-g.open:
		return amstest.Idle{}.Boot(ctx, b)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// launching launches beside the test.
func (r *rig) launching(ctx context.Context) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := r.Launch(ctx, r.spec("s1"))
		result <- err
	}()
	return result
}

func (r *rig) result(c <-chan error) error {
	r.t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(patience):
		r.t.Fatalf("the launch does not return; the log: %s", r.log)
		return nil
	}
}

// With the socket open nothing is polled for an hour, and the launch returns: the event told. With it shut, polling does.
func TestLaunchIsNoticed(t *testing.T) {
	t.Run("by the event socket", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		_, err := r.Sweep(r.context())
		require.NoError(t, err)
		r.listening()
		launched := r.launching(r.context())
		<-g.reached
		close(g.open)
		require.NoError(t, r.result(launched))
	})
	t.Run("by polling", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		r.ams.Deafen(true)
		launched := r.launching(r.context())
		<-g.reached
		close(g.open)
		require.NoError(t, r.result(launched))
		require.Zero(t, r.ams.Listeners())
	})
	t.Run("when the socket breaks meanwhile", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		_, err := r.Sweep(r.context())
		require.NoError(t, err)
		r.listening()
		launched := r.launching(r.context())
		<-g.reached
		r.ams.Deafen(true)
		close(g.open) // its events reach nobody
		require.NoError(t, r.result(launched))
		r.ams.Deafen(false)
		r.listening()
	})
	t.Run("when AMS has forgotten the operation", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
			if strings.HasPrefix(q.URL.Path, "/1.0/operations/") {
				http.NotFound(w, q) // without JSON
				return true
			}
			return false
		})
		launched := r.launching(r.context())
		<-g.reached
		close(g.open)
		require.NoError(t, r.result(launched))
	})
}

// What goes wrong with a launch: the error says it, and nothing is left.
func TestLaunchFails(t *testing.T) {
	t.Run("the instance fails to start", func(t *testing.T) {
		r := newRig(t, amstest.Func(func(context.Context, amstest.Boot) (amstest.Running, error) {
			return nil, errors.New("hook post-start returned 3")
		}))
		_, err := r.Launch(r.context(), r.spec("s1"))
		require.ErrorContains(t, err, "hook post-start returned 3", "the instance's message says more than the operation's")
		require.Empty(t, r.ams.Instances())
	})
	t.Run("no time", func(t *testing.T) {
		r := newRig(t, newGate())
		ctx, cancel := context.WithTimeout(r.context(), 300*time.Millisecond)
		defer cancel()
		_, err := r.Launch(ctx, r.spec("s1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, r.ams.Instances())
	})
	t.Run("cancelled", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		ctx, cancel := context.WithCancel(r.context())
		launched := r.launching(ctx)
		<-g.reached
		cancel()
		require.ErrorIs(t, r.result(launched), context.Canceled)
		require.Empty(t, r.ams.Instances())
	})
	t.Run("closed", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		launched := r.launching(r.context())
		<-g.reached
		require.NoError(t, r.Close(r.context()))
		require.ErrorIs(t, r.result(launched), driver.ErrClosed)
		require.Empty(t, r.ams.Instances())
	})
	t.Run("the hook refuses", func(t *testing.T) {
		r := newRig(t, nil)
		spec := r.spec("s1")
		spec.BeforeStreamer = func(context.Context) error { return errors.New("NATS is away") }
		_, err := r.Launch(r.context(), spec)
		require.ErrorContains(t, err, "NATS is away")
		require.Empty(t, r.ams.Launches())
	})
	t.Run("AMS has no node for it", func(t *testing.T) {
		r := newRig(t, nil)
		r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method != http.MethodPost {
				return false
			}
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"type":"error","error":"No suitable node to satisfy instance requirement available","error_code":500}`))
			return true
		})
		_, err := r.Launch(r.context(), r.spec("s1"))
		require.ErrorContains(t, err, "No suitable node")
	})
	t.Run("unknown application", func(t *testing.T) {
		r := newRig(t, nil)
		spec := r.spec("s1")
		spec.Application.Name = "none"
		_, err := r.Launch(r.context(), spec)
		require.ErrorContains(t, err, "no application none that can be streamed")
	})
}

// The connection is cut after AMS took the launch: what it made is found by its tags and removed, once AMS answers again.
func TestAnswerLost(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.times.clean = time.Millisecond })
	var cut sync.Once
	var away atomic.Bool
	r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
		lost := false
		if q.Method == http.MethodPost {
			cut.Do(func() {
				lost = true
				away.Store(true)
				r.ams.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { // from now on it does not answer
					if away.Load() {
						hangUp(w)
					}
					return away.Load()
				})
			})
		}
		if lost {
			r.ams.Accept(q)
			hangUp(w)
		}
		return lost
	})
	_, err := r.Launch(r.context(), r.spec("s1"))
	require.Error(t, err)
	eventstest.Wait(t, patience, func() string {
		if len(r.ams.Instances()) != 1 {
			return "AMS has made the instance, and the driver does not know it"
		}
		return ""
	})
	away.Store(false)
	r.ams.Deafen(true) // the socket breaks, and the janitor looks when it stands again
	r.ams.Deafen(false)
	r.empty()
	require.Len(t, r.ams.Launches(), 1, "a launch is not asked for twice")
}

// hangUp cuts the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if h, able := w.(http.Hijacker); able {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

// How a running instance's end is told (section 8), and that nothing is left of it.
func TestEndings(t *testing.T) {
	for name, row := range map[string]struct {
		end    func(*rig, string)
		failed bool
		reason string
	}{
		"fails":        {func(r *rig, id string) { r.ams.Fail(id, "the node died") }, true, "the instance failed: the node died"},
		"is stopped":   {func(r *rig, id string) { r.patch(id) }, false, "the instance was stopped in AMS"},
		"is deleted":   {func(r *rig, id string) { require.NoError(r.t, r.client.remove(r.context(), id, true)) }, false, "the instance was deleted in AMS"},
		"has vanished": {func(r *rig, id string) { r.ams.Vanish(id); r.ams.Deafen(true) }, false, "the instance was deleted in AMS"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			in := r.launch("s1")
			r.listening()
			row.end(r, r.ams.Instances()[0].ID)
			e := r.ends(in)
			require.Equal(t, driver.Ending{Part: driver.PartInstance, Failed: row.failed, Reason: row.reason, ExitCode: -1}, e)
			require.Empty(t, r.ams.Instances())
		})
	}
}

func (r *rig) patch(id string) {
	body := map[string]string{"desired_status": "stopped"}
	require.NoError(r.t, r.client.do(r.context(), http.MethodPatch, "/1.0/instances/"+id, nil, body, nil))
}

// While AMS is away a running instance counts as running; a stop waits until AMS is back.
func TestAway(t *testing.T) {
	r := newRig(t, nil)
	in := r.launch("s1")
	r.listening()
	var away atomic.Bool
	away.Store(true)
	r.ams.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if away.Load() {
			hangUp(w)
		}
		return away.Load()
	})
	r.ams.Deafen(true)
	eventstest.Wait(t, patience, func() string {
		if !strings.Contains(r.log.String(), "it counts as running") {
			return "the driver has not noticed"
		}
		return ""
	})
	short, cancel := context.WithTimeout(r.context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, in.Stop(short), context.DeadlineExceeded)
	require.Equal(t, driver.Ending{}, in.Ending())
	away.Store(false)
	require.Equal(t, "stopped on request", r.ends(in).Reason)
	require.Empty(t, r.ams.Instances())
}

// An instance whose hooks hang is deleted by force when its grace is over.
func TestForce(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.times.grace = 100 * time.Millisecond })
	in := r.launch("s1")
	var forces atomic.Int32
	r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method != http.MethodDelete || forces.Add(1) > 1 {
			return false
		}
		w.WriteHeader(http.StatusAccepted) // it is asked, and nothing comes of it
		_, _ = w.Write([]byte(`{"type":"async","status_code":100,"metadata":{}}`))
		return true
	})
	require.NoError(t, in.Stop(r.context()))
	require.EqualValues(t, 2, forces.Load())
}
