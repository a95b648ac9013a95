package gateway

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/client"
)

// onCluster is a stack on three servers, with each stream on all of them.
func onCluster(t *testing.T) (*stack, *eventstest.Cluster) {
	t.Helper()
	c := eventstest.StartCluster(t)
	s := newStack(t)
	s.nats = c.Servers[0]
	s.log = eventstest.NewLog(t, c.Connect(t, 0), events.StreamsConfig{Replicas: 3})
	return s, c
}

// Once a deletion was answered no gateway takes the token, whichever server of the cluster it is connected to, and whatever
// it has read by then. Not one request in thousands.
func TestDeletionHoldsOnEveryReplicaAtOnce(t *testing.T) {
	t.Parallel()
	s, c := onCluster(t)
	gateways := make([]*replica, len(c.Servers))
	for i, server := range c.Servers {
		s.nats = server
		gateways[i] = s.gateway()
	}
	admin := client.NewAdmin(gateways[0].admin)
	for round := range 20 {
		made, err := client.NewAdmin(gateways[round%3].admin).Create(t.Context(), fmt.Sprintf("a%d", round), time.Hour, false)
		require.NoError(t, err)
		auth := []string{"Authorization", "macaroon root=" + made.Token}
		var used, deleted, asking sync.WaitGroup
		used.Add(len(gateways))
		deleted.Add(1)
		for _, g := range gateways {
			asking.Go(func() {
				a, err := g.try(http.MethodGet, "/1.0/sessions", "", auth...)
				if err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("round %d: an account that was made at another gateway: %d %s %v", round, a.StatusCode, a.Error, err)
				}
				used.Done()
				deleted.Wait()
				for range 5 {
					a, err := g.try(http.MethodGet, "/1.0/sessions", "", auth...)
					if err != nil || a.StatusCode != http.StatusUnauthorized {
						t.Errorf("round %d: after the deletion %d %v", round, a.StatusCode, err)
					}
				}
			})
		}
		used.Wait()
		err = admin.Delete(t.Context(), made.Name)
		deleted.Done()
		asking.Wait()
		require.NoError(t, err)
	}
}

// A gateway whose read model stands still refuses rather than guess; that is the failure which the question to the leader
// is for.
func TestALaggingReplicaDoesNotGuess(t *testing.T) {
	t.Parallel()
	r := house(t)
	// A replica that hears of nothing new: its read model is never fed beyond what it has.
	stuck := New(Config{Log: r.cfg.Log, Logger: discard(), Tokens: r.stack.mint})
	require.NoError(t, r.stack.log.Read(t.Context(), events.AccountsStream, "", 0, func(e events.Event) error {
		stuck.accounts.Apply(e)
		return nil
	}))
	_, err := stuck.Account(t.Context(), r.token)
	require.NoError(t, err)
	require.NoError(t, client.NewAdmin(r.admin).Delete(t.Context(), "tester"))
	begun := time.Now()
	_, err = stuck.Account(t.Context(), r.token)
	require.ErrorIs(t, err, events.ErrUnavailable)
	require.Less(t, time.Since(begun), within)
}

// A stream of events that was open when its account was deleted ends at once, at every gateway; that of another goes on.
func TestDeletionEndsFeeds(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	unhurried := func(g *Gateway) { g.times.feedBeat = time.Hour } // so the end is not the next look at the token
	r, other := s.gateway(unhurried), s.gateway(unhurried)
	r.token = s.token
	stays := other.mustListen("/1.0/events", "")
	made, err := client.NewAdmin(r.admin).Create(t.Context(), "kim", time.Hour, false)
	require.NoError(t, err)
	other.token = made.Token
	ends := other.mustListen("/1.0/events", "")
	first := s.say("a", events.Gateway, events.Created, events.CreatedData{})
	require.Equal(t, first, ends.next(t).Sequence)
	require.NoError(t, client.NewAdmin(r.admin).Delete(t.Context(), "kim"))
	_, err = ends.Next()
	require.ErrorContains(t, err, "EOF")
	require.Equal(t, first, stays.next(t).Sequence)
	second := s.say("a", events.Gateway, events.Joined, events.JoinedData{})
	require.Equal(t, second, stays.next(t).Sequence)
}

// BenchmarkAuthenticate is what the check of a token costs, alone and 64 at once.
func BenchmarkAuthenticate(b *testing.B) {
	nc := eventstest.Conn(b)
	log := eventstest.NewLog(b, nc, events.StreamsConfig{})
	mint := openMint(b)
	g := New(Config{Log: log, Logger: discard(), Tokens: mint})
	ctx, cancel := context.WithCancel(b.Context())
	var following sync.WaitGroup
	following.Go(func() { _ = g.accounts.Follow(ctx, log, events.AccountsStream) }) // ends with its context
	b.Cleanup(func() {
		cancel()
		following.Wait()
	})
	text, err := g.CreateAccount(b.Context(), "kim", time.Now().Add(time.Hour))
	require.NoError(b, err)
	for _, at := range []int{1, 64} {
		b.Run(fmt.Sprintf("at-once=%d", at), func(b *testing.B) {
			before := sent(nc)
			b.SetParallelism(at)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := g.Account(ctx, text); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(sent(nc)-before)/float64(b.N), "questions/op")
		})
	}
}

func sent(nc *nats.Conn) uint64 { return nc.Stats().OutMsgs }
