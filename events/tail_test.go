package events_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// publishMany puts n events into the stream, fast.
func publishMany(t testing.TB, l *events.Log, n int) {
	t.Helper()
	const chunk = 1000 // the client takes 4000 without an answer
	for i := range n {
		if _, err := l.JetStream().PublishMsgAsync(&nats.Msg{Subject: ready, Data: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		if (i+1)%chunk != 0 && i+1 != n {
			continue
		}
		select {
		case <-l.JetStream().PublishAsyncComplete():
		case <-time.After(within):
			t.Fatal("the stream does not take the events")
		}
	}
}

// contiguous checks that a reader got each of from..to, in order, once.
func contiguous(t testing.TB, got []events.Seq, from, to events.Seq) {
	t.Helper()
	for i, s := range got {
		if s != from+events.Seq(i) {
			t.Fatalf("%d in place %d of %d events; it should be %d", s, i, len(got), from+events.Seq(i))
		}
	}
	if len(got) != int(to-from)+1 {
		t.Fatalf("%d events, not %d", len(got), to-from+1)
	}
}

// Tails that begin while others append see every event once, in order, whenever they go live.
func TestTailAcrossTheSeam(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	l := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
	const writers, each = 4, 200
	var group sync.WaitGroup
	for range writers {
		own := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
		group.Go(func() {
			for n := range each {
				if _, err := persist(t.Context(), own, numberedEvent(events.Ready, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var tails []*collector
	var afters []events.Seq
	for i := range 8 {
		at := events.Seq(i * writers * each / 10)
		eventstest.Wait(t, within, func() string {
			if last, err := l.LastSeq(t.Context(), region, session); err != nil || last < at {
				return fmt.Sprintf("event %d (%v)", at, err)
			}
			return ""
		})
		after := at / events.Seq(i%2+1)
		c, _, _ := tailing(t, l, after)
		tails, afters = append(tails, c), append(afters, after)
	}
	group.Wait()
	for i, c := range tails {
		eventstest.Wait(t, within, func() string {
			if c.last() < writers*each {
				return fmt.Sprintf("tail %d is at %d", i, c.last())
			}
			return ""
		})
		contiguous(t, c.seqs(), afters[i]+1, writers*each)
	}
}

// A reader so slow that the client drops live messages gets them from the stream.
func TestTailOfASlowReader(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	dropped := make(chan struct{}, 1)
	l := eventstest.NewLog(t, s.Connect(t, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {
		select {
		case dropped <- struct{}{}:
		default:
		}
	})), events.StreamsConfig{})
	writer := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
	const n = 10_000 // more than the tail's buffer
	c, slow := newCollector(), make(chan struct{})
	caught := make(chan struct{}, n)
	spawn(t, func(ctx context.Context) error {
		return l.Tail(ctx, 0, func(e events.Event) error {
			select {
			case <-slow:
				return c.add(e)
			case <-ctx.Done():
				return ctx.Err()
			}
		}, nil, func() {
			select {
			case caught <- struct{}{}:
			default:
			}
		})
	})
	<-caught
	publishMany(t, writer, n)
	select {
	case <-dropped:
	case <-time.After(within):
		t.Error("nothing was dropped: the test does not show what it should")
	}
	close(slow)
	// Live messages behind the gap must wait until it is filled.
	reached := func(seq events.Seq) {
		eventstest.Wait(t, within, func() string {
			if c.last() < seq {
				return fmt.Sprintf("the tail is at %d", c.last())
			}
			return ""
		})
	}
	reached(n / 10)
	const more = 100
	publishMany(t, writer, more)
	reached(n + more)
	contiguous(t, c.seqs(), 1, n+more)
}

// Expired events leave gaps in the past, which nobody waits for; the lifecycle stays.
func TestExpiry(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t, events.WithSDPRetention(time.Second))
	early, live, _ := tailing(t, l, 0)
	<-live
	var lasting []events.Seq
	for range 5 {
		lasting = append(lasting, mustAppend(t, l, created(session)))
		mustAppend(t, l, candidate(session))
		mustAppend(t, l, events.NewDraft(region, session, events.Streamer, events.Offer, events.SDPData{Peer: "p"}))
	}
	before, err := l.LastSeq(t.Context(), region, session)
	if err != nil || before != 15 {
		t.Fatalf("%d, %v", before, err)
	}
	eventstest.Wait(t, within, func() string {
		if n := len(stored(t, l)); n != len(lasting) {
			return fmt.Sprintf("%d events to expire", n-len(lasting))
		}
		return ""
	})
	// A decision made on a fold of what has expired meanwhile is a conflict; one on a fresh look is not.
	after, err := l.LastSeq(t.Context(), region, session)
	if err != nil || after != lasting[4] {
		t.Errorf("the last sequence is %d, %v", after, err)
	}
	seq, err := l.AppendExpecting(t.Context(), created(session), after)
	if err != nil {
		t.Errorf("with the last sequence as it is: %v", err)
	}
	lasting = append(lasting, seq)
	late, _, _ := tailing(t, l, 0)
	middle, _, _ := tailing(t, l, 5)
	followed := newCollector()
	spawn(t, follow(l, nil, events.Start{}, followed))
	lasting = append(lasting, mustAppend(t, l, created(session)))
	end := lasting[len(lasting)-1]
	for _, c := range []struct {
		c    *collector
		want []events.Seq
	}{{late, lasting}, {middle, lasting[2:]}, {followed, lasting}} {
		eventstest.Wait(t, within, func() string {
			if c.c.last() < end {
				return "the last event"
			}
			return ""
		})
		if got := c.c.seqs(); !slices.Equal(got, c.want) {
			t.Errorf("%v, not %v", got, c.want)
		}
	}
	eventstest.Wait(t, within, func() string {
		if early.last() < end {
			return "the last event"
		}
		return ""
	})
	contiguous(t, early.seqs(), 1, end)
}

// Several batches of history, of one session among two, from the middle too.
func TestHistoryOfManyBatches(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	const n = 1300
	publishMany(t, l, n)
	mustAppend(t, l, created("other"))
	mustAppend(t, l, created(session))
	for _, from := range []events.Seq{0, 1, 512, 513, n + 1, n + 2, n + 3} {
		c := newCollector()
		if err := l.History(t.Context(), region, session, from, c.add); err != nil {
			t.Fatal(err)
		}
		want := n + 2 - int(max(from, 1)) + 1
		if from <= n+1 {
			want-- // the other session's
		}
		if got := c.seqs(); len(got) != max(0, want) || !slices.IsSorted(got) || slices.Contains(got, n+1) {
			t.Errorf("from %d: %d events, not %d", from, len(got), want)
		}
	}
	var seen []events.Progress
	ctx, cancel := context.WithCancel(t.Context())
	_ = l.Tail(ctx, 0, func(events.Event) error { return nil }, func(p events.Progress) { seen = append(seen, p) }, cancel)
	if len(seen) != 2 || seen[0] != (events.Progress{At: 1024, Target: n + 2}) || seen[1] != (events.Progress{At: n + 2, Target: n + 2}) {
		t.Errorf("progress %+v", seen)
	}
}
