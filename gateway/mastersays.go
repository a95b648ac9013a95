package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/coder/websocket"

	"streamstack/events"
)

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
