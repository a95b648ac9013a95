package timeline

import (
	"strings"
	"time"

	"streamstack/events"
	"streamstack/projections"
)

// maxLogLines is how much of an application's last output is shown under its failure.
const maxLogLines = 10

// Entry is one line of a timeline. Trickled candidates that come in a row make one entry per side.
type Entry struct {
	Seq   events.Seq // of the first event; 0 in an entry made of quality samples
	Count int        // events in this entry, at least 1
	Time  time.Time
	// Since is the time since the event before, by the publishers' clocks: negative where two of them disagree. It is 0
	// for the first entry.
	Since   time.Duration
	Actor   events.Actor
	Step    string   // actor.name, or the whole subject where it is none of a session's
	Summary string   // one line
	Detail  []string // further lines, where an event explains itself with them
	// Moments are lines below those, each with its time.
	Moments []Moment
	// Quarantine says why the event must not be trusted; empty in a sound one.
	Quarantine string

	candidates kinds
	peer       events.PeerID
	label      string // how lines about peer begin
	ends       bool   // the event ends a launch
}

// Timeline is a session's history for people.
type Timeline struct {
	Session projections.Session // as it is after the last event
	Entries []Entry
	// Outcome says in words what became of the session, and why.
	Outcome string
}

// Build tells the history that the events are, in the order of their sequences.
func Build(history []events.Event) Timeline {
	b := builder{labels: labels{}, story: newStory()}
	for _, e := range history {
		b.add(e)
	}
	return Timeline{Session: b.story.session, Entries: b.entries, Outcome: b.story.outcome()}
}

type builder struct {
	entries []Entry
	labels  labels
	story   *story
	before  time.Time
}

func (b *builder) add(e events.Event) {
	var since time.Duration
	if !b.before.IsZero() {
		since = e.Time.Sub(b.before)
	}
	b.before = e.Time
	b.labels.learn(e)
	b.story.add(e)
	if b.joinRun(e) {
		return
	}
	entry := Entry{
		Seq: e.Sequence, Count: 1, Time: e.Time, Since: since, Actor: e.Actor, Step: step(e),
		Summary: Summary(e, b.labels.of), Quarantine: clean(e.Quarantine), Detail: detail(e), peer: e.Peer(),
		ends: e.Quarantine == "" && events.Ending(e.Name),
	}
	entry.label = b.labels.of(entry.peer)
	if isCandidate(e) {
		entry.candidates = kinds{}
		entry.candidates.add(e)
	}
	b.entries = append(b.entries, entry)
}

// joinRun adds a candidate to the entry of its side in the run of candidates at the end, if there is one.
func (b *builder) joinRun(e events.Event) bool {
	if !isCandidate(e) {
		return false
	}
	for i := len(b.entries) - 1; i >= 0 && b.entries[i].candidates != nil; i-- {
		x := &b.entries[i]
		if x.Actor != e.Actor || x.peer != e.Peer() {
			continue
		}
		x.Count++
		x.candidates.add(e)
		x.Summary = b.labels.of(x.peer) + x.candidates.String()
		return true
	}
	return false
}

func isCandidate(e events.Event) bool { return e.Name == events.Candidate && e.Sound() }

// step names an event by its subject.
func step(e events.Event) string {
	if e.Actor == "" {
		return clean(e.Subject)
	}
	return clean(string(e.Actor) + "." + string(e.Name))
}

// detail is the end of an application's output, where a failure brings it.
func detail(e events.Event) []string {
	if e.Name != events.Failed && e.Name != events.AttemptFailed {
		return nil
	}
	var d events.FailedData
	if e.Decode(&d) != nil || strings.TrimSpace(d.LogTail) == "" {
		return nil
	}
	lines := strings.Split(strings.TrimRight(d.LogTail, "\r\n"), "\n")
	if len(lines) > maxLogLines {
		lines = lines[len(lines)-maxLogLines:]
	}
	for i, l := range lines {
		lines[i] = shorten(clean(l))
	}
	return lines
}

// labels names the peers of a session in the order in which they were let in.
type labels map[events.PeerID]string

func (l labels) learn(e events.Event) {
	if !e.Is(events.Gateway, events.Joined) {
		return
	}
	var d events.JoinedData
	if e.Decode(&d) == nil && d.Generation > 0 {
		kind := "client "
		if d.Role == events.RoleViewer {
			kind = "viewer "
		}
		l[d.Peer] = kind + itoa(d.Generation) + ": "
	}
}

// of is how a summary that is about a peer begins.
func (l labels) of(p events.PeerID) string {
	if label := l[p]; label != "" {
		return label
	}
	return PeerLabel(p)
}

// PeerLabel is how a summary that is about a peer begins where its place among the session's clients is not known.
func PeerLabel(p events.PeerID) string {
	const enough = 8 // hexadecimal digits tell the peers of a session apart
	if p == "" {
		return ""
	}
	s := string(p)
	if len(s) > enough {
		s = s[:enough]
	}
	return "peer " + clean(s) + ": "
}
