package archive

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

// TestSeqByIsWhereTheLogWas finds random moments in a log of which a random part is in the archive alone.
func TestSeqByIsWhereTheLogWas(t *testing.T) {
	r := newRig(t)
	r.expire(0)
	for i := range 12 {
		r.appendSession(events.SessionID(fmt.Sprintf("s-%d", i)))
	}
	all := r.all("")
	x := r.archiver()
	x.maxEvents = 7
	require.NoError(t, x.Pass(t.Context()))
	seq, _, err := x.cfg.Archive.Oldest(t.Context())
	require.NoError(t, err)
	require.Equal(t, events.Seq(1), seq)
	for _, expired := range []events.Seq{1, 20, 41, 61} {
		r.purge(t, expired)
		a := r.reader()
		seq, at, err := a.Oldest(t.Context())
		require.NoError(t, err)
		require.Equal(t, events.Seq(1), seq, "the archive has the beginning")
		require.True(t, at.IsZero())
		rapid.Check(t, func(rt *rapid.T) {
			i := rapid.IntRange(0, len(all)-1).Draw(rt, "event")
			at := all[i].Stored.Add(rapid.SampledFrom([]time.Duration{-1, 0, 1}).Draw(rt, "off"))
			seq, err := a.SeqBy(t.Context(), at)
			require.NoError(rt, err)
			for _, e := range lifecycle(all) { // others need not be told apart
				require.Equal(rt, !e.Stored.After(at), e.Sequence <= seq, "%d as of %s is %d", e.Sequence, at, seq)
			}
		})
	}
	long, err := r.reader().SeqBy(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, long)
}

// TestOldestWithoutArchive is what the stream has.
func TestOldestWithoutArchive(t *testing.T) {
	r := newRig(t)
	seq, _, err := r.reader().Oldest(t.Context())
	require.NoError(t, err)
	require.Equal(t, events.Seq(1), seq)
	r.expire(0)
	r.appendSession(session)
	all := r.all("")
	r.purge(t, 3)
	seq, at, err := r.reader().Oldest(t.Context())
	require.NoError(t, err)
	require.Equal(t, events.Seq(3), seq)
	require.True(t, all[2].Stored.Equal(at))
}
