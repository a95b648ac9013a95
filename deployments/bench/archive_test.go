package bench

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	natsd "streamstack/deployments/nats"
	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/projections/archive"
	"streamstack/projections/export"
)

// archivedEvents is the size of the history that is archived.
const archivedEvents = 100_000

// BenchmarkArchive fills a log with 100,000 events of sessions that have ended, and prints what a session takes in the
// stream, in the archive and in exports, how long archiving and exporting takes, and what a start with that log costs.
func BenchmarkArchive(b *testing.B) {
	if archiveMeasured {
		return // -benchtime is for what is repeated; this times its steps itself
	}
	archiveMeasured = true
	var table figures
	measureArchive(b, b.TempDir(), &table)
	_, err := fmt.Fprintf(os.Stdout, "\n%d events of %d sessions:\n", archivedEvents, archivedEvents/len(wholeLife("")))
	require.NoError(b, err)
	require.NoError(b, table.print(os.Stdout))
	b.ReportMetric(0, "ns/op") // says nothing: it holds the filling too
}

// archiveMeasured tells that the benchmark has run: the testing package calls it again with a larger b.N.
var archiveMeasured bool

// figures are what was measured, in order.
type figures [][2]string

func (f *figures) add(name, format string, args ...any) {
	*f = append(*f, [2]string{name, fmt.Sprintf(format, args...)})
}

func (f *figures) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range *f {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", line[0], line[1]) // Flush tells
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

func measureArchive(b *testing.B, data string, f *figures) {
	b.Helper()
	require.NoError(b, os.MkdirAll(data, 0o700))
	s := startPlain(b, filepath.Join(data, "nats"), natsd.SyncInterval)
	log, nc := openLog(b, s)
	fill(b, log)
	sessions := archivedEvents / len(wholeLife(""))
	stream, err := log.JetStream().Stream(b.Context(), events.SessionsStream)
	require.NoError(b, err)
	f.add("a session in the stream", "%d bytes, with SDP and candidates", stream.CachedInfo().State.Bytes/uint64(sessions))

	begun := time.Now()
	require.NoError(b, log.Read(b.Context(), events.SessionsStream, "", 0, func(events.Event) error { return nil }))
	f.add("read all, and drop it", "%s, %.0f events a second", time.Since(begun).Round(time.Millisecond), archivedEvents/time.Since(begun).Seconds())

	a := archive.New(log)
	begun = time.Now()
	// Its clock is a day ahead, or nothing would be old enough.
	x := archive.NewArchiver(archive.Config{Archive: a, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(24 * time.Hour) }})
	require.NoError(b, x.Pass(b.Context()))
	took := time.Since(begun)
	segments, err := a.Segments(b.Context())
	require.NoError(b, err)
	archived, size := 0, int64(0)
	for _, s := range segments {
		archived, size = archived+s.Events, size+s.Bytes
	}
	f.add("a session in the archive", "%d bytes, without them (%d segments)", size/int64(sessions), len(segments))
	f.add("archive all", "%s, %.0f events a second read", took.Round(time.Millisecond), archivedEvents/took.Seconds())

	var sizes [3]int64
	for i, format := range []string{export.NDJSON, export.CSV, export.Parquet} {
		path := filepath.Join(data, "export."+format)
		took := exportTo(b, a, format, path)
		info, err := os.Stat(path)
		require.NoError(b, err)
		sizes[i] = info.Size()
		f.add("export as "+format, "%s, %.0f events a second, %.1f MB", took.Round(time.Millisecond), archivedEvents/took.Seconds(), float64(info.Size())/1e6)
	}
	f.add("NDJSON to Parquet", "%.1f to 1", float64(sizes[0])/float64(sizes[2]))
	a.Close()
	nc.Close()
	stopPlain(s)
	before := int64(heap())
	begun = time.Now()
	s = startPlain(b, filepath.Join(data, "nats"), natsd.SyncInterval)
	f.add("start of NATS with that log", "%s", time.Since(begun).Round(time.Millisecond))
	f.add("its memory a session after that", "%d bytes, %d events a session", (int64(heap())-before)/int64(sessions), len(wholeLife("")))
	stopPlain(s)
}

// exportTo does what the command does, with the file's writing.
func exportTo(b *testing.B, a *archive.Archive, format, path string) time.Duration {
	b.Helper()
	begun := time.Now()
	file, err := os.Create(path)
	require.NoError(b, err)
	w, err := export.NewWriter(format, file)
	require.NoError(b, err)
	require.NoError(b, a.Read(b.Context(), events.AllSessions, 0, w.Write))
	require.NoError(b, w.Close())
	require.NoError(b, file.Close())
	return time.Since(begun)
}

func openLog(b *testing.B, s *server.Server) (*events.Log, *nats.Conn) {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	nc, err := connect.Dial(b.Context(), s.ClientURL(), "", "bench", quiet)
	require.NoError(b, err)
	log, err := events.New(nc, quiet)
	require.NoError(b, err)
	require.NoError(b, events.CreateStreams(b.Context(), log.JetStream(), events.StreamsConfig{}))
	return log, nc
}

// fill appends the events of ended sessions, several sessions at a time.
func fill(b *testing.B, log *events.Log) {
	b.Helper()
	const atOnce = 32
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(atOnce)
	for i := range archivedEvents / len(wholeLife("")) {
		group.Go(func() error {
			for _, d := range wholeLife(events.SessionID(uuid.NewString())) {
				if _, err := log.Append(ctx, d); err != nil {
					return fmt.Errorf("session %d: %w", i, err)
				}
			}
			return nil
		})
	}
	require.NoError(b, group.Wait())
}
