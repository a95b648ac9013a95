package events

import (
	"context"
	"time"
)

// Next is the first event of a stream at or after a sequence, as the stream's leader has it: unlike [Log.Read], which any
// replica may answer, it misses nothing that is stored. found is false when there is none.
func (l *Log) Next(ctx context.Context, stream string, from Seq) (e Event, found bool, err error) {
	return l.stored(ctx, stream, directRequest{Seq: max(from, 1)})
}

// FirstAt is the first sequence of a stream that was stored at t or after; one beyond the last when all are older.
func (l *Log) FirstAt(ctx context.Context, stream string, t time.Time) (Seq, error) {
	before, err := l.SeqAt(ctx, stream, t.Add(-1))
	return before + 1, err
}
