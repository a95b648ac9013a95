package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/coder/websocket"

	"streamstack/events"
)

// The messages of signalling.md, section 2, as they go to the client. Sequence is added for clients that resume.
type (
	discoverMessage struct {
		Type string `json:"type"`
		events.DiscoverData
		Sequence events.Seq `json:"sequence,omitempty"`
	}
	sdpMessage struct {
		Type     string     `json:"type"`
		SDP      string     `json:"sdp"`
		Sequence events.Seq `json:"sequence,omitempty"`
	}
	candidateMessage struct {
		Type          string     `json:"type"`
		Candidate     string     `json:"candidate"`
		SDPMid        *string    `json:"sdpMid"`
		SDPMLineIndex *uint16    `json:"sdpMLineIndex"`
		Sequence      events.Seq `json:"sequence,omitempty"`
	}
	errorMessage struct {
		Type    string `json:"type"`
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
)

// What a client sends in an offer or answer, and in a candidate.
type (
	clientSDP struct {
		SDP          string   `json:"sdp"`
		DataChannels []string `json:"dataChannels"`
	}
	clientCandidate struct {
		Candidate     string  `json:"candidate"`
		SDPMid        *string `json:"sdpMid"`
		SDPMLineIndex *uint16 `json:"sdpMLineIndex"`
	}
)

// fromClient appends what a client says. Invalid JSON and a broken candidate are dropped, as a robust receiver does; an
// SDP that cannot be read is answered with an error, for the negotiation could not go on.
func (w *wire) fromClient(ctx context.Context, data []byte) error {
	var m struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Type == "" || !utf8.Valid(data) {
		w.g.log.Debug("client's frame is no message", "session", w.session.ID, "err", err)
		return nil
	}
	switch m.Type {
	case "discover":
		w.discovered = true
		return w.discover(ctx)
	case "settings":
		return w.record(ctx, events.Settings, events.SettingsData{Peer: w.peer, Settings: data})
	case "offer", "answer":
		var d clientSDP
		err := json.Unmarshal(data, &d)
		sdp, ok := unbase64(d.SDP)
		if err != nil || !ok || sdp == "" {
			return w.fail(ctx, sigBadRequest, m.Type+": sdp is not the base64 of an SDP", closeEnded)
		}
		return w.record(ctx, events.Name(m.Type), events.SDPData{Peer: w.peer, SDP: sdp, DataChannels: d.DataChannels})
	case "candidate":
		var d clientCandidate
		err := json.Unmarshal(data, &d)
		line, ok := unbase64(d.Candidate)
		if err != nil || !ok {
			w.g.log.Debug("client's candidate cannot be read", "session", w.session.ID, "err", err)
			return nil
		}
		return w.record(ctx, events.Candidate, events.CandidateData{Peer: w.peer, Candidate: line, SDPMid: d.SDPMid, SDPMLineIndex: d.SDPMLineIndex})
	default:
		return w.record(ctx, events.Message, events.MessageData{Peer: w.peer, Message: data})
	}
}

// record appends a message; one that is lost would leave the negotiation hanging, so the client is told.
func (w *wire) record(ctx context.Context, n events.Name, data any) error {
	switch _, err := w.append(ctx, n, data); {
	case err == nil:
		return nil
	case errors.Is(err, events.ErrTooLarge):
		return w.fail(ctx, sigBadRequest, string(n)+": the message is too large", closeEnded)
	default:
		w.g.log.Warn("client's message not recorded", "session", w.session.ID, "event", n, "err", err)
		return w.fail(ctx, sigUnready, "the log is not available at the moment, try again", websocket.StatusTryAgainLater)
	}
}

// unbase64 reads standard base64, with or without padding, of text.
func unbase64(s string) (string, bool) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return string(b), err == nil && utf8.Valid(b)
}

func toBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// fromLog forwards an event of the session that is meant for this peer, each once.
func (w *wire) fromLog(ctx context.Context, e events.Event) error {
	if e.Sequence <= w.sent || !e.Sound() {
		return nil
	}
	w.sent = e.Sequence
	before := w.session
	w.session = before.Apply(e)
	switch {
	case e.Is(events.Client, events.Attached) && e.Sequence > w.attachedAt && w.attachedAt > 0 && e.Peer() == w.peer:
		return closing{closeReplaced, "the same client opened another socket"}
	case e.Is(events.Gateway, events.Joined) || events.Ending(e.Name) || e.Is(events.Gateway, events.Terminating):
		return w.state(ctx, w.session)
	case e.Is(events.Streamer, events.Ready):
		return w.discover(ctx)
	case e.Actor == events.Streamer && w.wanted(e):
		return w.forward(ctx, e)
	}
	return nil
}

// wanted tells whether a resuming client has not had the event.
func (w *wire) wanted(e events.Event) bool { return w.resume == nil || e.Sequence > *w.resume }

// forward translates what the streamer said to this peer.
func (w *wire) forward(ctx context.Context, e events.Event) error {
	switch e.Name {
	case events.Offer, events.Answer:
		if d := decoded[events.SDPData](e); d.Peer == w.peer {
			return w.write(ctx, sdpMessage{string(e.Name), toBase64(d.SDP), w.number(e)})
		}
	case events.Candidate:
		if d := decoded[events.CandidateData](e); d.Peer == w.peer {
			return w.write(ctx, candidateMessage{"candidate", toBase64(d.Candidate), d.SDPMid, d.SDPMLineIndex, w.number(e)})
		}
	case events.Disconnected:
		if d := decoded[events.DisconnectedData](e); d.Peer == w.peer && d.Reason == events.ReasonRefused {
			return w.fail(ctx, sigRefused, d.Message, closeEnded)
		}
	}
	return nil
}

// number is the sequence that a resuming client is told.
func (w *wire) number(e events.Event) events.Seq {
	if w.resume == nil {
		return 0
	}
	return e.Sequence
}

// discover answers once, as soon as the client has asked and the streamer is there.
func (w *wire) discover(ctx context.Context) error {
	if !w.discovered || w.session.Ready == nil {
		return nil
	}
	w.discovered = false
	m := discoverMessage{Type: "resp:discover", DiscoverData: w.session.Ready.Discover}
	if w.resume != nil {
		m.Sequence = w.session.ReadySeq
	}
	return w.write(ctx, m)
}

// decoded reads an event's payload; a malformed one has an empty peer, which nobody has.
func decoded[T any](e events.Event) (v T) {
	if err := e.Decode(&v); err != nil {
		var zero T
		return zero
	}
	return v
}
