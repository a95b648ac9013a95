package events

import (
	"context"
	"fmt"
	"sort"
	"time"
)

// Next is the first event of a stream at or after a sequence, as the stream's leader has it: unlike [Log.Read], which any
// replica may answer, it misses nothing that is stored. found is false when there is none.
func (l *Log) Next(ctx context.Context, stream string, from Seq) (e Event, found bool, err error) {
	return l.stored(ctx, stream, directRequest{Seq: max(from, 1)})
}

// SeqAt is the first sequence of a stream that was stored at or after a time; one beyond the last when all are older.
func (l *Log) SeqAt(ctx context.Context, stream string, t time.Time) (Seq, error) {
	s, err := l.js.Stream(ctx, stream)
	if err != nil {
		return 0, readError(stream, err)
	}
	state := s.CachedInfo().State
	// Times rise with the sequences. What has expired in between is passed over by Next, and so does not disturb.
	var failed error
	n := sort.Search(int(state.LastSeq-state.FirstSeq+1), func(i int) bool {
		if failed != nil {
			return true
		}
		e, found, err := l.Next(ctx, stream, Seq(state.FirstSeq)+Seq(i))
		if err != nil {
			failed = fmt.Errorf("events: look for %s in %s: %w", t.Format(time.RFC3339), stream, err)
		}
		return !found || !e.Stored.Before(t)
	})
	return Seq(state.FirstSeq) + Seq(n), failed
}
