package archive

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// errEnough ends a follower that has seen what it waited for.
var errEnough = errors.New("enough")

// purge lets everything before a sequence expire, from a stream that [rig.expire] made.
func (r rig) purge(t require.TestingT, before events.Seq) {
	s, err := r.log.JetStream().Stream(r.t.Context(), events.SessionsStream)
	require.NoError(t, err)
	require.NoError(t, s.Purge(r.t.Context(), jetstream.WithPurgeSequence(uint64(before))))
}

// upTo follows until an event of a sequence has come.
func upTo(t require.TestingT, ctx context.Context, a *Archive, filter string, from events.Start, last events.Seq) (list []events.Event) { //nolint:revive // a test's first argument is the test
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := a.Follow(ctx, filter, from, func(e events.Event) error {
		list = append(list, e)
		if e.Sequence >= last {
			return errEnough
		}
		return nil
	}, nil)
	require.ErrorIs(t, err, errEnough, "only %v came", seqs(list))
	return list
}

// TestFollowIsTheWholeHistory follows from random places, while events are appended, archived, and expire: what came is the
// archive's part of the log, then the stream's, then what was appended, each event once.
func TestFollowIsTheWholeHistory(t *testing.T) {
	r := newRig(t)
	r.expire(0)
	var want []events.Event
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 3).Draw(rt, "sessions") {
			r.appendSession(events.SessionID(fmt.Sprintf("s-%d", rapid.IntRange(0, 9).Draw(rt, "session"))))
		}
		for _, e := range r.all("") {
			if len(want) == 0 || e.Sequence > want[len(want)-1].Sequence {
				want = append(want, e)
			}
		}
		x := r.archiver()
		if rapid.Bool().Draw(rt, "archived") {
			require.NoError(rt, x.Pass(t.Context()))
		}
		entries, _, err := x.cfg.Archive.list(t.Context())
		require.NoError(rt, err)
		if e := end(entries); e > 0 && rapid.Bool().Draw(rt, "expired") {
			r.purge(rt, events.Seq(rapid.Uint64Range(1, uint64(e)+1).Draw(rt, "before")))
		}
		var first events.Seq // that the stream has
		if left := r.all(""); len(left) > 0 {
			first = left[0].Sequence
		}
		from := rapid.IntRange(max(0, len(want)-60), len(want)-1).Draw(rt, "from")
		start := events.Start{Seq: want[from].Sequence}
		if rapid.Bool().Draw(rt, "by time") {
			start = events.Start{Time: want[from].Stored}
		}
		came := make(chan []events.Event, 1)
		last := want[len(want)-1].Sequence + 5
		go func() { came <- upTo(rt, t.Context(), r.reader(), events.AllSessions, start, last) }()
		r.appendSession("live")
		expected := []events.Event{}
		for _, e := range want[from:] {
			if !events.ShortLived(e.Name) || (first > 0 && e.Sequence >= first) {
				expected = append(expected, e)
			}
		}
		for _, e := range r.all("") {
			if e.Sequence > last-5 {
				expected = append(expected, e)
			}
		}
		requireSame(rt, expected, <-came)
	})
}

// TestFollowMissesNothingWhileItIsAway blocks a follower until all that it has not read yet has expired.
func TestFollowMissesNothingWhileItIsAway(t *testing.T) {
	r := newRig(t)
	r.expire(0)
	for range 400 { // more than the server sends without being asked
		r.appendSession(session)
	}
	all := r.all("")
	x := r.archiver()
	require.NoError(t, x.Pass(t.Context()))
	var got []events.Event
	err := r.reader().Follow(t.Context(), events.SessionFilter(region, session), events.Start{Seq: 1}, func(e events.Event) error {
		if len(got) == 0 {
			r.purge(t, events.Seq(len(all)-4))
		}
		if got = append(got, e); e.Sequence == all[len(all)-1].Sequence {
			return errEnough
		}
		return nil
	}, nil)
	require.ErrorIs(t, err, errEnough)
	require.Equal(t, seqs(lifecycle(all)), seqs(lifecycle(got)))
}

// TestFollowNew begins with what comes, and tells when nothing more is waiting.
func TestFollowNew(t *testing.T) {
	r := newRig(t)
	r.appendSession(session)
	ctx, cancel := context.WithCancel(t.Context())
	done, caught, got := make(chan error, 1), make(chan struct{}, 16), make(chan events.Event, 16)
	go func() {
		done <- r.reader().Follow(ctx, events.AllSessions, events.Start{New: true}, func(e events.Event) error { got <- e; return nil }, func() { caught <- struct{}{} })
	}()
	wait := func() {
		select {
		case <-caught:
		case <-time.After(patience):
			t.Fatal("the follower has not caught up")
		}
	}
	wait()
	r.appendSession("other")
	eventstest.Wait(t, patience, func() string {
		if n := len(got); n < 5 {
			return fmt.Sprintf("5 events, there are %d", n)
		}
		return ""
	})
	require.Equal(t, events.Seq(6), (<-got).Sequence)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

// TestFollowSurvivesARestart: the server goes away and comes back while a follower waits.
func TestFollowSurvivesARestart(t *testing.T) {
	server := eventstest.Start(t)
	r := rig{t, eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})}
	r.appendSession(session)
	came := make(chan []events.Event, 1)
	began := make(chan struct{})
	go func() {
		var list []events.Event
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_ = r.reader().Follow(ctx, events.AllSessions, events.Start{}, func(e events.Event) error { // what came tells
			if list = append(list, e); len(list) == 10 {
				return errEnough
			}
			return nil
		}, func() {
			if len(list) == 5 {
				close(began)
			}
		})
		came <- list
	}()
	<-began
	server.Restart()
	eventstest.Wait(t, patience, func() string {
		if !r.log.Conn().IsConnected() {
			return "the connection"
		}
		return ""
	})
	r.appendSession("other")
	require.Equal(t, []events.Seq{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, seqs(<-came))
}
