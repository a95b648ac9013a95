package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
)

// warmMemory is [memory] with instances that wait.
type warmMemory struct {
	*memory
	// fails, when set, is why none can be started; picky has instances fit their own application only, cold has Claim fail so.
	mu          sync.Mutex
	fails       error
	picky, cold bool
	starts      int
	waiting     map[string]*memoryWarm
}

func newWarmMemory(d *memory) *warmMemory {
	return &warmMemory{memory: d, waiting: map[string]*memoryWarm{}}
}

type memoryWarm struct {
	d    *warmMemory
	spec driver.WarmSpec
	done chan struct{}
	err  error
}

func (d *warmMemory) Warm(_ context.Context, spec driver.WarmSpec) (driver.Warm, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.starts++
	if d.fails != nil {
		return nil, d.fails
	}
	w := &memoryWarm{d: d, spec: spec, done: make(chan struct{})}
	d.waiting[spec.ID] = w
	return w, nil
}

func (w *memoryWarm) ID() string            { return w.spec.ID }
func (w *memoryWarm) Done() <-chan struct{} { return w.done }
func (w *memoryWarm) Err() error            { return w.err }
func (w *memoryWarm) Fits(s driver.Spec) bool {
	return !w.d.picky || s.Application.Name == w.spec.Application.Name
}

func (w *memoryWarm) Claim(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	w.d.mu.Lock()
	delete(w.d.waiting, w.spec.ID)
	cold := w.d.cold
	w.d.mu.Unlock()
	if cold {
		return nil, fmt.Errorf("memory: %w", driver.ErrCold)
	}
	return w.d.Launch(ctx, spec)
}

func (w *memoryWarm) Stop(context.Context) error {
	w.end(nil)
	return nil
}

func (w *memoryWarm) end(err error) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if w.d.waiting[w.spec.ID] == w {
		delete(w.d.waiting, w.spec.ID)
		w.err = err
		close(w.done)
	}
}

// apps are those that instances wait for.
func (d *warmMemory) apps() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.waiting {
		names = append(names, w.spec.Application.Name)
	}
	return names
}

func (d *warmMemory) started() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts
}

// startWarm runs an agent whose pool does not take its time.
func (r *rig) startWarm(d *warmMemory, slots, warm int) *started {
	r.t.Helper()
	cfg, nc := r.config("a1", slots, nil)
	cfg.Driver, cfg.Warm = d, warm
	return r.run(cfg, nc, func(a *Agent) {
		a.pool.refill, a.pool.first, a.pool.most = 0, 20*time.Millisecond, 100*time.Millisecond
	})
}

func (r *rig) awaitApps(d *warmMemory, want ...string) {
	r.t.Helper()
	eventstest.Wait(r.t, patience, func() string {
		if got := d.apps(); len(got) != len(want) || !equalSets(got, want) {
			return fmt.Sprintf("instances that wait for %v; there are %v", want, got)
		}
		return ""
	})
}

func (r *rig) awaitWaiting(d *warmMemory, want int) {
	r.t.Helper()
	eventstest.Wait(r.t, patience, func() string {
		if n := len(d.apps()); n != want {
			return fmt.Sprintf("%d instances that wait, not %d", want, n)
		}
		return ""
	})
}

func equalSets(a, b []string) bool {
	count := map[string]int{}
	for i := range a {
		count[a[i]]++
		count[b[i]]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// Sessions get instances that wait, others come in their place, never more than there are free slots; the heartbeat tells how many.
// While the agent drains there are none.
func TestInstancesWaitForSessions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := newWarmMemory(r.says(newMemory()))
	a := r.startWarm(d, 3, 2)
	r.awaitApps(d, "glxgears", "xterm")
	eventstest.Wait(t, patience, func() string {
		if n := r.beatOf("a1").Warm; n == nil || *n != 2 {
			return "a heartbeat that tells of two"
		}
		return ""
	})

	first := r.session()
	require.True(t, decoded[events.LaunchedData](t, r.until(first, events.Launched)).Warm)
	r.until(first, events.Ready)
	r.awaitWaiting(d, 2) // a new one: there are two slots left
	second := r.session()
	r.until(second, events.Ready)
	r.awaitWaiting(d, 1) // for the one slot that is left
	r.append(first, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted"})
	r.until(first, events.Terminated)
	r.awaitWaiting(d, 2)

	r.order("a1", events.AgentDrain, events.DrainData{By: "test"})
	r.awaitWaiting(d, 0)
	r.order("a1", events.AgentResume, events.DrainData{By: "test"})
	r.awaitWaiting(d, 2)
	a.drained(t)
}

// Where none can be started, or those that wait die, the agent rests longer each time, and sessions start as ever.
func TestInstancesThatDoNotWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := newWarmMemory(r.says(newMemory()))
	d.fails = errors.New("no such image")
	a := r.startWarm(d, 2, 1)
	id := r.session()
	require.False(t, decoded[events.LaunchedData](t, r.until(id, events.Launched)).Warm)
	eventstest.Wait(t, patience, func() string {
		a.pool.mu.Lock()
		defer a.pool.mu.Unlock()
		if a.pool.rest < a.pool.most {
			return "the longest rest"
		}
		return ""
	})
	d.mu.Lock()
	d.fails = nil
	d.mu.Unlock()
	r.awaitWaiting(d, 1)

	n := d.started()
	d.mu.Lock()
	var dying *memoryWarm
	for _, w := range d.waiting {
		dying = w
	}
	d.mu.Unlock()
	dying.end(errors.New("the X server died"))
	eventstest.Wait(t, patience, func() string {
		if d.started() == n {
			return "another in its place"
		}
		return ""
	})
	r.awaitWaiting(d, 1)
}

// One that turns out not to do costs the session nothing but time: it is launched as if there had been none, once.
func TestAnInstanceThatWaitedDoesNotDo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := newWarmMemory(r.says(newMemory()))
	d.cold = true
	r.startWarm(d, 2, 1)
	r.awaitWaiting(d, 1)
	id := r.session()
	r.until(id, events.Ready)
	words, list := r.history(id)
	require.Equal(t, []string{"gateway.created", "agent.claimed", "agent.launched", "streamer.ready"}, words)
	require.False(t, decoded[events.LaunchedData](t, list[2]).Warm)
}

// Instances that fit one application only follow what sessions ask for.
func TestInstancesOfOneApplicationOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := newWarmMemory(r.says(newMemory()))
	d.picky = true
	r.startWarm(d, 4, 1)
	r.awaitApps(d, "glxgears")
	id := r.session()
	require.False(t, decoded[events.LaunchedData](t, r.until(id, events.Launched)).Warm)
	r.awaitApps(d, "xterm")
	next := r.session()
	require.True(t, decoded[events.LaunchedData](t, r.until(next, events.Launched)).Warm)
}

func TestADriverWithoutInstancesThatWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cfg, _ := r.config("a1", 1, newMemory())
	cfg.Warm = 1
	_, err := New(cfg)
	require.ErrorContains(t, err, "leave --warm out")
}

// beatOf is what an agent's heartbeat says; nothing when there is none.
func (r *rig) beatOf(id events.AgentID) events.Heartbeat {
	r.t.Helper()
	kv, err := r.log.JetStream().KeyValue(r.t.Context(), events.HeartbeatBucket)
	require.NoError(r.t, err)
	entry, err := kv.Get(r.t.Context(), events.HeartbeatKey(region, id))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return events.Heartbeat{}
	}
	require.NoError(r.t, err)
	beat, ok := events.ParseHeartbeat(entry.Value())
	require.True(r.t, ok)
	return beat
}
