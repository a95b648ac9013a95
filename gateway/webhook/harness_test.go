package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/keyfile"
	"streamstack/projections"
)

// within bounds each wait of a test: generous, for two cores with the race detector.
const within = 60 * time.Second

const region events.Region = "local"

// quickTiming keeps the order of [usualTiming]'s waits (ack is longer than alive, fresh and attempt together).
var quickTiming = timing{
	attempt:    time.Second,
	firstRetry: 5 * time.Millisecond, lastRetry: 50 * time.Millisecond, lastParked: 50 * time.Millisecond,
	ack: 3 * time.Second, alive: 200 * time.Millisecond,
	pull: 500 * time.Millisecond, pin: 1500 * time.Millisecond, fresh: time.Second,
	beat: 200 * time.Millisecond, gate: 20 * time.Millisecond, status: 50 * time.Millisecond, stop: time.Second, call: 2 * time.Second,
}

// stack is a NATS server, the gateways' key, and a log for whoever appends.
type stack struct {
	t    testing.TB
	nats *eventstest.Server
	log  *events.Log
	root keyfile.Keys
	logs eventstest.Output
}

func newStack(t testing.TB) *stack {
	t.Helper()
	server := eventstest.Start(t)
	root, err := keyfile.Open(filepath.Join(t.TempDir(), "webhook.key"))
	require.NoError(t, err)
	return &stack{t: t, nats: server, log: eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{}), root: root}
}

// replica is one gateway's service, running.
type replica struct {
	*Service
	// stop ends it in order, kill as kill -9 would: its connection is gone at once, and nothing is given back.
	stop, kill func()
}

func (s *stack) service() *replica {
	s.t.Helper()
	nc := s.nats.Connect(s.t)
	logger := slog.New(slog.NewTextHandler(&s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log, err := events.New(nc, logger)
	require.NoError(s.t, err)
	r := &replica{Service: newService(Config{Log: log, Logger: logger, Root: s.root}, quickTiming)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var once sync.Once
	end := func(killed bool) func() {
		return func() {
			once.Do(func() {
				if killed {
					nc.Close()
				}
				cancel()
				if err := <-done; !killed && !errors.Is(err, context.Canceled) {
					s.t.Errorf("the service ended with %v", err)
				}
				nc.Close()
			})
		}
	}
	r.stop, r.kill = end(false), end(true)
	s.t.Cleanup(r.stop)
	select {
	case <-r.Ready():
	case <-time.After(within):
		s.t.Fatal("the webhooks are not known")
	}
	return r
}

func (r *replica) add(t testing.TB, url string, types ...string) (projections.Webhook, Secret) {
	t.Helper()
	w, secret, err := r.Add(t.Context(), Request{URL: url, Types: types})
	require.NoError(t, err)
	return w, secret
}

// say appends an event; n is its number within the session.
func (s *stack) say(id events.SessionID, n int) events.Event {
	d := events.NewDraft(region, id, events.Gateway, events.Joined, events.JoinedData{Generation: n})
	return events.Event{Session: id, Sequence: eventstest.Append(s.t, s.log, d)}
}

// receiver is an endpoint. It takes an event, or not, as decide says.
type receiver struct {
	t      testing.TB
	server *httptest.Server

	mu     sync.Mutex
	secret Secret
	decide func(events.Event) int
	// taken are the events that were answered with 2xx, by session; tries counts all requests.
	taken map[events.SessionID][]events.Event
	tries int
	bad   []string
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{t: t, taken: map[events.SessionID][]events.Event{}, decide: func(events.Event) int { return http.StatusNoContent }}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the gateway has gone
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	var e events.Event
	switch err := json.Unmarshal(body, &e); {
	case err != nil:
		r.bad = append(r.bad, err.Error())
	case Verify(r.secret, req.Header, body, time.Now()) != nil:
		r.bad = append(r.bad, "signature of "+e.ID)
	case (req.Header.Get(HeaderID) != e.ID && e.Quarantine == "") || req.Method != http.MethodPost || req.Header.Get("Content-Type") != contentType:
		r.bad = append(r.bad, fmt.Sprint(req.Method, req.Header))
	}
	status := r.decide(e)
	if status/100 == 2 {
		r.taken[e.Session] = append(r.taken[e.Session], e)
	}
	w.WriteHeader(status)
}

// set changes how the receiver answers.
func (r *receiver) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// firsts are a session's events in the order in which they first were taken, and how many came again.
func (r *receiver) firsts(id events.SessionID) (seqs []events.Seq, again int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.taken[id] {
		if slices.Contains(seqs, e.Sequence) {
			again++
			continue
		}
		seqs = append(seqs, e.Sequence)
	}
	return seqs, again
}

// awaits waits until everything that was appended was taken, in order per session, and returns how much came twice.
func (r *receiver) awaits(appended []events.Event) (again int) {
	r.t.Helper()
	want := map[events.SessionID][]events.Seq{}
	for _, e := range appended {
		want[e.Session] = append(want[e.Session], e.Sequence)
	}
	eventstest.Wait(r.t, within, func() string {
		again = 0
		for id, seqs := range want {
			got, twice := r.firsts(id)
			again += twice
			if len(got) < len(seqs) {
				return fmt.Sprintf("session %s: %d of %d events", id, len(got), len(seqs))
			}
		}
		return ""
	})
	for id, seqs := range want {
		got, _ := r.firsts(id)
		require.Equal(r.t, seqs, got, id)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Empty(r.t, r.bad)
	return again
}
