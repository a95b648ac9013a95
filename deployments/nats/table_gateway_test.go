package natsd

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections/archive"
	"streamstack/projections/snapshot"
)

// A gateway writes snapshots, reads them, and sweeps what it replaced, and may purge no other bucket but the archive's.
func TestGatewayKeepsSnapshots(t *testing.T) {
	h := newHouse(t)
	log, _ := testLog(t)
	store := snapshot.NewStore(h.gw.Log, log)
	for version := range 2 {
		kind := snapshot.Kind{Model: "sessions", Stream: events.SessionsStream, Schema: snapshot.SchemaOf(version, 0)}
		saved, err := store.Save(t.Context(), snapshot.Snapshot{Kind: kind, At: 1, State: []byte("state")})
		require.NoError(t, err, "the one of another schema is swept")
		require.True(t, saved)
		snap, found, err := store.Load(t.Context(), kind, 1)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "state", string(snap.State))
	}
	h.gw.maynotPublish("$JS.API.STREAM.PURGE.KV_" + events.HeartbeatBucket)
	// Pruning the archive takes its oldest entries away.
	_, err := h.gw.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: archive.Bucket})
	require.NoError(t, err)
	entries, err := h.gw.JetStream().Stream(t.Context(), "KV_"+archive.Bucket)
	require.NoError(t, err)
	require.NoError(t, entries.Purge(t.Context(), jetstream.WithPurgeSequence(1)))
}
