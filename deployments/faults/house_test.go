package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway"
	"streamstack/gateway/token"
	"streamstack/projections"
	"streamstack/projections/verify"
)

// patience bounds every wait: an agent counts as lost after half a minute, and the machine may be busy.
const patience = 2 * time.Minute

// house is NATS with gateways, in this process.
type house struct {
	t      *testing.T
	server *eventstest.Server
	log    *events.Log // a gateway's
}

func newHouse(t *testing.T, gateways int) *house {
	t.Helper()
	server := eventstest.Start(t)
	h := &house{t: t, server: server, log: eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})}
	mint, err := token.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for range gateways {
		h.gateway(mint)
	}
	return h
}

func (h *house) gateway(mint *token.Mint) {
	h.t.Helper()
	logger := slog.New(slog.DiscardHandler)
	nc := h.server.Connect(h.t)
	log, err := events.New(nc, logger)
	require.NoError(h.t, err)
	g := gateway.New(gateway.Config{Log: log, Logger: logger, Tokens: mint, Version: "test"})
	public, err := new(net.ListenConfig).Listen(h.t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(h.t, err)
	admin, err := new(net.ListenConfig).Listen(h.t.Context(), "unix", filepath.Join(h.t.TempDir(), "a.sock"))
	require.NoError(h.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- g.Run(ctx, public, admin, func() { close(ready) }) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("gateway: %v", err)
		}
		nc.Close()
	})
	select {
	case <-ready:
	case <-time.After(patience):
		h.t.Fatal("the gateway is not ready")
	}
}

// agent is an agent's process.
type worker struct {
	h      *house
	config agentConfig
	cmd    *exec.Cmd
	said   *eventstest.Output
}

// newAgent starts an agent and waits until it takes work.
func (h *house) newAgent(c agentConfig) *worker {
	h.t.Helper()
	c.NATS = h.server.URL()
	if c.Data == "" {
		c.Data = h.t.TempDir()
	}
	a := &worker{h: h, config: c}
	h.t.Cleanup(func() {
		a.kill()
		a.clean()
		if h.t.Failed() {
			h.t.Logf("agent %s: %s", c.ID, a.said)
		}
	})
	a.start()
	return a
}

func (a *worker) start() {
	a.h.t.Helper()
	self, err := os.Executable()
	require.NoError(a.h.t, err)
	text, err := json.Marshal(a.config)
	require.NoError(a.h.t, err)
	a.cmd = exec.Command(self, "role:agent")
	a.said = &eventstest.Output{}
	a.cmd.Env, a.cmd.Stderr = append(os.Environ(), agentVariable+"="+string(text)), a.said
	if a.config.Path != "" {
		a.cmd.Env = append(a.cmd.Env, "PATH="+a.config.Path+":"+os.Getenv("PATH"))
	}
	out, err := a.cmd.StdoutPipe()
	require.NoError(a.h.t, err)
	require.NoError(a.h.t, a.cmd.Start())
	late := time.AfterFunc(patience, func() { _ = a.cmd.Process.Kill() }) // which ends the reading
	line, err := bufio.NewReader(out).ReadString('\n')
	late.Stop()
	require.NoError(a.h.t, err, "%s", a.said)
	require.Equal(a.h.t, "ready\n", line)
}

// kill ends the agent as a crash does; its instances go on.
func (a *worker) kill() {
	if a.cmd.ProcessState == nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait() // killed
	}
}

