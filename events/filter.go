package events

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

// ValidName tells whether n may be the name of an event, of this version or a newer one.
func ValidName(n Name) bool { return validWord(string(n)) }
