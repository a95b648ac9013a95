package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/projections/export"
	"streamstack/projections/timeline"
)

const session events.SessionID = "0192f1c2-7d4e-4b53-9a52-0d8ce3a5a0f1"

// recorded makes events stored at these distances from the first.
func recorded(after ...time.Duration) (list []events.Event) {
	for i, d := range after {
		list = append(list, events.Event{Sequence: events.Seq(i + 1), Stored: time.Unix(1_700_000_000, 0).Add(d)})
	}
	return list
}

// TestPace measures with the machine's own clock: at 1x, events are handed on within 5 ms of when they are due. What is
// measured is the replay and not the machine, so where something else took the processor for most of the time it is measured again.
func TestPace(t *testing.T) {
	const promise, patience = 5 * time.Millisecond, time.Minute
	var due []time.Duration
	for i := range 40 {
		due = append(due, time.Duration(i)*5*time.Millisecond+time.Duration(i%5)*300*time.Microsecond)
	}
	for end := time.Now().Add(patience); ; {
		var at []time.Duration
		begin := time.Now()
		late, err := Play(t.Context(), recorded(due...), 1, func(events.Event) error {
			at = append(at, time.Since(begin))
			return nil
		})
		require.NoError(t, err)
		require.Len(t, at, len(due))
		var lateness []time.Duration
		for i := range due {
			require.GreaterOrEqual(t, at[i], due[i], "never early")
			lateness = append(lateness, at[i]-due[i])
		}
		slices.Sort(lateness)
		median := lateness[len(lateness)/2]
		if median <= promise {
			t.Logf("median %s, p99 %s late", median, late.P99())
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the lateness was %s in the median, p99 %s; promised are %s", median, late.P99(), promise)
		}
	}
}

func TestPlay(t *testing.T) {
	begin := time.Now()
	late, err := Play(t.Context(), recorded(0, 5*time.Minute), 6000, func(events.Event) error { return nil })
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begin), 50*time.Millisecond)
	require.Less(t, time.Since(begin), time.Minute, "much less than the five it took")
	require.Len(t, late.late, 2)

	n := 0
	_, err = Play(t.Context(), recorded(0, time.Hour, 24*time.Hour), Max, func(events.Event) error { n++; return nil })
	require.NoError(t, err)
	require.Equal(t, 3, n)

	_, err = Play(t.Context(), nil, 1, nil)
	require.NoError(t, err)
	stop := errors.New("enough")
	_, err = Play(t.Context(), recorded(0, 1), 1, func(events.Event) error { return stop })
	require.ErrorIs(t, err, stop)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = Play(ctx, recorded(0, time.Hour), 1, func(events.Event) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)
}

// TestLateEventsDoNotDelayTheNext: a slow reader makes one event late, and the pace is kept from there on. By synctest's
// clock, so that how busy the machine is plays no part.
func TestLateEventsDoNotDelayTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late, err := Play(t.Context(), recorded(0, time.Millisecond, 200*time.Millisecond), 1, func(e events.Event) error {
			if e.Sequence == 1 {
				<-time.After(20 * time.Millisecond)
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, 19 * time.Millisecond, 0}, late.late)
	})
}

func TestSpeed(t *testing.T) {
	for text, want := range map[string]float64{"1x": 1, "10x": 10, "0.5": 0.5, "max": Max, "10000x": 10000} {
		got, err := ParseSpeed(text)
		require.NoError(t, err, text)
		require.InDelta(t, want, got, 0)
	}
	for _, text := range []string{"", "x", "0", "-1x", "NaN", "Inf", "fast", "10001x", "1e-9x"} {
		_, err := ParseSpeed(text)
		require.Error(t, err, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		if s, err := ParseSpeed(rapid.String().Draw(t, "speed")); err == nil && s != Max && !(s >= minSpeed && s <= maxSpeed) {
			t.Fatalf("%g", s)
		}
	})
}

func TestP99(t *testing.T) {
	var l Lateness
	require.Zero(t, l.P99())
	for i := range 200 {
		l.late = append(l.late, time.Duration(200-i))
	}
	require.Equal(t, time.Duration(198), l.P99())
}

// stack is a NATS server with a session of four events, found by STREAMSTACK_DATA.
func stack(t *testing.T) *events.Log {
	t.Helper()
	log := eventstest.Log(t)
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	for _, d := range []events.Draft{
		events.NewDraft("local", session, events.Gateway, events.Created, events.CreatedData{App: "testcard"}),
		events.NewDraft("local", session, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1}),
		events.NewDraft("local", session, events.Streamer, events.Offer, events.SDPData{Peer: "p", SDP: "v=0"}),
		events.NewDraft("local", session, events.Agent, events.Terminated, events.EndedData{Reason: "done"}),
	} {
		_, err := log.Append(t.Context(), d)
		require.NoError(t, err)
	}
	return log
}

