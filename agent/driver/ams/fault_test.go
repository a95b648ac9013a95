package ams

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events/eventstest"
)

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

// AMS is away while an operation runs: the launch goes on when it is back. An event that is no event, and one without end,
// cost the socket at most.
func TestAwayWhileLaunching(t *testing.T) {
	g := newGate()
	r := newRig(t, g)
	_, err := r.Sweep(r.context())
	require.NoError(t, err)
	r.listening()
	launched := r.launching(r.context())
	<-g.reached
	var away atomic.Int32
	r.ams.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if away.Add(1) < 8 {
			hangUp(w)
			return true
		}
		return false
	})
	r.ams.Deafen(true)
	close(g.open)
	require.NoError(t, r.result(launched))
	require.GreaterOrEqual(t, away.Load(), int32(8))
	r.ams.Deafen(false)
	r.listening()

	r.ams.Publish(strings.Repeat("x", maxEvent+1))
	eventstest.Wait(t, patience, func() string {
		if !strings.Contains(r.log.String(), "read limited") {
			return "the socket was shut by an event without end: " + r.log.String()
		}
		return ""
	})
	r.listening()
	require.Empty(t, r.ams.Launches()[1:])
}
