package peer

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDispatcherKeepsOrderAndHoldsBack(t *testing.T) {
	t.Parallel()
	d := newDispatcher()
	release := make(chan struct{})
	var order []int
	d.post(func() { <-release })
	posted := make(chan struct{})
	var sent atomic.Int64
	go func() {
		defer close(posted)
		for n := range 2 * maxPendingMessages {
			d.postWait(func() { order = append(order, n) })
			sent.Add(1)
		}
	}()
	until(t, func() string {
		if sent.Load() >= maxPendingMessages-1 {
			return ""
		}
		return "a full queue"
	})
	select {
	case <-posted:
		t.Fatal("the client was not held back")
	default:
	}
	close(release)
	<-posted
	last := make(chan struct{})
	d.post(func() { close(last) })
	<-last
	require.Len(t, order, 2*maxPendingMessages)
	for i, n := range order {
		require.Equal(t, i, n)
	}
	d.stop()
	<-d.done
}

func TestStoppedDispatcherIsSilent(t *testing.T) {
	t.Parallel()
	d := newDispatcher()
	running, release := make(chan struct{}), make(chan struct{})
	d.post(func() { close(running); <-release })
	<-running
	d.post(func() { t.Error("called after the stop") })
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		for range 2 * maxPendingMessages {
			d.postWait(func() { t.Error("called after the stop") })
		}
	}()
	d.stop()
	<-waiting // a reader of pion's must not be left hanging
	close(release)
	<-d.done
}