func runCommand(ctx context.Context, out, messages io.Writer, args ...string) (status int, err error) {
	root := &cli.Command{
		Name: "streamstack", Commands: []*cli.Command{Command(), timeline.History(), export.Command()}, Writer: out, ErrWriter: messages,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	err = root.Run(ctx, append([]string{"streamstack"}, args...))
	return connect.ExitStatus(err), err
}

func must(t *testing.T, args ...string) (out, messages string) {
	t.Helper()
	var o, m bytes.Buffer
	_, err := runCommand(t.Context(), &o, &m, args...)
	require.NoError(t, err)
	return o.String(), m.String()
}

func TestReplayPrintsTheHistoryAgain(t *testing.T) {
	stack(t)
	want, _ := must(t, "history", "--json", string(session))
	got, messages := must(t, "replay", "--json", string(session))
	require.Equal(t, want, got)
	require.Contains(t, messages, "replay: 4 of 4 events in ")
	got, _ = must(t, "replay", "--speed", "max", string(session))
	require.Contains(t, got, "agent.terminated")
}

func TestReplayIntoASandbox(t *testing.T) {
	log := stack(t)
	before, _ := must(t, "export")
	out, messages := must(t, "replay", "--speed", "max", "--to", "sandbox", string(session))
	require.Empty(t, out)
	require.Contains(t, messages, "history --stream sandbox")
	// Once: in one history two runs would be a mixture of both.
	want, _ := must(t, "history", "--json", "--stream", "sandbox", string(session))
	status, err := runCommand(t.Context(), io.Discard, io.Discard, "replay", "--speed", "max", "--to", "sandbox", string(session))
	require.Equal(t, connect.ExitFailed, status)
	require.ErrorContains(t, err, "the sandbox sandbox holds session "+string(session)+" already")
	require.ErrorContains(t, err, "name another with --to")
	got, _ := must(t, "history", "--json", "--stream", "sandbox", string(session))
	require.Equal(t, want, got)
	after, _ := must(t, "export")
	require.Equal(t, before, after, "the log is as it was")

	copied, _ := must(t, "export", "--stream", "sandbox")
	var ids []string
	for line := range strings.Lines(before) {
		var e events.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		ids = append(ids, e.ID)
	}
	i := 0
	for line := range strings.Lines(copied) {
		var e events.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Equal(t, ids[i], e.ID)
		require.Equal(t, session, e.Session)
		require.Empty(t, e.Quarantine)
		i++
	}
	require.Equal(t, len(ids), i)
	told, _ := must(t, "history", "--stream", "sandbox", string(session))
	require.Contains(t, told, "agent.terminated")
	one, _ := must(t, "export", "--stream", "sandbox", "--session", string(session), "--type", "created")
	require.Equal(t, 1, strings.Count(one, "\n"))
	again, _ := must(t, "replay", "--stream", "sandbox", "--json", "--speed", "max", string(session))
	require.Equal(t, copied, again, "a sandbox can be replayed as the log can")
	s, err := log.JetStream().Stream(t.Context(), "sandbox")
	require.NoError(t, err)
	require.Equal(t, []string{"replay.sandbox.sessions.>"}, s.CachedInfo().Config.Subjects)
}

func TestReplaySaysWhatIsWrong(t *testing.T) {
	stack(t)
	for line, status := range map[string]int{
		"replay": connect.ExitUsage, "replay a b": connect.ExitUsage, "replay a --speed fast": connect.ExitUsage, "replay a --to SESSIONS": connect.ExitUsage,
		"replay a --to KV_HEARTBEATS": connect.ExitUsage, "replay a --to a.b": connect.ExitUsage, "replay unknown": connect.ExitFailed,
	} {
		got, err := runCommand(t.Context(), io.Discard, io.Discard, strings.Fields(line)...)
		require.Equal(t, status, got, "%s: %v", line, err)
	}
}

// TestInterruptedReplayIsNoFailure ends a replay as SIGINT does.
func TestInterruptedReplayIsNoFailure(t *testing.T) {
	stack(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := writer(func() { cancel() })
	var messages bytes.Buffer
	_, err := runCommand(ctx, out, &messages, "replay", "--speed", "0.01x", "--json", string(session))
	require.NoError(t, err)
	require.Contains(t, messages.String(), fmt.Sprintf("replay: %d of 4 events", 1))
}

// writer does something for each write.
type writer func()

func (w writer) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}
