package gateway

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// What anybody was told before he asked is in the answer, however many ask at once; and they share answers.
func TestNewestProvesWhatWasBefore(t *testing.T) {
	t.Parallel()
	var written, asked atomic.Int64
	n := newNewest(func(context.Context) (events.Seq, error) {
		asked.Add(1)
		seq := written.Load()
		runtime.Gosched() // the way back: an answer is old when it comes
		return events.Seq(seq), nil
	})
	const writers, each = 32, 100
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				mine := events.Seq(written.Add(1))
				if got, err := n.seq(t.Context()); err != nil || got < mine {
					t.Errorf("%d was written before the question, the answer is %d, %v", mine, got, err)
				}
			}
		})
	}
	wg.Wait()
	require.Less(t, asked.Load(), int64(writers*each/2), "they share answers")
	t.Logf("%d questions for %d callers", asked.Load(), writers*each)
}

// One who leaves takes nobody's answer along, and nobody waits for ever.
func TestNewestWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	release := make(chan error)
	n := newNewest(func(context.Context) (events.Seq, error) { return 7, <-release })
	leaving, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := n.seq(leaving)
		first <- err
	}()
	release <- nil // and so the first one asks
	require.NoError(t, <-first)

	go func() {
		_, err := n.seq(leaving)
		first <- err
	}()
	release <- errors.New("away")
	require.ErrorContains(t, <-first, "away", "an error is this question's, not the next one's")

	// Two wait for one answer; the one who asks leaves, and the other gets it all the same.
	left, stayed := make(chan error, 1), make(chan error, 1)
	asking := make(chan struct{})
	var begin sync.Once
	n = newNewest(func(context.Context) (events.Seq, error) {
		begin.Do(func() { close(asking) })
		return 7, <-release
	})
	for result, ctx := range map[chan error]context.Context{left: leaving, stayed: t.Context()} {
		go func() {
			_, err := n.seq(ctx)
			result <- err
		}()
	}
	<-asking
	leave()
	close(release) // and so does one who came too late for that answer
	require.NoError(t, <-stayed)
	if err := <-left; err != nil { // he left before it was his turn to ask
		require.ErrorIs(t, err, events.ErrUnavailable)
	}

	begun := time.Now()
	n.turn <- struct{}{}
	_, err := n.seq(t.Context())
	require.ErrorIs(t, err, events.ErrUnavailable)
	require.Less(t, time.Since(begun), within)
}
