package gateway

import (
	"net/http"
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
	types   []events.Choice  // empty: all
	after   events.Seq
	limit   int // of a page
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
			t, err := events.ParseChoice(text)
			if err != nil {
				return q, badRequest("%s", err.Error())
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
	return (q.region == "" || e.Region == q.region) && (q.session == "" || e.Session == q.session) && events.Chosen(q.types, e)
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
