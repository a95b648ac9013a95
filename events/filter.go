package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Filter chooses session events by the parts of their subject; an empty part takes all.
type Filter struct {
	Region  Region
	Session SessionID
	Actor   Actor
	Name    Name
}

// Subject is the NATS subject filter. It is for reading alone: what an append expects is [SessionFilter]'s to spell.
func (f Filter) Subject() string {
	if f.Actor == "" && f.Name == "" {
		if f.Region == "" && f.Session == "" {
			return AllSessions
		}
		return SessionFilter(Region(orAny(f.Region)), SessionID(orAny(f.Session)))
	}
	return sessionsPrefix + orAny(f.Region) + "." + orAny(f.Session) + "." + orAny(f.Actor) + "." + orAny(f.Name)
}

// Covers tells whether every event that g takes is taken by f.
func (f Filter) Covers(g Filter) bool {
	return (f.Region == "" || f.Region == g.Region) && (f.Session == "" || f.Session == g.Session) &&
		(f.Actor == "" || f.Actor == g.Actor) && (f.Name == "" || f.Name == g.Name)
}

// orAny is a part, or the wildcard for one token.
func orAny[S ~string](part S) string {
	if part == "" {
		return "*"
	}
	return string(part)
}

// ErrChoice is returned for a type that is none.
var ErrChoice = errors.New("no such type")

// Choice is a type as people choose it: a ce-type, an event's name, or its actor and name.
type Choice struct {
	Filter
	// Type is the ce-type, version included, as it was appended or as it is read now; empty: any.
	Type string
}

// ParseChoice reads a type: failed, agent.failed or streamstack.session.failed.v1. A name that this version does not know
// is right, since a newer component may append it.
func ParseChoice(text string) (c Choice, err error) {
	if n, _, full := ParseType(text); full {
		c.Name, c.Type = n, text
	} else if a, n, both := strings.Cut(text, "."); both {
		c.Actor, c.Name = Actor(a), Name(n)
	} else {
		c.Name = Name(text)
	}
	actors := []Actor{"", Gateway, Agent, Streamer, Client}
	if !slices.Contains(actors, c.Actor) || strings.HasPrefix(text, ".") || !validWord(string(c.Name)) || (c.Actor != "" && !Allowed(c.Actor, c.Name)) {
		const longest = 80 // of what is repeated
		return Choice{}, fmt.Errorf("%w: %q; write failed, agent.failed or streamstack.session.failed.v1", ErrChoice, text[:min(len(text), longest)])
	}
	return c, nil
}

// Chosen tells whether one of the choices takes an event; none at all takes every event.
func Chosen(choices []Choice, e Event) bool {
	of := Filter{e.Region, e.Session, e.Actor, e.Name}
	return len(choices) == 0 || slices.ContainsFunc(choices, func(c Choice) bool {
		return c.Covers(of) && (c.Type == "" || c.Type == e.Type || c.Type == e.Appended)
	})
}
