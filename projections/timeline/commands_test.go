package timeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
)

// patience bounds every wait of these tests; a machine under load is slow.
const patience = 30 * time.Second

// run runs a command line as main does.
func run(ctx context.Context, out io.Writer, args ...string) (status int, err error) {
	root := &cli.Command{
		Name: "streamstack", Commands: []*cli.Command{History(), Tail()}, Writer: out, ErrWriter: out,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	err = root.Run(ctx, append([]string{"streamstack"}, args...))
	return connect.ExitStatus(err), err
}

// must runs a command that has to succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out := &eventstest.Output{}
	_, err := run(t.Context(), out, args...)
	require.NoError(t, err)
	return out.String()
}

// stack is a NATS server with the streams and a session's events, found by STREAMSTACK_DATA.
func stack(t *testing.T) (*events.Log, []events.Seq) {
	t.Helper()
	log := eventstest.Log(t)
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	return log, appendStory(t, log, "good", session)
}

// appendStory appends a story of stories as another session.
func appendStory(t *testing.T, log *events.Log, name string, id events.SessionID) []events.Seq {
	t.Helper()
	s := newScript(t)
	stories[name](s)
	var seqs []events.Seq
	for _, e := range s.list {
		seq, err := log.Append(t.Context(), events.NewDraft(region, id, e.Actor, e.Name, e.Data))
		require.NoError(t, err)
		seqs = append(seqs, seq)
	}
	return seqs
}

func sequences(t *testing.T, text string) (seqs []events.Seq) {
	t.Helper()
	for line := range strings.Lines(text) {
		var e events.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e), line)
		again, err := e.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(line), string(again), "exactly the form of MarshalJSON")
		seqs = append(seqs, e.Sequence)
	}
	return seqs
}

func TestHistoryCommand(t *testing.T) {
	_, seqs := stack(t)
	id := string(session)

	text := must(t, "history", id)
	require.Contains(t, text, "gateway.created")
	require.Contains(t, text, "client 1: 1 host, 1 srflx")
	require.Contains(t, text, "Ended in order after ")
	require.NotContains(t, text, "\x1b", "no terminal, no colours")
	require.Equal(t, seqs, sequences(t, must(t, "history", id, "--json")))
	require.Equal(t, seqs[:5], sequences(t, must(t, "history", "--json", "--at", fmt.Sprint(seqs[4]), id)))

	text = must(t, "history", id, "--at", fmt.Sprint(seqs[4]))
	require.Contains(t, text, "As of 5: status active, attempt 1, agent a1, screen 1280x720 at 30 fps")
	require.Contains(t, text, "Still running: ready, not connected so far: no client opened its socket.")
	require.Equal(t, seqs, sequences(t, must(t, "history", id, "--json", "--at", time.Now().Add(time.Hour).Format(time.RFC3339))))
}

func TestHistoryCommandSaysWhatIsWrong(t *testing.T) {
	stack(t)
	for line, x := range map[string]struct {
		status int
		want   string
	}{
		"history":                                {connect.ExitUsage, "give one ID"},
		"history a b":                            {connect.ExitUsage, "give one ID"},
		"history a --at yesterday":               {connect.ExitUsage, "--at"},
		"history --bogus a":                      {connect.ExitUsage, "bogus"},
		"history unknown-1":                      {connect.ExitFailed, "session unknown-1 is not in the log"},
		"history *":                              {connect.ExitFailed, "is not in the log"},
		"history a --data /does/not/exist":       {connect.ExitFailed, "no stack runs on /does/not/exist"},
		"history " + string(session) + " --at 0": {connect.ExitFailed, "did not exist as of 0"},
		"history " + string(session) + " --at 2001-01-01": {connect.ExitFailed, "did not exist as of 2001-01-01"},
	} {
		out := &eventstest.Output{}
		status, err := run(t.Context(), out, strings.Fields(line)...)
		require.Equal(t, x.status, status, line)
		require.ErrorContains(t, err, x.want, line)
		require.NotContains(t, err.Error(), "\n", line)
		require.Empty(t, out.String(), line)
	}
}

// follow runs tail until missing says that nothing is missing from its output, then ends it as SIGINT does.
func follow(t *testing.T, missing func(out string) string, args ...string) string {
	t.Helper()
	out := &eventstest.Output{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := run(ctx, out, append([]string{"tail"}, args...)...)
		done <- err
	}()
	eventstest.Wait(t, patience, func() string {
		select {
		case err := <-done:
			t.Fatalf("tail ended by itself: %v; %s", err, out)
		default:
		}
		return missing(out.String())
	})
	cancel()
	require.NoError(t, <-done, "SIGINT is a clean end")
	return out.String()
}

// lines waits for a number of lines.
func lines(n int) func(string) string {
	return func(out string) string {
		if got := strings.Count(out, "\n"); got < n {
			return fmt.Sprintf("%d of %d lines: %s", got, n, out)
		}
		return ""
	}
}

