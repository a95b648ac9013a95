package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// fromMaster appends what the master says, as the session's streamer.
func (m *master) fromMaster(ctx context.Context, frame []byte) error {
	var head struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		events.DiscoverData
	}
	if err := json.Unmarshal(frame, &head); err != nil {
		m.g.log.Debug("master's frame is no message", "session", m.session.ID)
		return nil //nolint:nilerr // a robust receiver goes on
	}
	switch {
	case head.Type == "resp:discover" && m.readyAt == 0:
		return m.ready(ctx, head.DiscoverData)
	case head.Type == "resp:discover":
		m.speaks = m.begun
		return nil
	case m.readyAt == 0 || m.speaks == "" || m.speaks != m.session.Peer:
		m.g.log.Debug("master's message is for no client", "session", m.session.ID, "type", head.Type)
		return nil
	case head.Type == "error":
		return m.say(ctx, events.Disconnected, events.DisconnectedData{Peer: m.speaks, Reason: events.ReasonRefused, Message: head.Message})
	case slices.Contains([]string{"offer", "answer", "candidate"}, head.Type):
		if s := readClient(frame, m.speaks); s.data != nil {
			return m.say(ctx, s.name, s.data)
		}
	}
	m.g.log.Debug("master's message is not understood", "session", m.session.ID, "type", head.Type)
	return nil
}

// ready appends that there is a streamer now, and takes up what the session's client has said already.
func (m *master) ready(ctx context.Context, d events.DiscoverData) (err error) {
	m.readyAt, err = m.log.Append(ctx, events.NewDraft(m.session.Region, m.session.ID, events.Streamer, events.Ready,
		events.ReadyData{Screen: m.session.Screen, Discover: d, Via: events.ViaMaster}))
	if err != nil {
		return m.unheard(err)
	}
	if m.session.Connected == m.session.Peer {
		m.begun = m.session.Peer // an earlier master's, whose stream this one cannot take over
	}
	if err := m.replay(ctx); err != nil {
		return err
	}
	return m.refuseViewers(ctx)
}

// replay reads what the session's client has said so far, up to this socket's own ready: another replica of the stream may
// answer than the one that took it, and not have all yet. What follows comes live.
func (m *master) replay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, replayTime)
	defer cancel()
	for from := m.session.JoinedSeq; ; from = max(from, m.sent+1) {
		err := m.g.cfg.Log.History(ctx, m.session.Region, m.session.ID, from, func(e events.Event) error { return m.fromLog(ctx, e) })
		var c closing
		switch {
		case errors.As(err, &c), errors.Is(err, errGone), err == nil && m.sent >= m.readyAt:
			return err
		case err != nil:
			return m.unheard(err)
		}
		if err := pause(ctx, replayPause); err != nil {
			return m.unheard(err)
		}
	}
}

// refuseViewers sends away the viewers who were let in before there was a master: the messages that it knows are of one
// client. Those who come later are not let in (joinDraft).
func (m *master) refuseViewers(ctx context.Context) error {
	for _, v := range m.session.Viewers {
		err := m.say(ctx, events.Disconnected, events.DisconnectedData{Peer: v.Peer, Reason: events.ReasonRefused, Message: oneClientText})
		if err != nil {
			return err
		}
	}
	return nil
}

// fromLog passes on what the session's client says, each once.
func (m *master) fromLog(ctx context.Context, e events.Event) error {
	if e.Sequence <= m.sent || !e.Sound() {
		return nil
	}
	m.sent = e.Sequence
	before := m.session.Connected
	m.session = m.session.Apply(e)
	switch {
	case m.session.Ended() || m.session.Status == projections.StatusTerminating:
		return closing{closeEnded, endText(m.session)}
	case e.Is(events.Streamer, events.Ready) && e.Sequence > m.readyAt:
		return closing{closeReplaced, "another socket speaks for this streamer now"}
	case e.Is(events.Gateway, events.Joined) && decoded[events.JoinedData](e).Role == events.RoleViewer:
		return nil // displaces nobody
	case e.Is(events.Gateway, events.Joined) && before != "" && e.Sequence > m.readyAt:
		return m.say(ctx, events.Disconnected, events.DisconnectedData{Peer: before, Reason: events.ReasonDisplaced, Connected: true})
	case e.Actor == events.Client && e.Peer() == m.session.Peer:
		return m.fromClient(ctx, e)
	case e.Actor == events.Streamer && e.Peer() == m.begun && (e.Name == events.Offer || e.Name == events.Answer):
		m.described.streamer = true
	}
	return nil
}

// fromClient is what the client says, as the master hears it.
func (m *master) fromClient(ctx context.Context, e events.Event) error {
	if e.Name == events.Attached && m.begun != e.Peer() {
		m.begun, m.described.client, m.described.streamer = e.Peer(), false, false
		return m.write(ctx, json.RawMessage(`{"type":"discover"}`))
	}
	if m.begun != e.Peer() || m.session.Connected == e.Peer() {
		return nil
	}
	switch e.Name {
	case events.Settings:
		return m.write(ctx, decoded[events.SettingsData](e).Settings)
	case events.Offer, events.Answer:
		m.described.client = true
		d := decoded[events.SDPData](e)
		return m.write(ctx, struct {
			Type         string   `json:"type"`
			SDP          string   `json:"sdp"`
			DataChannels []string `json:"dataChannels,omitempty"`
		}{string(e.Name), toBase64(d.SDP), d.DataChannels})
	case events.Candidate:
		d := decoded[events.CandidateData](e)
		return m.write(ctx, candidateMessage{"candidate", toBase64(d.Candidate), d.SDPMid, d.SDPMLineIndex, 0})
	case events.Message:
		return m.write(ctx, decoded[events.MessageData](e).Message)
	case events.Detached:
		code := websocket.StatusCode(decoded[events.DetachedData](e).Code)
		inOrder := code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway || code == websocket.StatusNoStatusRcvd
		if e.Sequence > m.readyAt && inOrder && m.described.client && m.described.streamer {
			return m.say(ctx, events.Connected, events.ConnectedData{Peer: e.Peer()})
		}
	}
	return nil
}

// say appends an event of the streamer.
func (m *master) say(ctx context.Context, n events.Name, data any) error {
	_, err := m.log.Append(ctx, events.NewDraft(m.session.Region, m.session.ID, events.Streamer, n, data))
	if errors.Is(err, events.ErrTooLarge) {
		return closing{websocket.StatusMessageTooBig, string(n) + ": the message is too large"}
	}
	return m.unheard(err)
}

// unheard ends the socket when its word cannot be appended: a negotiation with a hole would hang.
func (m *master) unheard(err error) error {
	if err == nil {
		return nil
	}
	m.g.log.Warn("master's message not recorded", "session", m.session.ID, "err", err)
	return closing{websocket.StatusTryAgainLater, "the log is not available at the moment, try again"}
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
