package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/gateway"
	"streamstack/gateway/client"
	"streamstack/gateway/token"
)

const (
	region   events.Region = "local"
	patience               = 30 * time.Second
)

// served starts a gateway on a log, and has the commands find it.
func served(t *testing.T) *events.Log {
	t.Helper()
	server := eventstest.Start(t)
	log := eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	logger := slog.New(slog.DiscardHandler)
	mint, err := token.Open(t.TempDir(), logger)
	require.NoError(t, err)
	g := gateway.New(gateway.Config{Log: log, Logger: logger, Tokens: mint, Version: "test"})
	public, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	admin, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "a.sock"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- g.Run(ctx, public, admin, func() { close(ready) }) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("the gateway is not ready")
	}
	root, err := g.CreateAccount(t.Context(), "kim", time.Now().Add(time.Hour), token.AllScopes)
	require.NoError(t, err)
	data := t.TempDir()
	require.NoError(t, connect.Endpoints{Gateway: "http://" + public.Addr().String(), Token: root}.Write(data))
	t.Setenv("STREAMSTACK_DATA", data)
	return log
}

// agentCommand runs `agent` with arguments.
func agentCommand(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	root := &cli.Command{
		Name: "streamstack", Version: "1.2.3", Writer: &o, ErrWriter: &e, ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Commands: []*cli.Command{{Name: "agent", Commands: client.AgentCommands()}},
	}
	err = root.Run(t.Context(), append([]string{"streamstack", "agent"}, args...))
	return o.String(), err
}

// comes has an agent say that it is there, and be alive.
func comes(t *testing.T, log *events.Log, id events.AgentID, warm int) {
	t.Helper()
	load := 0.25
	m := nats.NewMsg(events.HeartbeatSubject(events.HeartbeatKey(region, id)))
	m.Data = events.Heartbeat{Time: time.Now(), Load: &load, Warm: &warm}.Value()
	_, err := log.JetStream().PublishMsg(t.Context(), m, jetstream.WithMsgTTL(time.Minute))
	require.NoError(t, err)
	_, err = log.Append(t.Context(), events.NewAgentDraft(region, id, events.AgentOnline, events.OnlineData{
		Driver: "process", Slots: 4, Version: "v9", GPUs: []events.GPUData{{Vendor: "intel", Device: "/dev/dri/renderD128"}},
		Applications: []events.ApplicationData{{Name: "xterm", Versions: []int{1}}, {Name: "testcard", Versions: []int{1, 2}}},
	}))
	require.NoError(t, err)
}

// The commands against a gateway as it is: who is there, with what; a drain with and without a deadline, its end; who has left.
func TestAgentCommands(t *testing.T) {
	log := served(t)
	comes(t, log, "a1", 2)
	comes(t, log, "a2", 0)
	fields := func(out, name string) []string {
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 0 && f[0] == name {
				return f
			}
		}
		return nil
	}
	var out string
	eventstest.Wait(t, patience, func() string {
		var err error
		if out, err = agentCommand(t, "ls"); err != nil {
			return err.Error()
		}
		if len(fields(out, "a1")) < 9 || fields(out, "a2") == nil || fields(out, "a1")[2] != "online" {
			return "both agents, online: " + out
		}
		return ""
	})
	require.Equal(t, []string{"ID", "REGION", "STATUS", "SESSIONS", "LOAD", "DRIVER", "APPLICATIONS", "GPUS", "VERSION"}, fields(out, "ID"))
	require.Equal(t, []string{"a1", "local", "online", "0/4", "0.25", "process", "xterm,testcard", "intel", "v9"}, fields(out, "a1"))

	out, err := agentCommand(t, "show", "a1")
	require.NoError(t, err)
	require.Equal(t, []string{"warm", "2"}, fields(out, "warm"))
	require.Equal(t, []string{"draining", "no"}, fields(out, "draining"))

	out, err = agentCommand(t, "drain", "a1", "--deadline", "5", "--json")
	require.NoError(t, err)
	var drained client.Agent
	require.NoError(t, json.Unmarshal([]byte(out), &drained))
	require.Equal(t, "draining", drained.Status)
	require.Equal(t, "account:kim", drained.Drain.By)
	require.WithinDuration(t, time.Now().Add(5*time.Minute), *drained.Drain.Until, time.Minute)
	found := false
	require.NoError(t, log.Read(t.Context(), events.AgentsStream, events.AgentFilter(region, "a1"), 0, func(e events.Event) error {
		found = found || e.Type == events.AgentTypeOf(events.AgentDrain)
		return nil
	}))
	require.True(t, found, "which is where the agent reads it")
	out, err = agentCommand(t, "show", "a1")
	require.NoError(t, err)
	require.Contains(t, out, "by account:kim until ")
	out, err = agentCommand(t, "drain", "a1")
	require.NoError(t, err)
	require.Equal(t, []string{"draining", "by", "account:kim"}, fields(out, "draining"), "the deadline is taken back")
	out, err = agentCommand(t, "drain", "a1", "--undo")
	require.NoError(t, err)
	require.Equal(t, []string{"status", "online"}, fields(out, "status"))

	_, err = log.Append(t.Context(), events.NewAgentDraft(region, "a2", events.AgentOffline, events.OfflineData{Reason: "stopped"}))
	require.NoError(t, err)
	eventstest.Wait(t, patience, func() string {
		if out, err = agentCommand(t, "ls"); err != nil || fields(out, "a2") != nil {
			return "a2's leaving: " + out
		}
		return ""
	})
	out, err = agentCommand(t, "ls", "--all", "--json")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(out, "\n"), "one object a line")
	require.Contains(t, out, `"status":"offline"`)
}

// What is wrong is told by the exit status, and by the gateway's words.
func TestAgentCommandsRefused(t *testing.T) {
	log := served(t)
	comes(t, log, "a1", 0)
	for line, status := range map[string]int{
		"show": connect.ExitUsage, "show a1 a2": connect.ExitUsage, "ls a1": connect.ExitUsage, "drain": connect.ExitUsage,
		"drain a1 --deadline -1": connect.ExitUsage, "drain a1 --deadline soon": connect.ExitUsage, "drain a1 --undo --deadline 1": connect.ExitUsage,
		"show nobody": connect.ExitFailed, "drain nobody": connect.ExitFailed, "drain nobody --undo": connect.ExitFailed, "drain a1 --deadline 999999999": connect.ExitFailed,
	} {
		_, err := agentCommand(t, strings.Fields(line)...)
		require.Error(t, err, line)
		require.Equal(t, status, connect.ExitStatus(err), "%s: %v", line, err)
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := agentCommand(t, "show", "nobody")
	require.ErrorContains(t, err, "does not exist")
}
