// Package archivetest makes logs that have expired, for tests of what reads the archive: without waiting for a retention.
package archivetest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections/archive"
)

// AllowExpiry makes the stream of an empty log anew as one that events can be taken from: no real one allows that.
func AllowExpiry(t testing.TB, log *events.Log) {
	t.Helper()
	js := log.JetStream()
	s, err := js.Stream(t.Context(), events.SessionsStream)
	require.NoError(t, err)
	require.Zero(t, s.CachedInfo().State.LastSeq, "the log is to be empty")
	c := s.CachedInfo().Config
	c.DenyPurge = false
	require.NoError(t, js.DeleteStream(t.Context(), c.Name))
	_, err = js.CreateStream(t.Context(), c)
	require.NoError(t, err)
}

// Archive archives all that a log has now.
func Archive(t testing.TB, log *events.Log) {
	t.Helper()
	a := archive.New(log)
	defer a.Close()
	tomorrow := func() time.Time { return time.Now().Add(24 * time.Hour) } // when today is over, and so can be archived
	require.NoError(t, archive.NewArchiver(archive.Config{Archive: a, Logger: slog.New(slog.DiscardHandler), Now: tomorrow}).Pass(t.Context()))
}

// Expire takes all events before a sequence from the stream, as its retention would.
func Expire(t testing.TB, log *events.Log, before events.Seq) {
	t.Helper()
	s, err := log.JetStream().Stream(t.Context(), events.SessionsStream)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSequence(uint64(before))))
}

// Lasting is what an archive keeps of events.
func Lasting(list []events.Event) (kept []events.Event) {
	for _, e := range list {
		if !events.ShortLived(e.Name) {
			kept = append(kept, e)
		}
	}
	return kept
}
