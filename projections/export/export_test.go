package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections/columns"
	"streamstack/projections/progress"
)

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-7d4e-4b53-9a52-0d8ce3a5a0f1"
)

// made is a source of events that are made as they are read.
type made int

func (n made) event(i int) events.Event {
	id := events.SessionID(fmt.Sprintf("0192f1c2-5d3e-7000-8000-%012d", i/10))
	return events.Event{
		ID: fmt.Sprintf("id-%d", i), Source: "streamstack/agent", Type: events.TypeOf(events.Claimed), Sequence: events.Seq(i),
		Time: time.Unix(int64(i), 0).UTC(), Stored: time.Unix(int64(i), 1).UTC(), ContentType: "application/json",
		Subject: events.Subject{Region: region, Session: id, Actor: events.Agent, Name: events.Claimed}.String(),
		Region:  region, Session: id, Actor: events.Agent, Name: events.Claimed,
		Data: events.Raw(fmt.Sprintf(`{"agent":"a1","attempt":1,"driver":"process","n":%d}`, i)),
	}
}

func (n made) Read(_ context.Context, _ string, from events.Seq, fn func(events.Event) error) error {
	for i := int(max(from, 1)); i <= int(n); i++ {
		if err := fn(n.event(i)); err != nil {
			return err
		}
	}
	return nil
}

func (n made) SeqAt(_ context.Context, t time.Time) (events.Seq, error) {
	return events.Seq(t.Unix()), nil
}

func (n made) Last(context.Context) (events.Seq, error) { return events.Seq(n), nil }

// exported runs an export of a query into memory.
func exported(t *testing.T, n made, q query, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := copyEvents(t.Context(), n, q, format, &b, &recorder{})
	require.NoError(t, err)
	return b.Bytes()
}

// sequences reads an export of any format back.
func sequences(t *testing.T, format string, file []byte) (seqs []int) {
	t.Helper()
	switch format {
	case NDJSON:
		for line := range bytes.Lines(file) {
			var e events.Event
			require.NoError(t, json.Unmarshal(line, &e))
			seqs = append(seqs, int(e.Sequence))
		}
	case CSV:
		records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
		require.NoError(t, err)
		require.Equal(t, "sequence", records[0][0])
		for _, r := range records[1:] {
			var n int
			_, err := fmt.Sscan(r[0], &n)
			require.NoError(t, err)
			seqs = append(seqs, n)
		}
	case Parquet:
		require.NoError(t, columns.ReadParquet(t.Context(), bytes.NewReader(file), int64(len(file)), columns.Query{}, func(e events.Event) error {
			seqs = append(seqs, int(e.Sequence))
			return nil
		}))
	}
	return seqs
}

func TestQueryChooses(t *testing.T) {
	at := func(n int) events.Start { return events.Start{Time: time.Unix(int64(n), 1)} }
	for name, x := range map[string]struct {
		q    query
		want []int
	}{
		"all":             {query{}, []int{1, 2, 3, 4, 5, 6}},
		"from a sequence": {query{since: events.Start{Seq: 5}}, []int{5, 6}},
		"to a sequence":   {query{until: events.Start{Seq: 2}}, []int{1, 2}},
		"beyond the end":  {query{until: events.Start{Seq: 99}}, []int{1, 2, 3, 4, 5, 6}},
		"between times":   {query{since: at(2), until: at(4)}, []int{2, 3, 4}},
		"another type":    {query{ceType: "other"}, nil},
	} {
		for _, format := range []string{NDJSON, CSV, Parquet} {
			require.Equal(t, x.want, sequences(t, format, exported(t, 6, x.q, format)), "%s as %s", name, format)
		}
	}
}

func TestNDJSONGivesBackTheSameEvents(t *testing.T) {
	n := made(3)
	i := 0
	for line := range bytes.Lines(exported(t, n, query{}, NDJSON)) {
		i++
		want := n.event(i)
		want.Stored = time.Time{} // the CloudEvents form has none
		var e events.Event
		require.NoError(t, json.Unmarshal(line, &e))
		require.Equal(t, want, e)
	}
	require.Equal(t, 3, i)
}

// TestMemoryDoesNotGrow exports many events and looks at what is held on the way.
func TestMemoryDoesNotGrow(t *testing.T) {
	const most = 96 << 20 // the row group that is written, with all its columns' pages
	for format, every := range map[string]int{NDJSON: 1 << 20, CSV: 1 << 20, Parquet: 128 << 10} {
		w := &heapWatcher{every: every}
		_, err := copyEvents(t.Context(), made(100_000), query{}, format, w, progress.Lines(slog.New(slog.DiscardHandler), "the log", time.Now))
		require.NoError(t, err)
		require.Positive(t, w.looks, format)
		require.Less(t, w.highest, uint64(most), format)
		t.Logf("%s: %d MiB at most, %d MiB written", format, w.highest>>20, w.written>>20)
	}
}

// heapWatcher throws away what is written, and measures the live heap each time that every bytes more have been.
type heapWatcher struct {
	every, written, looks int
	highest               uint64
}

func (w *heapWatcher) Write(p []byte) (int, error) {
	before := w.written / w.every
	w.written += len(p)
	if w.written/w.every > before {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		w.highest, w.looks = max(w.highest, m.HeapAlloc), w.looks+1
	}
	return len(p), nil
}

func TestFileAppearsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.ndjson")
	names := func() (list []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	half := func(fail error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, "half")
			require.NoError(t, err)
			require.Len(t, names(), 1, "it is written beside the file")
			return fail
		}
	}
	broken := errors.New("the source broke")
	require.ErrorIs(t, toFile(path, nil, half(broken)), broken)
	require.Empty(t, names())
	require.NoError(t, toFile(path, nil, half(nil)))
	require.Equal(t, []string{"out.ndjson"}, names())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.Error(t, toFile(path, nil, func(io.Writer) error { return broken }))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "half", string(text), "what was there stays when the new one fails")

	require.ErrorContains(t, toFile(filepath.Join(dir, "no", "such"), nil, half(nil)), "--out")
	require.ErrorContains(t, toFile(dir, nil, half(nil)), "is a folder")
}

func TestDevicesAreNotReplaced(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "null")
	require.NoError(t, os.Symlink(os.DevNull, link))
	require.NoError(t, toFile(link, nil, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }))
	info, err := os.Stat(link)
	require.NoError(t, err)
	require.False(t, info.Mode().IsRegular())
}

// On the way an export tells how far it is, by the part of the sequences that it was asked for.
func TestExportTellsHowFarItIs(t *testing.T) {
	var steps recorder
	n, err := copyEvents(t.Context(), made(1000), query{since: events.Start{Seq: 501}, until: events.Start{Seq: 600}}, NDJSON, io.Discard, &steps)
	require.NoError(t, err)
	require.Equal(t, 100, n)
	require.Len(t, steps.at, 100)
	require.Equal(t, [2]uint64{1, 100}, steps.at[0])
	require.Equal(t, [2]uint64{100, 100}, steps.at[99])
	require.True(t, steps.done)
}

// recorder is a display that remembers.
type recorder struct {
	at   [][2]uint64
	done bool
}

func (r *recorder) Step(at, target uint64) { r.at = append(r.at, [2]uint64{at, target}) }
func (r *recorder) Done()                  { r.done = true }
