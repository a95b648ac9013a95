package archive

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

const archived = time.Hour // these tests' retention of the archive

// pruner prunes as of a moment; it archives as [rig.archiver] does.
func (r rig) pruner(now time.Time) *Archiver {
	x := r.archiver()
	x.maxEvents = 6 // two sessions' lasting events a segment
	x.cfg.Retention = archived
	x.now = func() time.Time { return now }
	return x
}

// objects are the names of the archive's files.
func (r rig) objects() (names []string) {
	r.t.Helper()
	store, err := r.log.JetStream().ObjectStore(r.t.Context(), Bucket)
	require.NoError(r.t, err)
	list, err := store.List(r.t.Context())
	if err != nil {
		require.ErrorIs(r.t, err, jetstream.ErrNoObjectsFound)
	}
	for _, o := range list {
		names = append(names, o.Name)
	}
	return names
}

func (r rig) segments() []Segment {
	r.t.Helper()
	s, err := r.reader().Segments(r.t.Context())
	require.NoError(r.t, err)
	return s
}

func names(segments []Segment) (list []string) {
	for _, s := range segments {
		list = append(list, s.Object)
	}
	return list
}

// TestPruneTakesWhatIsTooOldAndNothingYounger prunes at moments around the ends of segments.
func TestPruneTakesWhatIsTooOldAndNothingYounger(t *testing.T) {
	r := newRig(t)
	r.expire(0)
	for i := range 10 {
		r.appendSession(events.SessionID(fmt.Sprintf("s-%d", i)))
	}
	all := r.all("")
	x := r.archiver()
	x.maxEvents = 6
	require.NoError(t, x.Pass(t.Context()))
	before := r.segments()
	require.Len(t, before, 5)
	r.purge(t, all[len(all)-1].Sequence+1)
	stale := r.reader() // a gateway that knows all of them
	require.Equal(t, seqs(lifecycle(all)), seqs(read(t, t.Context(), stale, events.AllSessions, 0)))

	require.NoError(t, r.pruner(before[2].Last.Add(archived)).Pass(t.Context()))
	require.Equal(t, before[2:], r.segments(), "the third is as old as may be, and no older")
	require.NoError(t, r.pruner(before[2].Last.Add(archived+1)).Pass(t.Context()))
	require.Equal(t, before[3:], r.segments())
	require.ElementsMatch(t, names(before[3:]), r.objects())
	want := lifecycle(all[before[3].From-1:])
	for _, a := range []*Archive{stale, r.reader()} {
		requireSame(t, want, read(t, t.Context(), a, events.AllSessions, 0))
		seq, at, err := a.Oldest(t.Context())
		require.NoError(t, err)
		require.Equal(t, before[3].From, seq)
		require.True(t, before[3].First.Equal(at))
	}

	// All of it; and the archive goes on where it was, without taking up again what the stream may still have.
	require.NoError(t, r.pruner(before[4].Last.Add(archived+1)).Pass(t.Context()))
	require.Empty(t, r.segments())
	require.Empty(t, r.objects())
	require.NoError(t, r.pruner(before[4].Last.Add(archived+1)).Pass(t.Context()), "again is fine")
	require.Empty(t, read(t, t.Context(), stale, events.AllSessions, 0))
	r.appendSession("later")
	require.NoError(t, r.archiver().Pass(t.Context()))
	for _, a := range []*Archive{stale, r.reader()} {
		segments, err := a.Segments(t.Context())
		require.NoError(t, err)
		require.Len(t, segments, 1)
		require.Equal(t, all[len(all)-1].Sequence+1, segments[0].From)
	}
	require.NoError(t, r.pruner(time.Now()).Pass(t.Context()))
	require.Len(t, r.segments(), 1, "younger than the retention")
}

// TestPruneForEver: without a retention nothing goes, however old.
func TestPruneForEver(t *testing.T) {
	r := newRig(t)
	r.appendSession(session)
	x := r.archiver()
	require.NoError(t, x.Pass(t.Context()))
	x.now = func() time.Time { return time.Now().Add(100 * 365 * 24 * time.Hour) }
	require.NoError(t, x.Pass(t.Context()))
	require.Len(t, r.segments(), 1)
}

// TestPruneKilledAtAnyPoint has archivers that prune and are killed between any two steps, two at a time, while sessions
// are appended: what is younger than the retention is never missing, and what is left of the rest goes in the end.
func TestPruneKilledAtAnyPoint(t *testing.T) {
	r := newRig(t)
	r.expire(0)
	var all []events.Event
	kept := 0 // what comes before this one has been pruned, or may have been
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(0, 4).Draw(rt, "sessions") {
			r.appendSession(session)
		}
		for _, e := range r.all("") {
			if len(all) == 0 || e.Sequence > all[len(all)-1].Sequence {
				all = append(all, e)
			}
		}
		if len(all) == 0 {
			return
		}
		kept = rapid.IntRange(max(kept, len(all)-40), len(all)-1).Draw(rt, "kept")
		cut := all[kept]
		results := make(chan error, 2)
		for i := range 2 {
			x := r.archiver()
			x.maxEvents = rapid.IntRange(1, 20).Draw(rt, fmt.Sprintf("events in a segment of %d", i))
			// It archives all, and prunes what is older than the cut.
			now := x.now()
			x.cfg.Retention, x.now = now.Sub(cut.Stored), func() time.Time { return now }
			x.collected = now // a listing that the other spoils takes seconds
			left := rapid.IntRange(0, 14).Draw(rt, fmt.Sprintf("steps of %d", i))
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
		if e := end(entries); e > 0 {
			r.purge(rt, e+1)
		}
		var young []events.Event
		for _, e := range lifecycle(all) {
			if !e.Stored.Before(cut.Stored) {
				young = append(young, e)
			}
		}
		got := lifecycle(read(rt, t.Context(), r.reader(), events.AllSessions, 0))
		require.GreaterOrEqual(rt, len(got), len(young))
		requireSame(rt, young, got[len(got)-len(young):])
	})
	x := r.pruner(time.Now().Add(2 * max(archived, orphanAge)))
	require.NoError(t, x.Pass(t.Context()))
	require.Empty(t, r.segments())
	require.Empty(t, r.objects())
}
