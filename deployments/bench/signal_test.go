package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	natsd "streamstack/deployments/nats"
	"streamstack/events"
	"streamstack/gateway"
	"streamstack/gateway/token"
	"streamstack/streamer/inbox"
)

// signalRound is how many messages go there and back in a round, signalRate and signalBurst how many a second, within what
// a gateway takes of one socket.
const (
	signalRound             = 100
	signalRate, signalBurst = 45, 100
)

// BenchmarkSignal times a client's message through its socket, the gateway and the log to the streamer's reader, and the
// streamer's answer back: against two raw trips, each a bare publish that the stream keeps and republishes to a plain
// subscription. Both take turns, on one server. Nobody in the ceiling decodes, checks permissions of a session, or keeps a
// read model.
func BenchmarkSignal(b *testing.B) {
	l := serve(b, natsd.SyncInterval)
	session := l.negotiation(b)
	client := l.socket(b, session)
	raw := newTrips(b, l)
	var ours, ceiling samples
	pace := rate.NewLimiter(signalRate, signalBurst)
	for b.Loop() {
		for n := range signalRound {
			require.NoError(b, pace.Wait(b.Context()))
			inTurn(n, func() { ceiling.time(func() { raw.round(b) }) }, func() { ours.time(func() { client.round(b) }) })
		}
	}
	show(b, "client's message to the streamer's reader and back:", "socket", "two raw trips", []row{
		{"candidate, p50", "us", ours.micros(50), ceiling.micros(50), atMost(2)},
		{"candidate, p99", "us", ours.micros(99), ceiling.micros(99), target{}},
	})
}

// negotiation is a session with a client let in and a streamer's reader, which answers each candidate with one.
func (l served) negotiation(b *testing.B) events.SessionID {
	b.Helper()
	id, peer := events.SessionID(uuid.NewString()), events.PeerID(uuid.NewString())
	beat(b, l, "a1") // else the gateway ends the sessions of an agent that nobody hears of, after 20 s
	for _, x := range []struct {
		actor events.Actor
		name  events.Name
		data  any
	}{
		{events.Gateway, events.Created, events.CreatedData{App: "testcard"}},
		{events.Gateway, events.Joined, events.JoinedData{Peer: peer, Generation: 1, Role: string(token.RoleSlave)}},
		{events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1}},
		{events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 1, Instance: "i"}},
		{events.Streamer, events.Ready, events.ReadyData{}},
	} {
		_, err := l.Append(b.Context(), events.NewDraft(region, id, x.actor, x.name, x.data))
		require.NoError(b, err)
	}
	// As an agent makes it.
	_, err := l.JetStream().CreateOrUpdateConsumer(b.Context(), events.SessionsStream, jetstream.ConsumerConfig{
		Durable: events.SessionConsumer(id), FilterSubject: events.SessionFilter(region, id),
		AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1, AckWait: 2 * time.Second, InactiveThreshold: time.Hour,
	})
	require.NoError(b, err)
	log, err := events.New(dial(b, l.url), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	answer := payload(b, events.Candidate, 300).(events.CandidateData) //nolint:errcheck,forcetypeassert // of this type
	answer.Peer = peer
	reader := inbox.Reader{Log: log, Session: id, Logger: slog.New(slog.DiscardHandler), Early: func(context.Context, []events.Event) {},
		Event: func(ctx context.Context, e events.Event) {
			if e.Is(events.Client, events.Candidate) {
				_, err := log.Append(ctx, events.NewDraft(region, id, events.Streamer, events.Candidate, answer))
				if err != nil && ctx.Err() == nil {
					b.Errorf("answer: %v", err)
				}
			}
		}}
	run(b, func(ctx context.Context) { _ = reader.Run(ctx) }) // ends with its context
	return id
}

// run runs something until the benchmark ends.
func run(b *testing.B, do func(context.Context)) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); do(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
}

// wire is a client's socket.
type wire struct {
	conn    *websocket.Conn
	message []byte
}

// socket opens one at a gateway of its own.
func (l served) socket(b *testing.B, id events.SessionID) wire {
	b.Helper()
	mint, err := token.Open(b.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	log, err := events.New(dial(b, l.url), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	g := gateway.New(gateway.Config{Log: log, Logger: slog.New(slog.DiscardHandler), Tokens: mint, Limits: &unlimited})
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	ready := make(chan struct{})
	run(b, func(ctx context.Context) {
		if err := g.Run(ctx, listener, nil, func() { close(ready) }); err != nil {
			b.Errorf("gateway: %v", err)
		}
	})
	<-ready
	var peer events.PeerID
	require.NoError(b, l.History(b.Context(), region, id, 0, func(e events.Event) error {
		if e.Is(events.Gateway, events.Joined) {
			peer = e.Peer()
		}
		return nil
	}))
	tok, err := mint.IssueSocket(token.SocketClaims{Session: string(id), Peer: string(peer), Role: token.RoleSlave, Expiry: time.Now().Add(time.Hour)})
	require.NoError(b, err)
	address := fmt.Sprintf("ws://%s/1.0/sessions/%s/sockets/slave?token=%s", listener.Addr(), id, url.QueryEscape(tok))
	conn, _, err := websocket.Dial(b.Context(), address, nil) //nolint:bodyclose // the body is the connection's
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.CloseNow() })                     // the gateway may have closed it
	c := payload(b, events.Candidate, 300).(events.CandidateData) //nolint:errcheck,forcetypeassert // of this type
	message, err := json.Marshal(map[string]any{"type": "candidate", "candidate": base64.StdEncoding.EncodeToString([]byte(c.Candidate)), "sdpMid": "0", "sdpMLineIndex": 0})
	require.NoError(b, err)
	return wire{conn, message}
}

func (w wire) round(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	require.NoError(b, w.conn.Write(ctx, websocket.MessageText, w.message))
	_, _, err := w.conn.Read(ctx)
	require.NoError(b, err)
}

// trips are two connections that talk through the stream.
type trips struct {
	near, far   *nats.Conn
	there, back *nats.Msg
	arrived     chan struct{}
}

func newTrips(b *testing.B, l served) *trips {
	b.Helper()
	r := newRaw(b, l, events.Candidate, payload(b, events.Candidate, 300))
	id := events.SessionID(uuid.NewString())
	message := func(a events.Actor) *nats.Msg {
		h := nats.Header{}
		for k, v := range r.sample.Header {
			h[k] = v
		}
		h.Del(nats.MsgIdHdr) // the same message again and again
		return &nats.Msg{Subject: events.Subject{Region: region, Session: id, Actor: a, Name: events.Candidate}.String(), Header: h, Data: r.sample.Data}
	}
	t := &trips{near: dial(b, l.url), far: dial(b, l.url), there: message(events.Client), back: message(events.Streamer), arrived: make(chan struct{}, 1)}
	_, err := t.far.Subscribe("live."+t.there.Subject, func(*nats.Msg) {
		if err := t.far.PublishMsg(t.back); err != nil {
			b.Errorf("raw: %v", err)
		}
	})
	require.NoError(b, err)
	_, err = t.near.Subscribe("live."+t.back.Subject, func(*nats.Msg) { t.arrived <- struct{}{} })
	require.NoError(b, err)
	require.NoError(b, t.far.Flush())
	require.NoError(b, t.near.Flush())
	return t
}

func (t *trips) round(b *testing.B) {
	require.NoError(b, t.near.PublishMsg(t.there))
	select {
	case <-t.arrived:
	case <-time.After(patience):
		require.FailNow(b, "nothing came back")
	}
}
