package timeline

import (
	"strings"
	"time"

	"streamstack/events"
	"streamstack/projections"
)

// story gathers from a history what its end is explained with.
type story struct {
	session projections.Session
	endedAt time.Time
	why     string // the reason at the end; what comes after replaces the session's

	claimed, launched, ready, attached, settings bool
	offers, answers                              int
	candidates                                   map[events.Actor]kinds
	refused                                      string // why the streamer refused a client
	tried                                        string // the pairs of the last client that was not reached
	failed                                       *events.FailedData

	clients     int // that were connected
	connectedAt time.Time
	last        events.ConnectedData
	parted      events.DisconnectedData // of the last client that had been connected
	streamed    time.Duration
}

func newStory() *story {
	return &story{candidates: map[events.Actor]kinds{events.Client: {}, events.Streamer: {}}}
}

func (s *story) add(e events.Event) {
	before := s.session
	s.session = before.Apply(e)
	if !s.session.Known() || !e.Sound() {
		return
	}
	// How a viewer fared is no reason of the session's end.
	if _, viewer := before.Viewer(e.Peer()); viewer {
		return
	}
	if f := chapters[e.Name]; f != nil {
		f(s, e)
	}
	if s.session.Ended() && !before.Ended() {
		s.endedAt, s.why = e.Time, s.session.StatusMessage
		s.part(e.Time)
	}
}

// chapters is what each event tells. Offers, answers and candidates are asked for the actor; the others have one only.
var chapters = map[events.Name]func(*story, events.Event){
	events.Claimed:  func(s *story, _ events.Event) { s.claimed, s.failed = true, nil },
	events.Launched: func(s *story, _ events.Event) { s.launched = true },
	events.Ready:    func(s *story, _ events.Event) { s.ready = true },
	events.Attached: func(s *story, _ events.Event) { s.attached = true },
	events.Settings: func(s *story, _ events.Event) { s.settings = true },
	events.Offer:    func(s *story, e events.Event) { s.offers++; s.describe(e) },
	events.Answer:   func(s *story, e events.Event) { s.answers++; s.describe(e) },
	events.Candidate: func(s *story, e events.Event) {
		if k := s.candidates[e.Actor]; k != nil {
			k.add(e)
		}
	},
	events.Connected:     (*story).connect,
	events.Disconnected:  (*story).disconnect,
	events.AttemptFailed: (*story).fail,
	events.Failed:        (*story).fail,
}

func (s *story) describe(e events.Event) {
	var d events.SDPData
	if k := s.candidates[e.Actor]; k != nil && e.Decode(&d) == nil {
		k.addSDP(d.SDP)
	}
}

func (s *story) connect(e events.Event) {
	s.part(e.Time)
	s.last, s.parted = events.ConnectedData{}, events.DisconnectedData{}
	if e.Decode(&s.last) != nil {
		s.last = events.ConnectedData{}
	}
	s.clients++
	s.connectedAt = e.Time
}

func (s *story) disconnect(e events.Event) {
	var d events.DisconnectedData
	if e.Decode(&d) != nil {
		return
	}
	if d.Reason == events.ReasonRefused {
		s.refused = or(d.Message, "no reason given")
	}
	if !d.Connected {
		s.tried = triedText(d.Tried)
	}
	if d.Connected && d.Peer == s.last.Peer {
		s.part(e.Time)
		s.parted = d
	}
}

func (s *story) fail(e events.Event) {
	var d events.FailedData
	if e.Decode(&d) == nil {
		s.failed = &d
	}
}

// part ends the time of the client that streams now, if there is one.
func (s *story) part(at time.Time) {
	if !s.connectedAt.IsZero() {
		s.streamed += max(0, at.Sub(s.connectedAt))
		s.connectedAt = time.Time{}
	}
}

// outcome is the last line of the timeline.
func (s *story) outcome() string {
	if !s.session.Known() {
		return "Nothing is known of this session: its creation is not in the log."
	}
	text := s.running()
	if s.session.Ended() {
		text = s.ending() + " " + s.connection()
		if s.session.Ending != events.Terminated && s.session.Status == projections.StatusTerminated && s.session.Ending != events.Expired {
			text += " Deleted since."
		}
	}
	return clean(text)
}

