package events

import "context"

// Newest is the sequence of the last event that a stream's leader has stored; 0 for none. Whoever has folded the stream up
// to there knows all that was acknowledged before Newest was called: the leader, unlike the replicas that answer
// [Log.Read], has whatever it has acknowledged.
func (l *Log) Newest(ctx context.Context, stream string) (Seq, error) {
	e, _, err := l.stored(ctx, stream, directRequest{LastFor: ">"})
	return e.Sequence, err
}
