package snapshot_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections/snapshot"
)

var kind = snapshot.Kind{Model: "sessions", Stream: events.SessionsStream, Schema: snapshot.SchemaOf(1, 0)}

// bench is a store over a log of its own, and what it says.
type bench struct {
	*snapshot.Store
	t     *testing.T
	log   *events.Log
	lines *bytes.Buffer
	ids   []string // of the events, by sequence from 1
}

// newBench makes a log with n events.
func newBench(t *testing.T, n int) *bench {
	t.Helper()
	b := &bench{t: t, log: eventstest.Log(t), lines: &bytes.Buffer{}}
	b.Store = snapshot.NewStore(b.log, slog.New(slog.NewTextHandler(b.lines, nil)))
	b.grow(n)
	return b
}

func (b *bench) grow(n int) {
	b.t.Helper()
	for range n {
		_, err := b.log.Append(b.t.Context(), events.NewDraft("local", "s1", events.Gateway, events.Created, nil))
		require.NoError(b.t, err)
	}
	b.ids = nil
	require.NoError(b.t, b.log.Read(b.t.Context(), events.SessionsStream, "", 0, func(e events.Event) error {
		b.ids = append(b.ids, e.ID)
		return nil
	}))
}

// at is a snapshot as it would be taken at a sequence.
func (b *bench) at(seq int, state string) snapshot.Snapshot {
	s := snapshot.Snapshot{Kind: kind, At: events.Seq(seq), State: []byte(state)}
	if seq > 0 && seq <= len(b.ids) {
		s.Anchor = snapshot.Anchor{Seq: s.At, ID: b.ids[seq-1]}
	}
	return s
}

func (b *bench) save(s snapshot.Snapshot) bool {
	b.t.Helper()
	saved, err := b.Save(b.t.Context(), s)
	require.NoError(b.t, err)
	return saved
}

// load returns the state found, "" for none.
func (b *bench) load(k snapshot.Kind, upTo int) string {
	b.t.Helper()
	s, found, err := b.Load(b.t.Context(), k, events.Seq(upTo))
	require.NoError(b.t, err)
	if !found {
		return ""
	}
	return string(s.State)
}

func (b *bench) bucket() jetstream.KeyValue {
	b.t.Helper()
	kv, err := b.log.JetStream().KeyValue(b.t.Context(), snapshot.Bucket)
	require.NoError(b.t, err)
	return kv
}

// keys of the chunks.
func (b *bench) chunks() []string {
	b.t.Helper()
	keys, err := b.bucket().Keys(b.t.Context())
	require.NoError(b.t, err)
	var chunks []string
	for _, k := range keys {
		if strings.Contains(k, ".chunk.") {
			chunks = append(chunks, k)
		}
	}
	return chunks
}

func TestNewestUpToASequence(t *testing.T) {
	b := newBench(t, 9)
	require.Empty(t, b.load(kind, 99))
	large := strings.Repeat("0123456789abcdef", 40<<10) // 640 KiB: three chunks
	require.True(t, b.save(b.at(3, "three")))
	require.True(t, b.save(b.at(6, large)))
	require.False(t, b.save(b.at(5, "older")), "an older state must not take a newer one's place")
	require.False(t, b.save(b.at(6, "same")))
	require.Len(t, b.chunks(), 4)
	for upTo, want := range map[int]string{2: "", 3: "three", 5: "three", 6: large, 99: large} {
		require.Equal(t, want, b.load(kind, upTo), upTo)
	}
	newest, err := b.Newest(t.Context(), kind)
	require.NoError(t, err)
	require.EqualValues(t, 6, newest)
	require.Empty(t, b.lines.String())
}

func TestAnotherSchemaIsDiscarded(t *testing.T) {
	b := newBench(t, 5)
	require.True(t, b.save(b.at(5, "old")))
	newer := kind
	newer.Schema = snapshot.SchemaOf(2, 0)
	require.Empty(t, b.load(newer, 99))
	require.Contains(t, b.lines.String(), "snapshot discarded: it is of another schema version")
	s := b.at(4, "new")
	s.Kind = newer
	require.True(t, b.save(s), "the sequence of another schema's snapshot does not count")
	require.Equal(t, "new", b.load(newer, 99))
	require.Len(t, b.chunks(), 1, "what was replaced is swept")
}

