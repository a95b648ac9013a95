package gateway

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/coder/websocket"

	"streamstack/events"
	"streamstack/projections"
)

// replay takes up what the session's client has said so far, up to this socket's own ready. What follows comes live.
func (m *master) replay(ctx context.Context) error {
	err := m.g.replay(ctx, m.session, m.session.JoinedSeq, func(e events.Event) (bool, error) { err := m.fromLog(ctx, e); return m.sent >= m.readyAt, err })
	if errors.Is(err, errUnread) {
		return m.unheard(err)
	}
	return err
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
