package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	r := newRig(t)
	good, _ := r.config("a1", 1, newMemory())
	for name, change := range map[string]func(*Config){
		"region": func(c *Config) { c.Region = "no.token" },
		"id":     func(c *Config) { c.ID = "" },
		"slots":  func(c *Config) { c.Slots = 0 },
	} {
		bad := good
		change(&bad)
		_, err := New(bad)
		require.ErrorContains(t, err, name)
	}
}

// Of N sessions and k slots never more than k run; the others wait in the queue, and are taken as slots become free.
func TestClaimsOnlyWithAFreeSlot(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 3, r.says(d))
	var ids []events.SessionID
	for i := range 12 {
		id := r.create()
		r.queue(id, []string{"xterm", "glxgears"}[i%2])
		ids = append(ids, id)
	}
	for ended := 0; ended < len(ids); {
		eventstest.Wait(t, patience, func() string {
			if n := min(3, len(ids)-ended); len(d.running()) != n {
				return fmt.Sprintf("%d instances, there are %d", n, len(d.running()))
			}
			return ""
		})
		eventstest.Wait(t, patience, func() string { // what has no slot waits
			if left := uint64(max(0, len(ids)-ended-3)); r.queued() != left {
				return fmt.Sprintf("%d sessions in the queue, there are %d", left, r.queued())
			}
			return ""
		})
		for _, in := range d.running()[:1] {
			in.end(driver.Ending{Part: driver.PartApplication, Reason: "the application ended"})
			ended++
		}
	}
	for _, id := range ids {
		r.until(id, events.Terminated)
	}
	require.Equal(t, 3, d.mostAtOnce())
	require.Equal(t, len(ids), d.launches())
	eventstest.Wait(t, patience, r.queueEmpty)
}

// Two agents race for 200 sessions: each session is claimed, run and ended once.
func TestTwoAgentsOneClaimEach(t *testing.T) {
	t.Parallel()
	const n = 200
	r := newRig(t)
	d1, d2 := newMemory(), newMemory()
	for _, d := range []*memory{d1, d2} {
		d.launched = func(in *memoryInstance) { in.end(driver.Ending{Reason: "the application ended"}) }
	}
	r.start("a1", 8, d1)
	r.start("a2", 8, d2)
	var ids []events.SessionID
	for range n {
		ids = append(ids, r.session())
	}
	for _, id := range ids {
		r.until(id, events.Terminated)
		words, _ := r.history(id)
		require.Equal(t, []string{"gateway.created", "agent.claimed", "agent.launched", "agent.terminated"}, words)
	}
	eventstest.Wait(t, patience, r.queueEmpty)
	require.Equal(t, n, d1.launches()+d2.launches())
	require.NotZero(t, d1.launches())
	require.NotZero(t, d2.launches())
}

// What needs no agent is taken out of the queue, and does not stand in the way.
func TestUselessWorkIsDropped(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	ended := r.create()
	r.append(ended, events.Gateway, events.Expired, events.EndedData{Reason: "queue"})
	terminating := r.create()
	r.append(terminating, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted"})
	taken := r.create()
	r.append(taken, events.Agent, events.Claimed, events.ClaimedData{Agent: "somebody-else", Attempt: 1})
	for _, id := range []events.SessionID{newID(), ended, terminating, taken} {
		r.queue(id, "xterm")
	}
	for _, body := range []string{``, `{}`, `{"session":"no.token"}`, `[1]`} {
		_, err := r.log.JetStream().Publish(t.Context(), events.WorkSubject(region, "xterm"), []byte(body))
		require.NoError(t, err)
	}
	r.start("a1", 2, r.says(d))
	sound := r.session()
	r.until(sound, events.Ready)
	eventstest.Wait(t, patience, r.queueEmpty)
	require.Equal(t, 1, d.launches())
	for _, id := range []events.SessionID{ended, terminating} {
		words, _ := r.history(id)
		require.NotContains(t, words, "agent.claimed")
	}
}

// A claim whose acknowledgement was lost is found again, and run.
func TestAClaimOfOursThatDoesNotRunIsTaken(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 2, r.says(d))
	id := r.create()
	r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1})
	r.queue(id, "xterm")
	r.until(id, events.Ready)
	r.queue(id, "xterm") // again, now that it runs
	eventstest.Wait(t, patience, r.queueEmpty)
	words, _ := r.history(id)
	require.Equal(t, []string{"gateway.created", "agent.claimed", "agent.launched", "streamer.ready"}, words)
	require.Equal(t, 1, d.launches())
}