func TestDamagedOnesAreDiscardedForOlderOnes(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, jetstream.KeyValue, string){
		"changed": func(t *testing.T, kv jetstream.KeyValue, key string) {
			e, err := kv.Get(t.Context(), key)
			require.NoError(t, err)
			v := bytes.Clone(e.Value())
			v[len(v)/2] ^= 1
			_, err = kv.Put(t.Context(), key, v)
			require.NoError(t, err)
		},
		"cut off": func(t *testing.T, kv jetstream.KeyValue, key string) {
			_, err := kv.Put(t.Context(), key, []byte("streamstack"))
			require.NoError(t, err)
		},
		"missing": func(t *testing.T, kv jetstream.KeyValue, key string) {
			require.NoError(t, kv.Purge(t.Context(), key))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 9)
			require.True(t, b.save(b.at(3, "three")))
			older := b.chunks()[0]
			require.True(t, b.save(b.at(6, "six")))
			for _, key := range b.chunks() {
				if key != older {
					harm(t, b.bucket(), key)
				}
			}
			require.Equal(t, "three", b.load(kind, 99))
			require.Contains(t, b.lines.String(), "damaged or truncated")
			require.True(t, b.save(b.at(5, "five")), "a damaged one stands in nobody's way")
		})
	}
	t.Run("manifest", func(t *testing.T) {
		b := newBench(t, 9)
		require.True(t, b.save(b.at(3, "three")))
		_, err := b.bucket().Put(t.Context(), "sessions.manifest", []byte(`{"snapshots":[`))
		require.NoError(t, err)
		require.Empty(t, b.load(kind, 99))
		require.True(t, b.save(b.at(3, "again")))
		require.Equal(t, "again", b.load(kind, 99))
	})
}

// A log that was restored from an older backup ends before its snapshots, and then goes on differently.
func TestSnapshotsOfAnotherHistoryAreDiscarded(t *testing.T) {
	b := newBench(t, 5)
	beyond := b.at(5, "beyond")
	beyond.At, beyond.Anchor.Seq = 8, 8
	other := b.at(4, "other")
	other.Anchor.ID = "0f000000-0000-4000-8000-000000000000"
	require.True(t, b.save(b.at(3, "three")))
	require.True(t, b.save(other))
	require.True(t, b.save(beyond))
	require.Equal(t, "three", b.load(kind, 99))
	require.Contains(t, b.lines.String(), "beyond the end of the stream")
	require.Contains(t, b.lines.String(), "of another history")
	require.True(t, b.save(b.at(5, "five")), "it stands in nobody's way")
	require.Equal(t, "five", b.load(kind, 99))
	b.grow(5)
	require.Equal(t, "five", b.load(kind, 99))
}

// Several gateways write at once, without a leader: the newest state is the one that is kept, whole, and no chunk is left.
func TestManyWriters(t *testing.T) {
	const writers, each = 4, 8
	b := newBench(t, writers*each)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				seq := i*writers + w + 1
				if _, err := b.Save(t.Context(), b.at(seq, fmt.Sprint("state at ", seq))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := writers * each
	newest, err := b.Newest(t.Context(), kind)
	require.NoError(t, err)
	if b.save(b.at(last, fmt.Sprint("state at ", last))) {
		require.Less(t, int(newest), last)
	}
	require.Equal(t, fmt.Sprint("state at ", last), b.load(kind, last))
	require.LessOrEqual(t, len(b.chunks()), snapshot.Keep+writers, "chunks of those who lost are swept")
	for upTo := range last {
		var n int
		if s := b.load(kind, upTo); s != "" {
			_, err := fmt.Sscanf(s, "state at %d", &n)
			require.NoError(t, err)
			require.LessOrEqual(t, n, upTo)
		}
	}
}

// What is kept lies all over the log, so that no look at the past begins far away.
func TestKeptOnesAreSpread(t *testing.T) {
	const n = 60
	b := newBench(t, n)
	for seq := 1; seq <= n; seq++ {
		require.True(t, b.save(b.at(seq, fmt.Sprint(seq))))
	}
	require.Len(t, b.chunks(), snapshot.Keep)
	require.Equal(t, "1", b.load(kind, 1))
	for upTo := 1; upTo <= n; upTo++ {
		var at int
		_, err := fmt.Sscan(b.load(kind, upTo), &at)
		require.NoError(t, err)
		require.LessOrEqual(t, upTo-at, 3*n/snapshot.Keep, "the one for %d", upTo)
	}
}

func TestWithoutNATS(t *testing.T) {
	b := newBench(t, 1)
	b.log.Conn().Close()
	_, _, err := b.Load(t.Context(), kind, 1)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Save(ctx, b.at(1, "x"))
	require.Error(t, err)
}