func TestTailChoosesAndFollows(t *testing.T) {
	log, seqs := stack(t)
	other := events.SessionID("0192f1c2-5d3e-7000-8000-00000000ffff")
	otherSeqs := appendStory(t, log, "no-agent", other)
	all := append(append([]events.Seq{}, seqs...), otherSeqs...)
	for args, want := range map[string][]events.Seq{
		"--since 1":                                     all,
		"--since 1h":                                    all,
		"--since 0 --region local":                      all,
		"--since " + fmt.Sprint(seqs[10]):               all[10:],
		"--since 1 --session " + string(other):          otherSeqs,
		"--since 1 --type created":                      {seqs[0], otherSeqs[0]},
		"--since 1 --type streamer.offer":               {seqs[7]},
		"--since 1 --type streamstack.session.offer.v1": {seqs[7]},
		"--since 1 --type created --session " + string(other) + " --region local": {otherSeqs[0]},
	} {
		got := follow(t, lines(len(want)), append(strings.Fields(args), "--json")...)
		require.Equal(t, want, sequences(t, got), args)
	}
	text := follow(t, lines(3), "--since", "1", "--type", "created")
	require.Contains(t, text, "gateway.created")
	require.Contains(t, text, string(other))
}

func TestTailBeginsWithWhatComesNext(t *testing.T) {
	log, _ := stack(t)
	var late events.Seq
	text := follow(t, func(out string) string {
		// Appended again and again until the tail is there to see it.
		seq, err := log.Append(t.Context(), events.NewDraft(region, "late", events.Gateway, events.Created, events.CreatedData{App: "late"}))
		require.NoError(t, err)
		if late == 0 {
			late = seq
		}
		return lines(1)(out)
	}, "--json")
	require.GreaterOrEqual(t, sequences(t, text)[0], late)
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A tail that cannot write ends then, not when something happens next.
func TestTailEndsWhenItCannotWrite(t *testing.T) {
	stack(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, args := range [][]string{{"tail", "--since", "1"}, {"tail", "--since", "1", "--json"}} {
		status, err := run(ctx, full{}, args...)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Equal(t, connect.ExitFailed, status)
	}
}

func TestTailShowsWhatMustNotBeTrusted(t *testing.T) {
	log, _ := stack(t)
	m, err := log.JetStream().Publish(t.Context(), "sessions.local."+string(session)+".agent.created", []byte("\x1b[2J"), jetstream.WithMsgID("x"))
	require.NoError(t, err)
	text := follow(t, lines(2), "--since", fmt.Sprint(m.Sequence))
	require.Contains(t, text, "QUARANTINED")
	require.NotContains(t, text, "\x1b")
}

func TestTailRefusesWhatCannotBe(t *testing.T) {
	for _, line := range []string{"tail x", "tail --region A.B", "tail --session *", "tail --type a.b.c", "tail --type >", "tail --since never"} {
		status, err := run(t.Context(), &eventstest.Output{}, strings.Fields(line)...)
		require.Equal(t, connect.ExitUsage, status, "%s: %v", line, err)
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.FixedZone("x", 3600))
	for text, want := range map[string]when{
		"17":                        {seq: 17},
		"2026-11-22T06:27:09.5Z":    {time: time.Date(2026, 11, 22, 6, 27, 9, 5e8, time.UTC)},
		"2026-11-22 06:27":          {time: time.Date(2026, 11, 22, 6, 27, 0, 0, now.Location())},
		"06:27:01":                  {time: time.Date(2026, 11, 22, 6, 27, 1, 0, now.Location())},
		"2026-11-22T06:27:09+02:00": {time: time.Date(2026, 11, 22, 4, 27, 9, 0, time.UTC)},
	} {
		got, err := parseWhen(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want.seq, got.seq, text)
		require.True(t, want.time.Equal(got.time), text)
	}
	from, err := parseSince("-10m", now)
	require.NoError(t, err)
	require.True(t, from.Time.Equal(now.Add(-10*time.Minute)))
}

// What counts is when the log took an event, not what its publisher's clock said.
func TestWhenGoesByTheLogsClock(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	fast := events.Event{Sequence: 1, Stored: at, Time: at.Add(time.Hour)}
	slow := events.Event{Sequence: 2, Stored: at.Add(time.Minute), Time: at.Add(-time.Hour)}
	n, _ := when{time: at}.cut([]events.Event{fast, slow})
	require.Equal(t, 1, n)
	n, _ = when{time: at.Add(time.Minute)}.cut([]events.Event{fast, slow})
	require.Equal(t, 2, n)
}

func FuzzWhen(f *testing.F) {
	for _, text := range []string{"17", "10m", "06:27", "2026-11-22", "18446744073709551616", "-1", "0"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if from, err := parseSince(text, now); err == nil && from.Seq == 0 && from.Time.IsZero() {
			t.Fatalf("%q begins nowhere", text)
		}
	})
}
