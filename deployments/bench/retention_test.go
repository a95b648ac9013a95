package bench

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	natsd "streamstack/deployments/nats"
	"streamstack/events"
)

// Sizes of what is kept.
const (
	// retainedSessions are measured; what they take each is then told for keptDays of perDay a day.
	retainedSessions = 10_000
	perDay           = 1000
	keptDays         = int(events.DefaultRetention / (24 * time.Hour))
	// retainedFor is the lifetime of SDP and candidates here, the shortest that NATS has.
	retainedFor = time.Second
	// compactTime is how long the server may take to give disk back that expired events had.
	compactTime = 3 * time.Minute
)

// BenchmarkRetention fills a log with ended sessions, lets their SDP and candidates expire, as they do a day later, and
// prints what is left: on disk, in the server's memory, of the time that NATS and the sessions' read model take to start.
func BenchmarkRetention(b *testing.B) {
	if retentionMeasured {
		return // -benchtime is for what is repeated; this times its steps itself
	}
	retentionMeasured = true
	var table figures
	measureRetention(b, &table)
	line(b, "\n%d ended sessions of %d events whose SDP and candidates have expired; and %d a day for %d days:", retainedSessions, lifeEvents, perDay, keptDays)
	require.NoError(b, table.print(os.Stdout))
	b.ReportMetric(0, "ns/op") // says nothing: it holds the filling too
}

// retentionMeasured tells that the benchmark has run: the testing package calls it again with a larger b.N.
var retentionMeasured bool

func measureRetention(b *testing.B, f *figures) {
	b.Helper()
	const all, mib = perDay * keptDays, 1 << 20
	dir := b.TempDir()
	s := startPlain(b, dir, natsd.SyncInterval)
	log, nc := openLog(b, s)
	fill := newFiller(b, nc)
	fill.ttl = fmt.Sprintf("%.0fs", retainedFor.Seconds())
	begun := time.Now()
	fill.fillEach(retainedSessions)
	kept, bytes := awaitExpiry(b, log)
	f.add("appended and expired in", "%s, %d events a session are left", time.Since(begun).Round(time.Second), kept/retainedSessions)
	f.add("a session in the stream", "%d bytes; %d MiB", bytes/retainedSessions, bytes/retainedSessions*all/mib)
	disk := awaitDisk(b, dir)
	f.add("a session on disk", "%d bytes; %d MiB", disk/retainedSessions, disk/retainedSessions*all/mib)
	nc.Close()
	stopPlain(s)

	before := heap()
	begun = time.Now()
	s = startPlain(b, dir, natsd.SyncInterval)
	started := time.Since(begun)
	log, nc = openLog(b, s)
	memory := heap() - before
	f.add("start of NATS", "%s; %s", started.Round(time.Millisecond), scaled(started, all))
	f.add("its memory a session", "%d bytes; %d MiB", memory/retainedSessions, memory/retainedSessions*all/mib)
	_, k, took := start(b, log, fill.sent)
	f.add("whole log into the sessions read model", "%s; %s", took.Round(time.Millisecond), scaled(took, all))
	require.NoError(b, k.Save(b.Context()))
	_, _, took = start(b, log, fill.sent)
	f.add("the same from a snapshot", "%s", took.Round(100*time.Microsecond))
	nc.Close()
	stopPlain(s)
}

// scaled is a duration for as many sessions as are told about.
func scaled(d time.Duration, sessions int) time.Duration {
	return (d * time.Duration(sessions) / retainedSessions).Round(100 * time.Millisecond)
}

// awaitExpiry waits until only lasting events are left.
func awaitExpiry(b *testing.B, log *events.Log) (messages, bytes int) {
	b.Helper()
	for end := time.Now().Add(compactTime); ; {
		s, err := log.JetStream().Stream(b.Context(), events.SessionsStream)
		require.NoError(b, err)
		st := s.CachedInfo().State
		if st.Msgs == retainedSessions*lifeLasting {
			return int(st.Msgs), int(st.Bytes)
		}
		require.True(b, time.Now().Before(end), "%d events are left, %d are lasting", st.Msgs, retainedSessions*lifeLasting)
		time.Sleep(100 * time.Millisecond)
	}
}

// awaitDisk waits until the store's files shrink no more, for twice the server's interval of syncing, in which it compacts.
func awaitDisk(b *testing.B, dir string) (size int) {
	b.Helper()
	const still = 12 * time.Second
	size = diskSize(b, dir)
	for end, since := time.Now().Add(compactTime), time.Now(); time.Since(since) < still && time.Now().Before(end); time.Sleep(time.Second) {
		if now := diskSize(b, dir); now != size {
			size, since = now, time.Now()
		}
	}
	return size
}

// diskSize is the size of all files in a folder, in bytes.
func diskSize(b *testing.B, dir string) (size int) {
	b.Helper()
	require.NoError(b, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that went while we looked has no size
		}
		if i, err := d.Info(); err == nil {
			size += int(i.Size())
		}
		return nil
	}))
	return size
}
