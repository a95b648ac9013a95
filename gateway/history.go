package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"streamstack/events"
)

// Limits of a page of events (cli.md, "REST for the log").
const defaultPage, maxPage = 100, 1000

// errPage ends the reading of a page that is full.
var errPage = errors.New("page is full")

// sessionEvents is GET /1.0/sessions/{id}/events. A session that is gone keeps its history.
func (g *Gateway) sessionEvents(c echo.Context) error {
	id := events.SessionID(c.Param("id"))
	if !events.ValidToken(string(id)) {
		return badRequest("%s is not a session id", quoted(string(id)))
	}
	q, err := parseEventQuery(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	region, err := g.regionEver(ctx, id)
	if err != nil {
		return err
	}
	q.session = id
	if q.region == "" {
		q.region = region
	}
	return g.answerEvents(c, q)
}

// allEvents is GET /1.0/events.
func (g *Gateway) allEvents(c echo.Context) error {
	q, err := parseEventQuery(c)
	if err != nil {
		return err
	}
	return g.answerEvents(c, q)
}

func (g *Gateway) answerEvents(c echo.Context, q eventQuery) error {
	c.Response().Header().Add(echo.HeaderVary, echo.HeaderAccept)
	if wantsStream(c.Request()) {
		return g.streamEvents(c, q)
	}
	return g.eventPage(c, q)
}

// eventPage answers with the events that the query chooses, and with the sequence of the last one looked at: the next
// page begins after it. The end of the log is reached when next is what after was. A page may be short before that: one
// of a rare type ends when its time does.
func (g *Gateway) eventPage(c echo.Context, q eventQuery) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	page := make([]events.Event, 0, q.limit)
	next := int64(q.after)
	err := g.archive.Read(ctx, q.filter(), q.after+1, func(e events.Event) error {
		if len(page) == q.limit {
			return errPage
		}
		next = int64(e.Sequence)
		if q.match(e) {
			page = append(page, e)
		}
		return nil
	})
	late := errors.Is(err, context.DeadlineExceeded) && next > int64(q.after)
	if err != nil && !late && !errors.Is(err, errPage) {
		return err
	}
	return reply(c, http.StatusOK, envelope{Type: "sync", Status: "success", StatusCode: http.StatusOK, Metadata: page, Next: &next})
}
