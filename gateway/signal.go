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

// fromClient does what a client's frame asks for.
func (w *wire) fromClient(ctx context.Context, frame []byte) error {
	s := readClient(frame, w.peer)
	switch {
	case s.refusal != "":
		return w.fail(ctx, sigBadRequest, s.refusal, closeEnded)
	case s.discover:
		w.discovered = true
		return w.discover(ctx)
	case s.data == nil:
		w.g.log.Debug("client's frame is no message", "session", w.session.ID)
		return nil
	}
	return w.record(ctx, s.name, s.data)
}

// said is what a client's frame means: an event, if it has data.
type said struct {
	name     events.Name
	data     any
	discover bool
	refusal  string // what the client is told, since the negotiation could not go on
}

// readClient reads a frame. Invalid JSON and a broken candidate are nothing, as a robust receiver has it; an SDP that cannot
// be read is refused.
func readClient(frame []byte, peer events.PeerID) said {
	var m struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(frame, &m); err != nil || m.Type == "" || !utf8.Valid(frame) {
		return said{}
	}
	switch m.Type {
	case "discover":
		return said{discover: true}
	case "settings":
		return said{name: events.Settings, data: events.SettingsData{Peer: peer, Settings: frame}}
	case "offer", "answer":
		var d clientSDP
		err := json.Unmarshal(frame, &d)
		sdp, ok := unbase64(d.SDP)
		if err != nil || !ok || sdp == "" {
			return said{refusal: m.Type + ": sdp is not the base64 of an SDP"}
		}
		return said{name: events.Name(m.Type), data: events.SDPData{Peer: peer, SDP: sdp, DataChannels: d.DataChannels}}
	case "candidate":
		var d clientCandidate
		err := json.Unmarshal(frame, &d)
		line, ok := unbase64(d.Candidate)
		if err != nil || !ok {
			return said{}
		}
		return said{name: events.Candidate, data: events.CandidateData{Peer: peer, Candidate: line, SDPMid: d.SDPMid, SDPMLineIndex: d.SDPMLineIndex}}
	default:
		return said{name: events.Message, data: events.MessageData{Peer: peer, Message: frame}}
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

// forward hands on what the streamer said to this peer.
func (w *wire) forward(ctx context.Context, e events.Event) error {
	switch m := readStreamer(e, w.peer, w.number(e)).(type) {
	case nil:
		return nil
	case errorMessage:
		return w.fail(ctx, m.Code, m.Message, closeEnded)
	default:
		return w.write(ctx, m)
	}
}

// readStreamer translates a streamer's event into the message for a peer; nil where it has none. seq is the number that the
// message gets, 0 for none.
func readStreamer(e events.Event, peer events.PeerID, seq events.Seq) any {
	switch e.Name {
	case events.Offer, events.Answer:
		if d := decoded[events.SDPData](e); d.Peer == peer {
			return sdpMessage{string(e.Name), toBase64(d.SDP), seq}
		}
	case events.Candidate:
		if d := decoded[events.CandidateData](e); d.Peer == peer {
			return candidateMessage{"candidate", toBase64(d.Candidate), d.SDPMid, d.SDPMLineIndex, seq}
		}
	case events.Disconnected:
		if d := decoded[events.DisconnectedData](e); d.Peer == peer && d.Reason == events.ReasonRefused {
			return errorMessage{Type: "error", Code: sigRefused, Message: d.Message}
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
