package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"streamstack/events"
)

// maxTypes is how many types one request may choose: there are some thirty.
const maxTypes = 64

// eventQuery chooses events: the filters of cli.md, "REST for the log".
type eventQuery struct {
	region  events.Region    // empty: all
	session events.SessionID // empty: all
	types   []eventType      // empty: all
	after   events.Seq
	limit   int // of a page
}

// eventType is one value of the filter type: a ce-type, an event's name, or its actor and name.
type eventType struct {
	events.Filter
	ceType string // empty: any version
}

// parseEventQuery reads the filters. A type may be given several times, or several with commas between them.
func parseEventQuery(c echo.Context) (q eventQuery, err error) {
	for name, to := range map[string]*string{"region": (*string)(&q.region), "session": (*string)(&q.session)} {
		if v := c.QueryParam(name); v != "" {
			if !events.ValidToken(v) {
				return q, badRequest("%s %s is not a name", name, quoted(v))
			}
			*to = v
		}
	}
	for _, list := range c.QueryParams()["type"] {
		for text := range strings.SplitSeq(list, ",") {
			if text == "" {
				continue
			}
			t, ok := parseEventType(text)
			if !ok {
				return q, badRequest("type %s is none: write failed, agent.failed or streamstack.session.failed.v1", quoted(text))
			}
			q.types = append(q.types, t)
		}
	}
	if len(q.types) > maxTypes {
		return q, badRequest("at most %d types may be chosen at once", maxTypes)
	}
	if q.limit, err = intParam(c, "limit", defaultPage); err != nil {
		return q, err
	}
	if q.limit == 0 || q.limit > maxPage {
		return q, badRequest("limit must be from 1 to %d", maxPage)
	}
	q.after, err = after(c)
	return q, err
}

// parseEventType reads one type. A name that this version does not know is right: a newer component may append it.
func parseEventType(text string) (t eventType, ok bool) {
	if n, _, full := events.ParseType(text); full {
		return eventType{events.Filter{Name: n}, text}, events.ValidName(n)
	}
	if a, n, both := strings.Cut(text, "."); both {
		t.Actor, t.Name = events.Actor(a), events.Name(n)
		actors := []events.Actor{events.Gateway, events.Agent, events.Streamer, events.Client}
		return t, slices.Contains(actors, t.Actor) && events.ValidName(t.Name) && events.Allowed(t.Actor, t.Name)
	}
	t.Name = events.Name(text)
	return t, events.ValidName(t.Name)
}

// after is the sequence to go on after. Last-Event-ID counts before the query: a browser that connects again repeats the
// address that it began with.
func after(c echo.Context) (events.Seq, error) {
	text := c.Request().Header.Get("Last-Event-ID")
	if text == "" {
		text = c.QueryParam("after")
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, badRequest("after and Last-Event-ID must be a sequence, not %s", quoted(text))
	}
	return events.Seq(n), nil
}

// filter is what the log is asked for. It may take in more than match does: one subject cannot name several types.
func (q eventQuery) filter() string {
	f := events.Filter{Region: q.region, Session: q.session}
	if len(q.types) == 1 {
		f.Actor, f.Name = q.types[0].Actor, q.types[0].Name
	}
	return f.Subject()
}

// match tells whether the query chooses an event.
func (q eventQuery) match(e events.Event) bool {
	if (q.region != "" && e.Region != q.region) || (q.session != "" && e.Session != q.session) {
		return false
	}
	if len(q.types) == 0 {
		return true
	}
	of := events.Filter{Region: e.Region, Session: e.Session, Actor: e.Actor, Name: e.Name}
	return slices.ContainsFunc(q.types, func(t eventType) bool {
		return t.Covers(of) && (t.ceType == "" || t.ceType == e.Type)
	})
}

// wantsStream tells whether the client asks for Server-Sent Events.
func wantsStream(r *http.Request) bool {
	for _, v := range r.Header.Values(echo.HeaderAccept) {
		for kind := range strings.SplitSeq(v, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
				return true
			}
		}
	}
	return false
}
