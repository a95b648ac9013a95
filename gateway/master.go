package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"streamstack/events"
	"streamstack/projections"
)

// masterWait is how long a master may take to answer the first discover.
const masterWait = 10 * time.Second

// oneClientText is what viewers of such a session are told.
const oneClientText = "the session's streamer speaks through a master socket: it has one client, and nobody can watch"

// master is one socket of a streamer that is not ours. It says and hears the messages of signalling.md, which know one client
// at a time and no peer ids: what it says belongs to the client whose discover it has answered last, and only if that client
// is the session's still. That a client has connected nobody tells the gateway; it is taken from the client's leaving its
// socket in order once both sides have described themselves, which is what clients do then (signalling.md, section 9).
type master struct {
	g       *Gateway
	conn    *websocket.Conn
	session projections.Session
	log     *events.Log // as the streamer
	sub     *subscription
	in      chan []byte
	pings   sync.WaitGroup
	release func() // its place among the account's sockets

	readyAt events.Seq    // of this socket's own streamer.ready; 0 before the master has answered
	sent    events.Seq    // the last event looked at
	begun   events.PeerID // whose discover was passed on last
	speaks  events.PeerID // whose discover was answered last
	// described tells who of begun's negotiation has sent a description.
	described struct{ client, streamer bool }
}

// run serves the socket until it ends.
func (m *master) run(ctx context.Context) {
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	go func() { read <- m.read(life) }()
	err := m.serve(life, read)
	lost := m.left(ctx, err)
	m.g.countEnd(err)
	var c closing
	if errors.As(err, &c) {
		late := time.AfterFunc(m.g.times.closeWait, cancel)
		_ = m.conn.Close(c.code, shorten(c.reason, 120)) // gone, maybe; RFC 6455, section 5.5.1
		late.Stop()
	}
	cancel()
	_ = m.conn.CloseNow() // ends the reader
	m.g.log.Debug("master socket ended", "session", m.session.ID, "err", err, "reader", <-read)
	m.pings.Wait()
	if p := m.session.Connected; p != "" && m.readyAt > 0 && lost {
		_ = m.say(context.WithoutCancel(ctx), events.Disconnected, events.DisconnectedData{Peer: p, Reason: events.ReasonLost, Message: "the master's socket closed", Connected: true}) // it is logged
	}
}

// left tells whether a socket's end was the master's own: it went, does not read, or said what nobody may say. Where the gateway
// stops, or the log is away, the master comes back through another socket, and its client streams on meanwhile.
func (m *master) left(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false // cut off, for the gateway has stopped
	}
	var c closing
	return !errors.As(err, &c) || c.code == websocket.StatusPolicyViolation || c.code == websocket.StatusMessageTooBig
}

// read hands the master's frames to the loop.
func (m *master) read(ctx context.Context) (err error) {
	defer m.g.caught(&err)
	var limit *rate.Limiter
	if f := m.g.Limits(); f.MessagesPerSecond > 0 {
		limit = rate.NewLimiter(rate.Limit(f.MessagesPerSecond), f.MessageBurst)
	}
	for {
		kind, r, err := m.conn.Reader(ctx)
		if err != nil {
			return fmt.Errorf("gateway: master: %w", err)
		}
		data, err := content(r, m.g.Limits().MessageBytes)
		var c closing
		switch {
		case errors.As(err, &c):
			return c
		case err != nil:
			return fmt.Errorf("gateway: master: %w", err)
		case limit != nil && !limit.Allow():
			return closing{websocket.StatusPolicyViolation, whyFlood}
		case kind != websocket.MessageText:
			continue // signalling.md: text frames only
		}
		select {
		case m.in <- data:
		case <-ctx.Done():
			return fmt.Errorf("gateway: master: %w", ctx.Err())
		}
	}
}

// serve asks the master what it can do, and then carries messages both ways.
func (m *master) serve(ctx context.Context, read chan error) error {
	if err := m.write(ctx, json.RawMessage(`{"type":"discover"}`)); err != nil {
		return err
	}
	late := time.NewTimer(masterWait)
	defer late.Stop()
	ping := time.NewTicker(m.g.times.pingEvery)
	defer ping.Stop()
	for {
		select {
		case err := <-read:
			read <- err // for run
			return err
		case data := <-m.in:
			if err := m.fromMaster(ctx, data); err != nil {
				return err
			}
		case e, ok := <-m.sub.events:
			switch {
			case !ok && m.sub.why == whySlow:
				return closing{websocket.StatusTryAgainLater, "more came than this gateway could take at once"}
			case !ok:
				return closing{websocket.StatusGoingAway, whyStopping}
			case m.readyAt == 0: // it is read from the log then
			default:
				if err := m.fromLog(ctx, *e); err != nil {
					return err
				}
			}
		case <-late.C:
			if m.readyAt == 0 {
				return closing{websocket.StatusPolicyViolation, "no answer to discover within " + masterWait.String()}
			}
		case <-ping.C:
			m.pings.Go(func() { m.ping(ctx) })
		}
	}
}

// ping asks whether the master is there; one that does not answer is cut off, which the reader sees.
func (m *master) ping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.g.times.pingWait)
	defer cancel()
	if err := m.conn.Ping(ctx); err != nil {
		_ = m.conn.CloseNow() // gone either way
	}
}

func (m *master) write(ctx context.Context, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("gateway: master: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, m.g.times.writeWait)
	defer cancel()
	if err := m.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}
