package faults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/podmantest"
	"streamstack/agent/driver/process"
	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// trial is one fault under way.
type trial struct {
	*house
	agent *worker
	ams   *engine // nil with another driver
	// containers is the engine of the docker driver, nil with another.
	containers *podmantest.Engine
	id         events.SessionID
}

// fault is a row of the table.
type fault struct {
	name string
	app  string      // empty: steady
	with agentConfig // what is special about the agent
	slow bool        // the sound server takes its time
	ams  bool
	// docker has the instances run in containers, of an engine that is the fault's alone.
	docker, alone bool
	// before is the event after which the fault is brought about by strike; nil: it is there from the beginning.
	before events.Name
	strike func(*trial)
	// event tells of it, cause and says are in it. status is the session's then, or what it comes to by then.
	event  events.Name
	cause  string
	says   string
	status projections.Status
	then   func(*trial)
}

var faults = []fault{
	{name: "its program is not installed", app: "missing", event: events.Failed, cause: events.CauseMissing, says: `"no-such-program" is not in PATH`, status: projections.StatusError},
	{name: "the host is full", with: agentConfig{Full: true}, event: events.AttemptFailed, cause: events.CauseFull, says: "this machine is full", status: projections.StatusActive,
		then: func(f *trial) {
			f.agent.kill()
			f.agent.config.Full = false
			f.agent.start()
			f.until(f.id, events.Ready)
		}},
	{name: "the application crashes", before: events.Ready, strike: kills(driver.PartApplication, syscall.SIGSEGV), event: events.Failed, cause: events.CauseDied,
		says: "the application", status: projections.StatusError},
	{name: "the streamer is killed", before: events.Ready, strike: kills(driver.PartStreamer, syscall.SIGKILL), event: events.Failed, cause: events.CauseDied,
		says: "the streamer was ended by signal 9", status: projections.StatusError},
	{name: "the streamer hangs", with: agentConfig{Hang: 4 * events.HeartbeatEvery}, before: events.Ready, strike: kills(driver.PartStreamer, syscall.SIGSTOP),
		event: events.Failed, cause: events.CauseHung, says: "no sign of life for 12s", status: projections.StatusError},
	{name: "the streamer is never ready", app: "mute", with: agentConfig{Ready: 8 * time.Second}, event: events.Failed, cause: events.CauseDeadline,
		says: "the streamer was not ready within 8s", status: projections.StatusError},
	{name: "the X server dies", before: events.Ready, strike: kills(driver.PartDisplay, syscall.SIGKILL), event: events.Failed, cause: events.CauseDied,
		says: "the X server was ended by signal 9", status: projections.StatusError},
	{name: "NATS is away during the launch", slow: true, with: agentConfig{Launch: 15 * time.Second}, before: events.Claimed, strike: func(f *trial) {
		f.server.Stop()
		f.agent.nothingLeft()
		f.server.Restart()
	}, event: events.AttemptFailed, cause: events.CauseLog, says: "NATS does not answer", status: projections.StatusActive, then: func(f *trial) { f.until(f.id, events.Ready) }},
	{name: "the agent is killed and stays away", before: events.Ready, strike: func(f *trial) { f.agent.kill() }, event: events.AgentLost,
		says: "has not answered", status: projections.StatusError, then: func(f *trial) { f.agent.nothingLeft(); f.agent.start() }},
	{name: "the agent is killed and comes back", before: events.Ready, strike: func(f *trial) {
		f.agent.kill()
		f.agent.start()
		require.Len(f.t, residents(f.t, f.agent.config.Data), 4, "the instance goes on")
		f.terminate(f.id)
	}, event: events.Terminated, says: "deleted by test", status: projections.StatusTerminated},
	{name: "the host restarts under the agent", before: events.Ready, strike: func(f *trial) {
		f.agent.kill()
		f.agent.clean()
		require.NoError(f.t, os.Remove(f.agent.state(f.id)))
		f.agent.start()
	}, event: events.Failed, cause: events.CauseVanished, says: "the session's instance was gone", status: projections.StatusError},
	{name: "AMS does not answer", ams: true, app: "racing", strike: func(f *trial) { f.ams.away.Store(true) }, event: events.AttemptFailed, cause: events.CauseAway, says: "EOF",
		status: projections.StatusActive, then: func(f *trial) { f.ams.away.Store(false); f.until(f.id, events.Ready) }},
	{name: "AMS has no room", ams: true, app: "racing", strike: func(f *trial) { f.ams.full.Store(true) }, event: events.AttemptFailed, cause: events.CauseFull, says: "No suitable node",
		status: projections.StatusActive, then: func(f *trial) { f.ams.full.Store(false); f.until(f.id, events.Ready) }},
	{name: "AMS's instance fails", ams: true, app: "racing", before: events.Ready, strike: func(f *trial) {
		eventstest.Wait(f.t, patience, func() string {
			if !strings.Contains(f.agent.said.String(), "instance launched") {
				return "the launch"
			}
			return ""
		})
		f.ams.Fail(f.ams.Instances()[0].ID, "the node died")
	}, event: events.Failed, cause: events.CauseDied, says: "the instance failed: the node died", status: projections.StatusError},
}

