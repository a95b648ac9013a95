package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/projections/archive"
	"streamstack/projections/columns"
	"streamstack/projections/timeline"
)

// stack is a NATS server with the streams, found by STREAMSTACK_DATA.
func stack(t *testing.T, c events.StreamsConfig) *events.Log {
	t.Helper()
	log := eventstest.NewLog(t, eventstest.Conn(t), c)
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	return log
}

// run runs a command line as main does.
func runCommand(ctx context.Context, out, messages io.Writer, args ...string) (status int, err error) {
	root := &cli.Command{
		Name: "streamstack", Commands: []*cli.Command{Command(), timeline.History()}, Writer: out, ErrWriter: messages,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	err = root.Run(ctx, append([]string{"streamstack"}, args...))
	return connect.ExitStatus(err), err
}

func must(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, messages bytes.Buffer
	_, err := runCommand(t.Context(), &out, &messages, args...)
	require.NoError(t, err)
	return out.Bytes()
}

// appendLife appends a session's life, and an event of a type that this version does not know.
func appendLife(t *testing.T, log *events.Log, id events.SessionID) {
	t.Helper()
	exit := 3
	for _, d := range []events.Draft{
		events.NewDraft(region, id, events.Gateway, events.Created, events.CreatedData{App: "testcard", Screen: events.Screen{Width: 1280, Height: 720, FPS: 30}}),
		events.NewDraft(region, id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1, Driver: "process"}),
		events.NewDraft(region, id, events.Streamer, events.Offer, events.SDPData{Peer: "p", SDP: "v=0"}),
		events.NewDraft(region, id, events.Streamer, "brand_new", map[string]any{"peer": "p", "colour": "red"}),
		events.NewDraft(region, id, events.Agent, events.Failed, events.FailedData{Agent: "a1", Attempt: 1, Part: "application", Reason: "=\"line\nbreak\", and more", ExitCode: &exit}),
	} {
		_, err := log.Append(t.Context(), d)
		require.NoError(t, err)
	}
}

// inLog reads the stream itself.
func inLog(t *testing.T, log *events.Log, filter string) (list []events.Event) {
	t.Helper()
	require.NoError(t, log.Read(t.Context(), events.SessionsStream, filter, 0, func(e events.Event) error {
		e.Time, e.Stored = e.Time.UTC(), e.Stored.UTC()
		list = append(list, e)
		return nil
	}))
	return list
}

func TestExportCommand(t *testing.T) {
	log := stack(t, events.StreamsConfig{})
	appendLife(t, log, session)
	appendLife(t, log, "other")
	_, err := log.JetStream().Publish(t.Context(), "sessions.local."+string(session)+".agent.created", []byte("no JSON \xff"))
	require.NoError(t, err)
	want := inLog(t, log, "")
	dir := t.TempDir()

	path := filepath.Join(dir, "e.parquet")
	require.Empty(t, must(t, "export", "--format", "parquet", "--out", path))
	var got []events.Event
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, columns.ReadParquet(t.Context(), bytes.NewReader(file), int64(len(file)), columns.Query{}, func(e events.Event) error {
		got = append(got, e)
		return nil
	}))
	require.Equal(t, want, got, "Parquet gives back the log, what must not be trusted included")

	path = filepath.Join(dir, "e.ndjson")
	must(t, "export", "--out", path)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(must(t, "export", "--format", "ndjson")), string(text))
	var lines []string
	for _, e := range want {
		line, err := json.Marshal(e)
		require.NoError(t, err)
		lines = append(lines, string(line))
	}
	require.Equal(t, strings.Join(lines, "\n")+"\n", string(text), "the form of --json")

	for args, n := range map[string]int{
		"--session other": 5, "--region local": 11, "--region elsewhere": 0, "--type agent.failed": 2, "--type brand_new": 2,
		"--type streamstack.session.created.v1": 2, "--since 3": 9, "--since 3 --until 5": 3, "--until 1h": 0, "--since 1h": 11,
		"--since " + want[4].Stored.Format(time.RFC3339Nano): 7,
	} {
		for _, format := range []string{NDJSON, CSV} {
			require.Len(t, sequences(t, format, must(t, append([]string{"export", "--format", format}, strings.Fields(args)...)...)), n, args)
		}
	}
}

