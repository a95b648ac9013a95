package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

const (
	// lastStep is the last step of a client at which its gateway may be killed: its answer has been queued.
	lastStep = 5
	// lastMessage is the number of the last message that a gateway may get through before it is killed: the candidates
	// after the offer.
	lastMessage = 4
	// triesPerKill bounds the rounds: a stream may be up before the point is reached that was drawn.
	triesPerKill = 3
)

// TestKilledGateways: a session is created through one gateway, its client's socket is at another, and that one is killed
// with SIGKILL in the middle of signalling. The client goes on through the first with the same token and connects. That
// many times; then the log says that every session was created, connected and ended once.
func TestKilledGateways(t *testing.T) {
	h := newHouse(t, triesPerKill**kills+triesPerKill) // a session stays for some seconds after its client
	random := rand.New(rand.NewPCG(*seed, 0))
	begun := time.Now()
	var rounds []*round
	killed := 0
	for killed < *kills {
		require.Less(t, len(rounds), triesPerKill**kills+triesPerKill, "rounds for %d kills", killed)
		r := h.round(random, len(rounds)%2)
		rounds = append(rounds, r)
		if !r.killed {
			continue
		}
		h.Revive(r.holder)
		// One whose answer had arrived may connect without another socket.
		if r.resumed = len(h.read(r.id).attached) == 2; r.resumed {
			killed++
		}
	}
	took := time.Since(begun).Round(time.Second)
	var all []events.SessionID
	points := map[string]int{}
	for _, r := range rounds {
		all = append(all, r.id)
		stack.Eventually(t, patience, h.ended(r.id))
		l := h.read(r.id)
		h.checkOnce(r.id, l)
		h.checkConnected(r.id, l, r.viewer)
		if r.resumed {
			points[r.point]++
		}
		if r.killed {
			require.LessOrEqual(t, len(l.attached), 2, "%s: one gateway was lost, so one socket", r.id)
		} else {
			require.Len(t, l.attached, 1, "%s", r.id)
		}
	}
	h.checkAll(all)
	h.checkLog()
	t.Logf("seed %d: %d gateways killed in %s, as many clients resumed and connected; %d further sessions connected before it mattered. Points: %v",
		*seed, killed, took, len(rounds)-killed, points)
}

// round is one session.
type round struct {
	id     events.SessionID
	viewer *viewer
	holder int    // the gateway with the socket
	point  string // where that is to be killed
	// killed tells whether it was, resumed whether the client opened another socket then.
	killed, resumed bool
}

// round creates a session at one gateway and kills the other, which holds the socket, at a point drawn at random.
func (h *house) round(random *rand.Rand, holder int) *round {
	h.t.Helper()
	grant, err := h.Of(1-holder).Create(h.t.Context(), client.CreateRequest{App: app})
	require.NoError(h.t, err)
	r := &round{id: grant.ID, holder: holder}
	h.Balancer.Prefer(holder)
	if random.IntN(2) == 0 {
		h.killAtStep(r, grant, 1+random.IntN(lastStep))
	} else {
		h.killInFlight(r, grant, random.IntN(lastMessage+1))
	}
	return r
}

// killAtStep kills the gateway while the client is at a step of its own; the client does not go on before it has gone.
func (h *house) killAtStep(r *round, grant client.Grant, step int) {
	h.t.Helper()
	r.point = fmt.Sprintf("step %d", step)
	reached, killed := make(chan struct{}), make(chan struct{})
	r.viewer = h.newViewer(h.Through(grant.URL), func(n int) {
		if n == step {
			close(reached)
			<-killed
		}
	})
	h.killWhen(r, reached, func() { close(killed) })
}

// killInFlight kills the gateway while what it and the client said is on its way, after some messages that arrived.
func (h *house) killInFlight(r *round, grant client.Grant, messages int) {
	h.t.Helper()
	r.point = fmt.Sprintf("in flight after %d", messages)
	held, reached := h.Balancer.Hold(messages), make(chan struct{})
	r.viewer = h.newViewer(h.Through(grant.URL), nil)
	over := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-held:
			close(reached)
		case <-over:
		}
	})
	h.killWhen(r, reached, func() {})
	close(over)
	waiting.Wait()
}

// killWhen lets the client watch and kills its gateway when the point is reached, if it is.
func (h *house) killWhen(r *round, reached <-chan struct{}, goOn func()) {
	h.t.Helper()
	watched := make(chan error, 1)
	go func() { watched <- r.viewer.watch(h.t.Context()) }()
	select {
	case <-reached:
		at, ok := h.Balancer.Holder(string(r.id))
		require.True(h.t, ok && at == r.holder, "%s: its socket is at gateway %d", r.id, at)
		h.Kill(r.holder)
		r.killed = true
		goOn()
		require.NoError(h.t, <-watched, "%s, whose gateway was killed: %s", r.id, r.point)
	case err := <-watched:
		require.NoError(h.t, err, "%s", r.id)
	}
}

// checkAll compares the sessions in the log with those that were asked for.
func (h *house) checkAll(want []events.SessionID) {
	h.t.Helper()
	var got []events.SessionID
	require.NoError(h.t, h.log.Read(context.WithoutCancel(h.t.Context()), events.SessionsStream, "sessions.*.*.gateway.created", 0, func(e events.Event) error {
		got = append(got, e.Session)
		return nil
	}))
	require.ElementsMatch(h.t, want, got, "no session more, none less")
}