// kills sends a signal to a part of the instance.
func kills(p driver.Part, s syscall.Signal) func(*trial) {
	return func(f *trial) { require.NoError(f.t, syscall.Kill(f.agent.part(f.id, p), s)) }
}

// table collects the rows as they come.
type table struct {
	mu    sync.Mutex
	lines []string
}

func (x *table) add(f fault, e events.Event, d events.FailedData, status projections.Status, noticed time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	what := string(e.Actor) + "." + string(e.Name)
	if d.Cause != "" {
		what += " (" + d.Cause + ")"
	}
	x.lines = append(x.lines, fmt.Sprintf("| %s | `%s` | %s | %.1f s | nothing |", f.name, what, status, noticed.Seconds()))
}

// ofThisHost are those that cannot happen everywhere.
func ofThisHost(t *testing.T) []fault {
	t.Helper()
	if _, err := process.CheckLimits(); err != nil {
		t.Log(err) // which is what an agent says here
		return nil
	}
	return []fault{{name: "it uses more memory than it may, as processes", app: "greedy", event: events.Failed, cause: events.CauseMemory,
		says: "more memory than it is allowed (256 MiB)", status: projections.StatusError}}
}

// Each fault has its event, its reason and its status; what was started is gone; the slot takes the next session.
func TestFaults(t *testing.T) {
	var rows table
	t.Run("rows", func(t *testing.T) {
		for _, f := range slices.Concat(faults, dockerFaults, ofThisHost(t)) {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				f.run(t, &rows)
			})
		}
	})
	t.Log("the faults:\n| fault | event | status | noticed after | left running |\n|---|---|---|---|---|\n" + strings.Join(rows.lines, "\n"))
	require.NotEmpty(t, rows.lines) // -run may choose some
}

func (f fault) run(t *testing.T, rows *table) {
	t.Helper()
	x := f.prepare(t)
	began := time.Now()
	if f.before == "" && f.strike != nil {
		f.strike(x)
	}
	x.id = x.create(orElse(f.app, "steady"))
	if f.before != "" {
		x.until(x.id, f.before)
		began = time.Now()
		f.strike(x)
	}
	e := x.until(x.id, f.event)
	var d events.FailedData
	require.NoError(t, e.Decode(&d))
	require.Equal(t, f.cause, d.Cause, d.Reason)
	require.Contains(t, d.Reason, f.says)
	if f.then != nil {
		f.then(x)
	}
	status := x.status(x.id)
	require.Equal(t, f.status, status)

	// Nothing is left of it: of one that goes on, once it is ended.
	x.terminate(x.id)
	x.nothingLeft()
	// And the slot is there: there is one only.
	next := x.create(orElse(map[bool]string{true: "racing"}[f.ams], "steady"))
	x.until(next, events.Ready)
	x.terminate(next)
	x.until(next, events.Terminated)
	x.nothingLeft()
	x.verify(false)
	rows.add(f, e, d, status, e.Stored.Sub(began))
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// prepare starts what a fault is to happen to.
func (f fault) prepare(t *testing.T) *trial {
	t.Helper()
	x := &trial{house: newHouse(t, 1)}
	c := f.with
	c.ID, c.Slots = "a1", 1
	if f.ams {
		x.ams = newEngine(t, x.house)
		c.AMS = &x.ams.config
	}
	if f.docker {
		f.contain(t, x, &c)
	}
	if f.slow {
		folder := t.TempDir()
		script := "#!/bin/sh\nsleep 6\nPATH=${PATH#*:}\nexec pulseaudio \"$@\"\n"
		require.NoError(t, os.WriteFile(filepath.Join(folder, "pulseaudio"), []byte(script), 0o700))
		c.Path = folder
	}
	x.agent = x.newAgent(c)
	return x
}

// nothingLeft waits until no instance is there.
func (x *trial) nothingLeft() {
	x.t.Helper()
	x.agent.nothingLeft()
	if x.containers != nil {
		x.noContainers()
	}
	if x.ams == nil {
		return
	}
	eventstest.Wait(x.t, patience, func() string {
		if left := x.ams.Instances(); len(left) > 0 {
			return fmt.Sprintf("the end of AMS's instances %v", left)
		}
		return ""
	})
}

// switches are what is wrong with an engine.
type switches struct{ away, full atomic.Bool }

// intercept answers launches in AMS's place.
func (s *switches) intercept(w http.ResponseWriter, q *http.Request) bool {
	switch {
	case q.Method != http.MethodPost:
		return false
	case s.away.Load():
		if h, able := w.(http.Hijacker); able {
			if conn, _, err := h.Hijack(); err == nil {
				_ = conn.Close() // without an answer
			}
		}
		return true
	case s.full.Load():
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"type":"error","error":"No suitable node to satisfy instance requirement available","error_code":500}`))
		return true
	}
	return false
}