func TestExportCommandSaysWhatIsWrong(t *testing.T) {
	stack(t, events.StreamsConfig{})
	for line, want := range map[string]string{
		"export x": "no arguments", "export --format xml": "--format", "export --format parquet": "--out", "export --since never": "--since",
		"export --session *": "--session", "export --until -": "--until", "export --until 0": "before the first event",
	} {
		status, err := runCommand(t.Context(), io.Discard, io.Discard, strings.Fields(line)...)
		require.Equal(t, connect.ExitUsage, status, line)
		require.ErrorContains(t, err, want, line)
	}
	for line, want := range map[string]string{
		"export --out /does/not/exist/x": "--out", "export --stream nowhere": "no stream nowhere", "export --stream WORK": "belongs to the stack",
	} {
		status, err := runCommand(t.Context(), io.Discard, io.Discard, strings.Fields(line)...)
		require.Equal(t, connect.ExitFailed, status, line)
		require.ErrorContains(t, err, want, line)
	}
}

// TestInterruptedExportLeavesNothing ends an export in its middle as SIGINT does.
func TestInterruptedExportLeavesNothing(t *testing.T) {
	log := stack(t, events.StreamsConfig{})
	for i := range 200 {
		appendLife(t, log, events.SessionID(fmt.Sprintf("s-%d", i)))
	}
	dir := t.TempDir()
	fifo := &interrupter{}
	ctx, cancel := context.WithCancel(t.Context())
	fifo.cancel = cancel
	err := toFile(filepath.Join(dir, "x"), nil, func(w io.Writer) error {
		a := archive.New(log)
		defer a.Close()
		_, err := copyEvents(ctx, a, query{filter: events.AllSessions}, NDJSON, io.MultiWriter(w, fifo), &recorder{})
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// interrupter cancels as soon as something is written.
type interrupter struct{ cancel func() }

func (i *interrupter) Write(p []byte) (int, error) {
	i.cancel()
	return len(p), nil
}

// TestExpiredSessionsKeepTheirHistory lets a session expire from the log, under an archiver, and asks for its history.
func TestExpiredSessionsKeepTheirHistory(t *testing.T) {
	log := stack(t, events.StreamsConfig{Retention: 3 * time.Second, SDPRetention: time.Second})
	a := archive.New(log)
	defer a.Close()
	archiver := archive.NewArchiver(archive.Config{Archive: a, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- archiver.Run(ctx) }()
	defer func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}()
	appendLife(t, log, session)
	var want []string
	for _, e := range inLog(t, log, "") {
		if !events.ShortLived(e.Name) {
			line, err := json.Marshal(e)
			require.NoError(t, err)
			want = append(want, string(line)+"\n")
		}
	}
	eventstest.Wait(t, 30*time.Second, func() string {
		if left := len(inLog(t, log, "")); left > 0 {
			return fmt.Sprintf("the expiry of %d events", left)
		}
		return ""
	})
	appendLife(t, log, "later") // and what came since is there as well
	require.Equal(t, strings.Join(want, ""), string(must(t, "history", "--json", string(session))))
	require.Equal(t, strings.Join(want, ""), string(must(t, "export", "--session", string(session))))
	require.Contains(t, string(must(t, "history", string(session))), "agent.failed")
	require.Equal(t, []int{1, 2, 4, 5, 6, 7}, sequences(t, CSV, must(t, "export", "--format", "csv"))[:6])
	require.Equal(t, []int{4}, sequences(t, NDJSON, must(t, "export", "--session", string(session), "--type", "brand_new")))
}
