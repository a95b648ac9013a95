package events

import (
	"fmt"
	"strings"
	"time"
)

const (
	// Decisions is the other event of [QualityStream]: what a streamer decided about what it sends, and why.
	Decisions Name = "decisions"
	// MaxDecisions is the most decisions in one event; with their limits the event stays well below the stream's.
	MaxDecisions = 32
	// DecisionsEvery is the least time between two such events of one client: decisions come in bursts.
	DecisionsEvery = time.Second
)

// DecisionsType is the ce-type of the newest version.
func DecisionsType() string { return newestOf(samplePrefix, Decisions) }

// DecisionsData are the decisions of some time about one client, in order.
type DecisionsData struct {
	Peer PeerID `json:"peer"`
	// List has at most 32 of them.
	List []DecisionData `json:"list,omitempty"`
	// Omitted is how many decisions before this event are not told: there were too many, or the log did not take them.
	Omitted uint64 `json:"omitted,omitempty"`
}

// DecisionData is one decision.
type DecisionData struct {
	// UnixMs is when, in milliseconds since 1970 on the streamer's clock.
	UnixMs int64 `json:"unix_ms"`
	// Kind is what was decided on: target, of the encoder; keyframe, which was asked for; drop, of pictures that came faster than
	// they could be sent; outage, that nothing is sent because nothing is heard of the client, and resume, the end of that; fallback,
	// to the next encoder; bounds, that the instance gave the bitrate others; redundancy, of how many packets before its own each packet
	// of sound carries. Readers are to expect others.
	Kind string `json:"kind"`
	// Cause is why. Of a target what moved the estimate: start, increase, probe, delay, drained, loss, resumed or bounds. Of a key
	// frame: start, pli, fir, overflow or outage. Of a fallback: failed; the error itself is in the session's encoder_changed. Of
	// bounds: set. Of redundancy: loss, calm (nothing was lost of late) or narrow (the path has no room for more).
	Cause        string `json:"cause"`
	TargetKbps   int    `json:"target_kbps"`   // what the encoder is to make since then in all, kbit/s
	FPS          int    `json:"fps"`           // and how many pictures a second; 0 for both before the first target
	EstimateKbps int    `json:"estimate_kbps"` // what the path is thought to carry, kbit/s on the wire
	QueueMs      int    `json:"queue_ms"`      // how long packets wait on the path
	// Pictures were dropped.
	Pictures int `json:"pictures,omitempty"`
	// MinKbps is the least of the bitrate from then on, where bounds were decided on.
	MinKbps int `json:"min_kbps,omitempty"`
	// MaxKbps is the most.
	MaxKbps int `json:"max_kbps,omitempty"`
	// Copies is how many packets before its own each packet of sound carries since a decision on redundancy (RFC 2198).
	Copies int `json:"copies,omitempty"`
	// From is the encoder that failed before a fallback, as GStreamer names the element.
	From string `json:"from,omitempty"`
	// To is the one that took over.
	To string `json:"to,omitempty"`
}

// QualityDecisions are decisions with their place.
type QualityDecisions struct {
	DecisionsData
	Region   Region
	Session  SessionID
	Sequence Seq // in [QualityStream]
	Time     time.Time
}

// NewDecisionsDraft makes a draft of decisions.
func NewDecisionsDraft(r Region, id SessionID, d DecisionsData) Draft {
	return Draft{Subject: QualityFilter(r, id), Source: SourceOf(Streamer), Type: DecisionsType(), Data: d}
}

// Decisions reads decisions, as [Event.Quality] does a sample: what is none to be believed is an [ErrQuality].
func (e Event) Decisions() (QualityDecisions, error) {
	d := QualityDecisions{Sequence: e.Sequence, Time: e.Time}
	var err error
	if d.Region, d.Session, err = e.ofQuality(DecisionsType()); err != nil {
		return d, err
	}
	if err := e.Decode(&d.DecisionsData); err != nil {
		return d, fmt.Errorf("%w: %w", ErrQuality, err)
	}
	if len(d.List) > MaxDecisions {
		return d, fmt.Errorf("%w: %d decisions in one event", ErrQuality, len(d.List))
	}
	return d, nil
}

// ofQuality tells whose an event of the stream is, if it is of a type and to be believed.
func (e Event) ofQuality(ceType string) (Region, SessionID, error) {
	parts := strings.Split(e.Subject, ".")
	if len(parts) != 3 || parts[0]+"." != qualityPrefix || !ValidToken(parts[1]) || !ValidToken(parts[2]) {
		return "", "", fmt.Errorf("%w: subject %q", ErrQuality, e.Subject)
	}
	switch {
	case e.Quarantine != "":
		return "", "", fmt.Errorf("%w: %s", ErrQuality, e.Quarantine)
	case e.Type != ceType || e.Source != SourceOf(Streamer):
		return "", "", fmt.Errorf("%w: type %q from %q", ErrQuality, e.Type, e.Source)
	}
	return Region(parts[1]), SessionID(parts[2]), nil
}
