package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
	"streamstack/gateway/client/signalling"
)

const (
	// lastOutageStep is the last step at which a client waits for the outage: it has the offer and has not answered.
	lastOutageStep = 4
	// outageTime is how long NATS is away: longer than an append waits for it.
	outageTime = 3 * time.Second
	// startersAtOnce is how many sessions are started at a time.
	startersAtOnce = 8
)

// TestNATSRestarts: NATS is killed while many sessions are in the middle of signalling, and started again. Every client
// gets its picture or is told why not; none hangs; and every session has one ending in the log.
func TestNATSRestarts(t *testing.T) {
	h := newHouse(t, *sessions)
	random := rand.New(rand.NewPCG(*seed, 1))
	outage := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Add(*sessions)
	viewers, ids, results := make([]*viewer, *sessions), make([]events.SessionID, *sessions), make([]error, *sessions)
	steps := map[int]int{}
	var watching sync.WaitGroup
	starters := make(chan struct{}, startersAtOnce)
	for i := range viewers {
		h.Balancer.Prefer(i % 2)
		select {
		case starters <- struct{}{}:
		case <-time.After(2 * patience):
			t.Fatalf("of %d clients none gets to its step any more", i)
		}
		grant, err := h.Client.Create(t.Context(), client.CreateRequest{App: app})
		require.NoError(t, err)
		step := 1 + random.IntN(lastOutageStep)
		steps[step]++
		ids[i] = grant.ID
		viewers[i] = h.newViewer(grant.URL, func(n int) {
			if n == step {
				waiting.Done()
				<-starters
				<-outage
			}
		})
		watching.Go(func() { results[i] = viewers[i].watch(t.Context()) })
	}
	waited := make(chan struct{})
	go func() { waiting.Wait(); close(waited) }()
	select {
	case <-waited:
	case <-time.After(2 * patience):
		t.Fatal("not all clients are in the middle of signalling")
	}
	t.Logf("%d sessions in the middle of signalling, by step: %v", *sessions, steps)

	h.StopNATS(syscall.SIGKILL)
	begun := time.Now()
	close(outage)
	stack.Eventually(t, 2*outageTime, func() string {
		if left := outageTime - time.Since(begun); left > 0 {
			return left.String() + " of outage"
		}
		return ""
	})
	h.StartNATS()
	over := make(chan struct{})
	go func() { watching.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(4 * patience):
		t.Fatal("clients hang")
	}
	took := time.Since(begun)

	connected, reasons := 0, map[string]int{}
	var again int
	for i, id := range ids {
		stack.Eventually(t, 2*patience, h.ended(id))
		l := h.read(id)
		h.checkOnce(id, l)
		again += viewers[i].lost - 1
		if results[i] == nil {
			connected++
			h.checkConnected(id, l, viewers[i])
			continue
		}
		require.NotErrorIs(t, results[i], context.DeadlineExceeded, "%s hung: %v", id, l.named)
		var why *signalling.Ended
		require.True(t, errors.As(results[i], &why) && why.Reason != "", "%s failed without a reason: %v", id, results[i])
		reasons[why.Reason]++
	}
	h.checkAll(ids)
	h.checkLog()
	t.Logf("%d connected, %d were told why not: %v; the last %s after NATS was killed, which was away for %s; sockets opened again: %d",
		connected, *sessions-connected, reasons, took.Round(time.Millisecond), outageTime, again)
	require.Positive(t, connected)
}
