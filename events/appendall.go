package events

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// appendWindow is how many appends of one [Log.AppendAll] wait for their acknowledgement at once: enough to keep the
// server busy, and with [MaxData] each less than the server would call a slow producer.
const appendWindow = 1000

// AppendAll appends drafts in their order without condition, many at once, and returns the sequence of each. It is for
// those who bring many events, as a replay into another stream does; each waits no longer than a [Log.Append].
//
// At the first failure nothing more is sent and its error is returned, with the sequences of what was acknowledged
// before it. The drafts after those may have been appended or not, in parts too: nothing is sent again, since what was
// sent again would come after what followed it.
func (l *Log) AppendAll(ctx context.Context, drafts []Draft) ([]Seq, error) {
	begun := time.Now()
	seqs, err := l.appendAll(ctx, drafts)
	l.toldAll(drafts, len(seqs), time.Since(begun), err)
	return seqs, err
}

func (l *Log) appendAll(ctx context.Context, drafts []Draft) ([]Seq, error) {
	if err := l.writable(ctx, fmt.Sprintf("%d events", len(drafts))); err != nil {
		return nil, err
	}
	seqs := make([]Seq, 0, len(drafts))
	sent := make([]jetstream.PubAckFuture, 0, len(drafts))
	for i, d := range drafts {
		if i-len(seqs) == appendWindow {
			var err error
			if seqs, err = settle(ctx, seqs, sent[:i-appendWindow/2]); err != nil {
				return seqs, err
			}
		}
		f, err := l.send(ctx, d)
		if err != nil {
			// What is on its way is acknowledged still; the earlier failure is the one to tell.
			seqs, early := settle(ctx, seqs, sent)
			if early != nil {
				err = early
			}
			return seqs, err
		}
		sent = append(sent, f)
	}
	return settle(ctx, seqs, sent)
}

// send publishes a draft without waiting for the acknowledgement, which comes, or fails, within [appendTimeout].
func (l *Log) send(ctx context.Context, d Draft) (jetstream.PubAckFuture, error) {
	m, _, err := l.message(d)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, appendError(d.Subject, err)
	}
	if !l.nc.IsConnected() { // or the client would keep it, and send it whenever NATS is back
		return nil, fmt.Errorf("%w: append %s", ErrUnavailable, d.Subject)
	}
	f, err := l.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0), jetstream.WithStallWait(appendTimeout))
	if err != nil {
		return nil, appendError(d.Subject, err)
	}
	return f, nil
}

// settle adds the sequences of what was sent and has none yet, up to the first failure. The last is waited for first:
// since answers come in order, one wake-up then finds them all, where one each would cost more than the publishing.
func settle(ctx context.Context, seqs []Seq, sent []jetstream.PubAckFuture) ([]Seq, error) {
	open := sent[len(seqs):]
	if len(open) == 0 {
		return seqs, nil
	}
	final, finalErr := acknowledged(ctx, open[len(open)-1])
	for _, f := range open[:len(open)-1] {
		seq, err := acknowledged(ctx, f)
		if err != nil {
			return seqs, err
		}
		seqs = append(seqs, seq)
	}
	if finalErr != nil {
		return seqs, finalErr
	}
	return append(seqs, final), nil
}

// acknowledged waits for the answer to one append, which may be asked for once.
func acknowledged(ctx context.Context, f jetstream.PubAckFuture) (Seq, error) {
	select {
	case ack := <-f.Ok():
		return Seq(ack.Sequence), nil
	case err := <-f.Err():
		return 0, appendError(f.Msg().Subject, err)
	case <-ctx.Done():
		return 0, appendError(f.Msg().Subject, ctx.Err())
	}
}
