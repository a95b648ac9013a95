package archive

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

// A check here is two archivers and a server, each under the race detector. A figure on the command line wins; `task soak` says 100, as rapid itself does.
var _ = flag.Set("rapid.checks", "25")

// errKilled ends an archiver where it stands.
var errKilled = errors.New("killed")

// TestKilledAtAnyPoint has archivers that are killed between any two steps, two of them at a time, while events are
// appended and expire: what the archive and the stream have together is every lifecycle event, once, in order.
func TestKilledAtAnyPoint(t *testing.T) {
	r := newRig(t)
	r.expire(0)
	var want []events.Event
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(0, 4).Draw(rt, "sessions") {
			r.appendSession(events.SessionID(fmt.Sprintf("s-%d", rapid.IntRange(0, 9).Draw(rt, "session"))))
		}
		known := 0
		if len(want) > 0 {
			known = int(want[len(want)-1].Sequence)
		}
		for _, e := range r.all("") {
			if int(e.Sequence) > known {
				want = append(want, e)
			}
		}
		results := make(chan error, 2)
		for i := range 2 {
			x := r.archiver()
			x.maxEvents = rapid.IntRange(1, 20).Draw(rt, fmt.Sprintf("events in a segment of %d", i))
			left := rapid.IntRange(0, 12).Draw(rt, fmt.Sprintf("steps of %d", i))
			x.step = func(string) error {
				if left--; left < 0 {
					return errKilled
				}
				return nil
			}
			go func() { results <- x.Pass(t.Context()) }()
		}
		for range 2 {
			if err := <-results; err != nil {
				require.ErrorIs(rt, err, errKilled)
			}
		}
		entries, _, err := r.reader().list(t.Context())
		require.NoError(rt, err)
		// Not all from the start each time: there will be hundreds of segments.
		recent := lifecycle(want[max(0, len(want)-rapid.IntRange(1, 40).Draw(rt, "recent")):])
		if len(recent) == 0 {
			return
		}
		requireSame(rt, recent, lifecycle(read(rt, t.Context(), r.reader(), events.AllSessions, recent[0].Sequence)))
		if e := end(entries); e > 0 {
			s, err := r.log.JetStream().Stream(t.Context(), events.SessionsStream)
			require.NoError(rt, err)
			require.NoError(rt, s.Purge(t.Context(), jetstream.WithPurgeSequence(rapid.Uint64Range(1, uint64(e)).Draw(rt, "expired"))))
		}
		requireSame(rt, recent, lifecycle(read(rt, t.Context(), r.reader(), events.AllSessions, recent[0].Sequence)))
	})
	requireSame(t, lifecycle(want), lifecycle(read(t, t.Context(), r.reader(), events.AllSessions, 0)))

	// What the killed ones left behind goes, and only that.
	x := r.archiver()
	x.now = func() time.Time { return time.Now().Add(2 * orphanAge) }
	require.NoError(t, x.Pass(t.Context()))
	segments, err := r.reader().Segments(t.Context())
	require.NoError(t, err)
	var entered, there []string
	for _, s := range segments {
		entered = append(entered, s.Object)
	}
	objects, err := r.log.JetStream().ObjectStore(t.Context(), Bucket)
	require.NoError(t, err)
	list, err := objects.List(t.Context())
	require.NoError(t, err)
	for _, o := range list {
		there = append(there, o.Name)
	}
	require.ElementsMatch(t, entered, there)
	require.Equal(t, seqs(lifecycle(want)), seqs(lifecycle(read(t, t.Context(), r.reader(), events.AllSessions, 0))))
}

// TestChunksLeftBehindGo: an archiver that was killed while it stored leaves chunks that no object names.
func TestChunksLeftBehindGo(t *testing.T) {
	r := newRig(t)
	r.appendSession(session)
	x := r.archiver()
	require.NoError(t, x.Pass(t.Context()))
	_, err := r.log.JetStream().Publish(t.Context(), chunkSubjects+"lost", []byte("half"))
	require.NoError(t, err)
	chunks := func() int {
		s, err := r.log.JetStream().Stream(t.Context(), objectsStream)
		require.NoError(t, err)
		i, err := s.Info(t.Context(), jetstream.WithSubjectFilter(chunkSubjects+">"))
		require.NoError(t, err)
		return len(i.State.Subjects)
	}
	x.now, x.collected = time.Now, time.Time{}
	require.NoError(t, x.Pass(t.Context()))
	require.Equal(t, 2, chunks(), "it may still be stored")
	x.now, x.collected = func() time.Time { return time.Now().Add(2 * orphanAge) }, time.Time{}
	require.NoError(t, x.Pass(t.Context()))
	require.Equal(t, 1, chunks())
	require.Len(t, read(t, t.Context(), r.reader(), events.AllSessions, 0), 5)
}