// A session that failed and is queued again gets the next attempt.
func TestAFailedSessionIsNotClaimedByItself(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, r.says(d))
	id := r.create()
	r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a0", Attempt: 1})
	r.append(id, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 2, Reason: "released"})
	r.queue(id, "xterm")
	r.until(id, events.Ready)
	var last events.ClaimedData
	_, list := r.history(id)
	for _, e := range list {
		if e.Name == events.Claimed {
			last = decoded[events.ClaimedData](t, e)
		}
	}
	require.Equal(t, events.ClaimedData{Agent: "a1", Attempt: 2, Driver: "memory"}, last)
}

// The instance gets what the session and the agent say, and launched is in the log before its streamer is let go.
func TestWhatAnInstanceGets(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	order := make(chan []string, 1)
	d.launched = func(in *memoryInstance) {
		words, _ := r.history(events.SessionID(in.ID()))
		order <- words
	}
	r.start("a1", 1, d)
	id := r.session(func(c *events.CreatedData) { c.HasExtraData = true })
	r.until(id, events.Claimed)
	// Only now: the gateway appends it after the creation.
	r.append(id, events.Gateway, events.ExtraData, events.ExtraDataData{ExtraData: events.Raw(`{"level":3}`)})
	require.Equal(t, []string{"gateway.created", "agent.claimed", "gateway.extra_data", "agent.launched"}, <-order)
	spec := d.running()[0].spec
	require.Equal(t, string(id), spec.Session)
	require.Equal(t, "xterm", spec.Application.Name)
	require.Equal(t, driver.Screen{Width: 1280, Height: 720, FPS: 30, Density: 96}, spec.Screen)
	require.JSONEq(t, `{"display_width":1280,"display_height":720,"display_density":96,"fps":30,"extra_data":{"level":3},"session_id":"`+string(id)+`"}`, string(spec.UserData))
	require.Equal(t, []string{"STREAMSTACK_SESSION=" + string(id), "STREAMSTACK_REGION=local", "STREAMSTACK_ATTEMPT=1",
		"STREAMSTACK_AUDIO=true", "STREAMSTACK_ADB_PORT=5555", "STREAMSTACK_ICE_PORTS=50000-50010"}, spec.Streamer.Env)
	var secret StreamerSecret
	require.NoError(t, json.Unmarshal(spec.Streamer.Secret, &secret))
	require.Equal(t, StreamerSecret{NATS: r.server.URL(), Creds: "the secret"}, secret)
	require.Contains(t, r.consumers(), events.SessionConsumer(id))
}

func TestVersions(t *testing.T) {
	t.Parallel()
	const latest = 3
	for version, run := range map[int]int{0: latest, 1: 1, 3: 3, 2: 0} {
		r, d := newRig(t), newMemory()
		r.start("a1", 1, r.says(d))
		id := r.create(func(c *events.CreatedData) { c.App, c.AppVersion = "glxgears", version })
		r.queue(id, "glxgears")
		if run == 0 {
			require.Contains(t, decoded[events.FailedData](t, r.until(id, events.AttemptFailed)).Reason, "application glxgears version 2 is not served here")
			continue
		}
		r.until(id, events.Ready)
		require.Equal(t, run, d.running()[0].spec.Application.Version)
	}
}

// An instance that cannot be started is a failed attempt with a reason, and its slot serves the next.
func TestLaunchFailure(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	var broken atomic.Bool
	broken.Store(true)
	d.launching = func(context.Context, driver.Spec) error {
		if broken.Load() {
			return errors.New("no X server: install xserver-xorg-core")
		}
		return nil
	}
	r.says(d)
	r.start("a1", 1, d)
	id := r.session()
	e := decoded[events.FailedData](t, r.until(id, events.AttemptFailed))
	require.Equal(t, events.FailedData{Agent: "a1", Attempt: 1, Part: "launch", Cause: events.CauseLaunch,
		Reason: "the instance could not be started: no X server: install xserver-xorg-core"}, e)
	broken.Store(false)
	r.until(r.session(), events.Ready)
}

func TestExtraDataThatNeverComes(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, d)
	id := r.session(func(c *events.CreatedData) { c.HasExtraData = true })
	require.Contains(t, decoded[events.FailedData](t, r.until(id, events.Failed)).Reason, "extra_data did not come")
	require.Zero(t, d.launches())
}