// ending says how a session ended.
func (s *story) ending() string {
	after := " after " + duration(max(0, s.endedAt.Sub(s.session.CreatedAt)))
	why := or(s.why, "no reason given")
	switch s.session.Ending {
	case events.Terminated:
		return "Ended in order" + after + ": " + sentence(why)
	case events.Expired:
		return "Expired" + after + ": " + sentence(why)
	case events.AgentLost:
		return "Failed" + after + " because the agent was lost: " + sentence(why)
	default:
		if s.failed != nil {
			why = or(failure(*s.failed), why)
		}
		return "Failed" + after + ": " + sentence(why)
	}
}

// connection says how far the clients came.
func (s *story) connection() string {
	if s.clients == 0 {
		return "Never connected: " + sentence(s.whyNever())
	}
	to := "one client"
	if s.clients > 1 {
		to = itoa(s.clients) + " clients one after another"
	}
	text := "Streamed for " + duration(s.streamed) + " to " + to + ", " + media(s.last)
	if s.parted.Reason != "" {
		text += "; the last one " + parting(s.parted)
	}
	return sentence(text)
}

// running says what a session that has not ended is doing.
func (s *story) running() string {
	const still = "Still running: "
	switch {
	case s.session.Status == projections.StatusTerminating:
		return still + "being ended: " + sentence(or(s.session.StatusMessage, "no reason given"))
	case s.session.Connected != "":
		return still + "streaming to a client, " + sentence(media(s.last))
	case s.clients > 0:
		return still + "no client now; the last one " + sentence(parting(s.parted))
	case s.session.Ready != nil:
		return still + "ready, not connected so far: " + sentence(s.whyNever())
	case s.session.Claimed:
		return still + "claimed by agent " + string(s.session.Agent) + ", " + sentence(s.whyNoStreamer()+" so far")
	case s.failed != nil:
		return still + "waits for another attempt after a failed one: " + sentence(failure(*s.failed))
	default:
		return still + "waits for an agent to claim it."
	}
}

// whyNever says why no client was ever connected: what is missing first on the way there.
func (s *story) whyNever() string {
	client, streamer := s.candidates[events.Client], s.candidates[events.Streamer]
	noClient := "no client opened its socket"
	switch {
	case !s.ready && !s.attached:
		return s.whyNoStreamer() + ", and " + noClient
	case !s.ready:
		return s.whyNoStreamer()
	case !s.attached:
		return noClient
	case s.refused != "":
		return "the streamer refused the client: " + s.refused
	case s.tried != "":
		text := "no candidate pair worked: " + s.tried
		if client.usable()+streamer.usable() > 0 { // they expire
			text += "; the client had " + client.String() + ", the streamer " + streamer.String()
		}
		return text
	case s.offers == 0 && !s.settings:
		return "the client never sent its settings"
	case s.offers == 0:
		return "there is no offer in the log"
	case s.answers == 0:
		return "nobody answered the offer"
	case client.usable() == 0:
		return "there is no candidate of the client"
	case streamer.usable() == 0:
		return "there is no candidate of the streamer"
	default:
		return "no candidate pair worked: the client had " + client.String() + ", the streamer " + streamer.String()
	}
}

func (s *story) whyNoStreamer() string {
	switch {
	case !s.claimed:
		return "no agent claimed the session"
	case !s.launched:
		return "no instance was launched"
	default:
		return "no streamer was ready"
	}
}

// parting says how a client went.
func parting(d events.DisconnectedData) string {
	switch d.Reason {
	case events.ReasonLeft:
		return "left"
	case events.ReasonLost:
		return "was lost"
	case events.ReasonDisplaced:
		return "was displaced by another"
	case events.ReasonEnded:
		return "stayed to the end"
	case "":
		return "is gone"
	default:
		return "is gone (" + d.Reason + ")"
	}
}

// sentence ends a text with one full stop.
func sentence(s string) string { return strings.TrimRight(s, ". \n") + "." }