// clean ends what a failed test has left.
func (a *worker) clean() {
	for _, pid := range residents(a.h.t, a.config.Data) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// residents are the processes whose environment names the folder: every part of an instance has its HOME there. It is
// deliberately not how the driver finds them.
func residents(t *testing.T, folder string) (pids []int) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		if err == nil && bytes.Contains(environ, []byte("HOME="+folder+"/")) {
			pid, err := strconv.Atoi(strings.Split(path, "/")[2])
			require.NoError(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// nothingLeft waits until no process of an agent's instances runs.
func (a *worker) nothingLeft() {
	a.h.t.Helper()
	eventstest.Wait(a.h.t, patience, func() string {
		if pids := residents(a.h.t, a.config.Data); len(pids) > 0 {
			return fmt.Sprintf("the end of processes %v", pids)
		}
		return ""
	})
}

// withoutStreamer waits until no instance of an agent has a streamer, and returns how many processes there still are.
func (a *worker) withoutStreamer() (n int) {
	a.h.t.Helper()
	eventstest.Wait(a.h.t, patience, func() string {
		pids := residents(a.h.t, a.config.Data)
		n = len(pids)
		for _, pid := range pids {
			if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && bytes.Contains(line, []byte("role:streamer")) {
				return fmt.Sprintf("the end of streamer %d", pid)
			}
		}
		return ""
	})
	return n
}

// part is the pid of a part of a session's instance.
func (a *worker) part(id events.SessionID, p driver.Part) int {
	a.h.t.Helper()
	var state struct {
		Parts map[driver.Part]struct{ PID int }
	}
	text, err := os.ReadFile(a.state(id))
	require.NoError(a.h.t, err)
	require.NoError(a.h.t, json.Unmarshal(text, &state))
	require.NotZero(a.h.t, state.Parts[p].PID)
	return state.Parts[p].PID
}

func (a *worker) state(id events.SessionID) string {
	return filepath.Join(a.config.Data, "instances", string(id), "state.json")
}

// create appends a session's creation; a gateway puts it into the queue.
func (h *house) create(app string) events.SessionID {
	h.t.Helper()
	id := events.SessionID(uuid.NewString())
	h.say(id, events.Created, events.CreatedData{App: app, Ephemeral: true, Screen: events.Screen{Width: 320, Height: 240, FPS: 30, Density: 96}})
	return id
}

// say appends an event of the gateway's.
func (h *house) say(id events.SessionID, n events.Name, data any) {
	h.t.Helper()
	eventstest.Append(h.t, h.log, events.NewDraft(region, id, events.Gateway, n, data))
}

// terminate asks for a session's end, if it has none and nobody has asked.
func (h *house) terminate(id events.SessionID) {
	h.t.Helper()
	require.NoError(h.t, eventstest.Answered(func() error {
		_, _, err := projections.Decide(h.t.Context(), h.log, region, id, func(s projections.Session) (*events.Draft, error) {
			if s.Ended() || s.Status == projections.StatusTerminating {
				return nil, nil
			}
			d := events.NewDraft(region, id, events.Gateway, events.Terminating, events.TerminatingData{By: "account:test", Reason: "deleted by test"})
			return &d, nil
		})
		return err
	}))
}

// until waits for a session's first event of a name.
func (h *house) until(id events.SessionID, n events.Name) (found events.Event) {
	h.t.Helper()
	eventstest.Wait(h.t, patience, func() string {
		var words []string
		ok := false
		err := h.log.History(h.t.Context(), region, id, 0, func(e events.Event) error {
			words = append(words, fmt.Sprintf("%s.%s %s", e.Actor, e.Name, e.Data))
			if e.Name == n && !ok {
				found, ok = e, true
			}
			return nil
		})
		if err != nil || !ok {
			return fmt.Sprintf("%s of %s in %s (%v)", n, id, strings.Join(words, "\n"), err)
		}
		return ""
	})
	return found
}

// verify has the whole log looked at by the rules of `streamstack verify`.
func (h *house) verify(ended bool) verify.Summary {
	h.t.Helper()
	c := &verify.Checker{Whole: true, MustEnd: ended, Report: func(b verify.Breach) error {
		h.t.Error(b)
		return nil
	}}
	seen := events.Seq(0)
	require.NoError(h.t, eventstest.Answered(func() error {
		return h.log.Read(h.t.Context(), events.SessionsStream, "", seen+1, func(e events.Event) error {
			seen = e.Sequence
			return c.Add(e)
		})
	}))
	sum, err := c.Finish()
	require.NoError(h.t, err)
	return sum
}

// status is the session's, as the API shows it.
func (h *house) status(id events.SessionID) projections.Status {
	h.t.Helper()
	return h.session(id).Status
}

// session is what the log says of it.
func (h *house) session(id events.SessionID) (s projections.Session) {
	h.t.Helper()
	require.NoError(h.t, eventstest.Answered(func() (err error) {
		s, _, err = projections.Load(h.t.Context(), h.log, region, id)
		return err
	}))
	return s
}
