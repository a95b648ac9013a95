package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/projections/archive"
	"streamstack/projections/progress"
)

// stack is a NATS server with the streams, found by STREAMSTACK_DATA.
func stack(t *testing.T) *events.Log {
	t.Helper()
	log := eventstest.NewLog(t, eventstest.Conn(t), events.StreamsConfig{})
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	return log
}

// live appends steps of one session.
func live(t *testing.T, log *events.Log, steps ...say) events.SessionID {
	t.Helper()
	id := events.SessionID(uuid.NewString())
	for _, s := range steps {
		_, err := log.Append(t.Context(), events.NewDraft(region, id, s.actor, s.name, s.data))
		require.NoError(t, err)
	}
	return id
}

// verify runs the command as main does.
func verify(t *testing.T, args ...string) (out, messages string, err error) {
	t.Helper()
	var o, m bytes.Buffer
	root := &cli.Command{
		Name: "streamstack", Commands: []*cli.Command{Command()}, Writer: &o, ErrWriter: &m,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	err = root.Run(t.Context(), append([]string{"streamstack", "verify"}, args...))
	return o.String(), m.String(), err
}

// A sound log is silent; a forged event and a second ending are named, and the command fails.
func TestCommand(t *testing.T) {
	log := stack(t)
	live(t, log, then(running(), terminatedBy("a", 1))...)
	open := live(t, log, running()...)
	out, messages, err := verify(t)
	require.NoError(t, err)
	require.Empty(t, out)
	require.Equal(t, "verify: 13 events of 2 sessions, 1 of which live: 0 breaches\n", messages)

	out, _, err = verify(t, "--ended")
	require.Error(t, err)
	require.Contains(t, out, string(open))

	bad := live(t, log, then(running(), terminatedBy("a", 1), failedBy("a", 1))...)
	forged := nats.NewMsg(events.Subject{Region: region, Session: open, Actor: events.Agent, Name: events.Terminated}.String())
	forged.Header.Set("ce-specversion", "1.0")
	forged.Header.Set("ce-id", uuid.NewString())
	forged.Header.Set("ce-source", events.SourceOf(events.Gateway))
	forged.Header.Set("ce-type", events.TypeOf(events.Terminated))
	forged.Data = []byte(`{"agent":"a","attempt":1,"reason":"because"}`)
	_, err = log.JetStream().PublishMsg(t.Context(), forged)
	require.NoError(t, err)

	out, _, err = verify(t, "--json")
	require.ErrorContains(t, err, "2 breaches")
	require.Equal(t, 1, connect.ExitStatus(err))
	var found []Breach
	for line := range strings.Lines(out) {
		var b Breach
		require.NoError(t, json.Unmarshal([]byte(line), &b))
		found = append(found, b)
	}
	require.Equal(t, []Rule{RuleEnding, RuleProvenance}, []Rule{found[0].Rule, found[1].Rule})
	require.Equal(t, []events.SessionID{bad, open}, []events.SessionID{found[0].Session, found[1].Session})

	out, _, err = verify(t, "--session", string(bad))
	require.ErrorContains(t, err, "1 breaches")
	require.Equal(t, 1, strings.Count(out, "\n"))
	require.Contains(t, out, "the session had ended by terminated (rule: ending)")

	_, messages, err = verify(t, "--since", "3", "--session", string(bad))
	require.Error(t, err, "it began after 3, so it is checked")
	require.NotContains(t, messages, "were not checked")
	_, messages, err = verify(t, "--since", "3")
	require.Error(t, err)
	require.Contains(t, messages, "1 sessions began before what was read")
}

// Wrong usage is told apart from a log that is bad.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"one"}, {"--since", "yesterday"}, {"--session", "a b"}, {"--colour"}} {
		_, _, err := verify(t, args...)
		require.Equal(t, 2, connect.ExitStatus(err), "%v: %v", args, err)
	}
}

// An interrupted check says how far it came, and never that all is well.
func TestInterrupted(t *testing.T) {
	log := stack(t)
	live(t, log, running()...)
	ctx, cancel := context.WithCancel(t.Context())
	source, closeIt, err := archive.Open(ctx, log, "")
	require.NoError(t, err)
	defer closeIt()
	c := &Checker{Report: func(Breach) error { return nil }}
	quiet := progress.Lines(slog.New(slog.DiscardHandler), "the log", time.Now)
	_, err = Check(ctx, stopping{source, cancel}, events.AllSessions, events.Start{}, c, quiet)
	require.ErrorIs(t, err, context.Canceled)
}

// stopping is a source whose reader is interrupted at the first event.
type stopping struct {
	archive.Source
	stop context.CancelFunc
}

func (s stopping) Read(ctx context.Context, filter string, from events.Seq, fn func(events.Event) error) error {
	return s.Source.Read(ctx, filter, from, func(e events.Event) error {
		if filter == events.AllSessions && e.Sequence > 1 {
			s.stop()
		}
		return fn(e)
	})
}
