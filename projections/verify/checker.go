package verify

import (
	"cmp"
	"slices"

	"streamstack/events"
)

// Summary counts what was checked.
type Summary struct {
	Events   int `json:"events"`
	Sessions int `json:"sessions"`
	// Live sessions have no ending yet.
	Live int `json:"live"`
	// Partial sessions began before what was read; they are not checked.
	Partial int `json:"partial"`
	// Unknown events are of types or versions newer than this program; they are not checked.
	Unknown  int `json:"unknown"`
	Breaches int `json:"breaches"`
}

// Checker checks events in the order of their sequences. It is for one goroutine. Its memory grows with the sessions: some
// hundred bytes for one that is over, for a second ending may come at any time.
type Checker struct {
	// Whole tells that reading began with the log's first event: a session that does not begin with its creation is a breach.
	Whole bool
	// MustEnd makes a breach of each session without an ending.
	MustEnd bool
	// Report gets each breach; its error ends the checking.
	Report func(Breach) error

	live map[events.SessionID]*history
	// over are the sessions that are gone for good, and how.
	over    map[events.SessionID]events.Name
	partial map[events.SessionID]struct{}
	sum     Summary
}

// Add checks one event of SESSIONS. It returns Report's error.
func (c *Checker) Add(e events.Event) error {
	if c.live == nil {
		c.live, c.over, c.partial = map[events.SessionID]*history{}, map[events.SessionID]events.Name{}, map[events.SessionID]struct{}{}
	}
	c.sum.Events++
	switch {
	case e.Quarantine != "":
		return c.report(e, object(RuleProvenance, "%s", e.Quarantine))
	case !events.Known(e.Name), !e.Sound():
		c.sum.Unknown++
		return nil
	case !events.Allowed(e.Actor, e.Name):
		return c.report(e, object(RuleActor, "%s may not append it", e.Actor))
	}
	h, known := c.live[e.Session]
	if ending, over := c.over[e.Session]; over {
		return c.late(e, ending)
	}
	if _, partial := c.partial[e.Session]; partial {
		return nil
	}
	if !known {
		return c.first(e)
	}
	if e.Name == events.Created {
		return c.report(e, object(RuleCreation, "the session was created at event %d", h.First))
	}
	if rule := rules[step{e.Actor, e.Name}]; rule != nil {
		if o := rule(*h, e); o.rule != "" {
			if err := c.report(e, o); err != nil {
				return err
			}
		}
	}
	c.fold(h, e)
	return nil
}

// first takes a session's first event.
func (c *Checker) first(e events.Event) error {
	c.sum.Sessions++
	if e.Name == events.Created {
		h := &history{}
		c.live[e.Session] = h
		c.fold(h, e)
		return nil
	}
	c.partial[e.Session] = struct{}{}
	c.sum.Partial++
	if !c.Whole {
		return nil
	}
	return c.report(e, object(RuleCreation, "the history does not begin with a creation"))
}

func (c *Checker) fold(h *history, e events.Event) {
	h.Session = h.Apply(e)
	switch e.Name {
	case events.Joined:
		h.peers = append(h.peers, e.Peer())
	case events.Launched:
		h.launched = h.launched || h.Instance != ""
	}
	if h.Gone() {
		c.over[e.Session] = h.Ending
		delete(c.live, e.Session)
	}
}

// late takes an event of a session that is gone for good. Streamers and clients may have been cut off; gateways and agents
// have decided something about a session that has ended.
func (c *Checker) late(e events.Event, ending events.Name) error {
	consequence := e.Name == events.ShareRevoked || e.Name == events.ShareClosed // of the end
	if e.Actor == events.Streamer || e.Actor == events.Client || events.ShortLived(e.Name) || consequence {
		return nil
	}
	return c.report(e, object(RuleEnding, "the session had ended by %s", ending))
}

func (c *Checker) report(e events.Event, o objection) error {
	c.sum.Breaches++
	return c.Report(Breach{Rule: o.rule, Session: e.Session, Sequence: e.Sequence, Event: string(e.Actor) + "." + string(e.Name), Text: o.text})
}

// Finish reports what is missing, and counts. The order is that of the sessions' creation.
func (c *Checker) Finish() (Summary, error) {
	var open []*history
	for _, h := range c.live {
		if h.Live() {
			open = append(open, h)
		}
	}
	c.sum.Live = len(open)
	slices.SortFunc(open, func(a, b *history) int { return cmp.Compare(a.First, b.First) })
	for _, h := range open {
		if !c.MustEnd {
			break
		}
		c.sum.Breaches++
		b := Breach{Rule: RuleEnding, Session: h.ID, Sequence: h.Last, Text: "the session has no ending; its status is " + string(h.Status)}
		if err := c.Report(b); err != nil {
			return c.sum, err
		}
	}
	return c.sum, nil
}
