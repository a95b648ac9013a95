package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"streamstack/events"
)

// askTime bounds a question to a stream's leader, and the wait for one: a request has two seconds to learn that NATS is
// away.
const askTime = 1500 * time.Millisecond

// newest asks a stream's leader how far the stream goes, for many requests at once. A read model that has come so far holds
// all that was acknowledged before the request came, whichever gateway wrote it (the read index of Ongaro, "Consensus:
// Bridging Theory and Practice", 2014, section 6.4).
//
// An answer counts for those who came before the question was sent, and for nobody later: that is what makes it a proof. So
// all who come while one question is out share the next one, and ten thousand requests a second ask no more often than one
// after another does.
type newest struct {
	ask func(context.Context) (events.Seq, error)

	turn chan struct{} // held by who asks
	mu   sync.Mutex
	next *question // not sent yet; nil: nobody waits
}

type question struct {
	done chan struct{} // closed when the answer is there
	seq  events.Seq
	err  error
}

func newNewest(ask func(context.Context) (events.Seq, error)) *newest {
	return &newest{ask: ask, turn: make(chan struct{}, 1)}
}

// seq returns how far the stream went at some moment after the call. It fails with [events.ErrUnavailable].
func (n *newest) seq(ctx context.Context) (events.Seq, error) {
	end := time.Now().Add(askTime)
	waiting, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	n.mu.Lock()
	if n.next == nil {
		n.next = &question{done: make(chan struct{})}
	}
	q := n.next
	n.mu.Unlock()
	select {
	case <-q.done:
		return q.seq, q.err
	case <-waiting.Done():
		return 0, fmt.Errorf("%w: no answer within %s", events.ErrUnavailable, askTime)
	case n.turn <- struct{}{}:
	}
	defer func() { <-n.turn }()
	n.mu.Lock()
	sent := n.next != q // by another, before it was this one's turn
	if !sent {
		n.next = nil // who comes from now on waits for another answer
	}
	n.mu.Unlock()
	if !sent {
		// For all who wait, so not in this request's context, which may end with its client; but within its time: one who had
		// waited for a question that failed would else take twice as long to fail.
		asking, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
		defer cancel()
		q.seq, q.err = n.ask(asking)
		close(q.done)
	}
	return q.seq, q.err
}
