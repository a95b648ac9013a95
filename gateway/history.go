package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/projections"
)

// Limits of a page of events (cli.md, "REST for the log").
const defaultPage, maxPage = 100, 1000

// errPage ends the reading of a page that is full.
var errPage = errors.New("page is full")

// sessionEvents is GET /1.0/sessions/{id}/events. A session that is gone keeps its history.
func (g *Gateway) sessionEvents(c echo.Context) error {
	id := events.SessionID(c.Param("id"))
	if !events.ValidToken(string(id)) {
		return badRequest("%q is not a session id", id)
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	var s projections.Session
	var ok bool
	g.sessions.Read(func(m *projections.Sessions) { s, ok = m.Get(id) })
	region := s.Region
	if !ok {
		r, err := g.cfg.Log.FindRegion(ctx, id)
		if err != nil {
			return err
		}
		if r == "" {
			if r, err = g.findArchived(ctx, id); err != nil {
				return err
			}
		}
		if r == "" {
			return notFound(string(id))
		}
		region = r
	}
	return g.eventPage(ctx, c, events.SessionFilter(region, id))
}

// allEvents is GET /1.0/events.
func (g *Gateway) allEvents(c echo.Context) error {
	filter := struct{ region, session string }{"*", "*"}
	for name, to := range map[string]*string{"region": &filter.region, "session": &filter.session} {
		if v := c.QueryParam(name); v != "" {
			if !events.ValidToken(v) {
				return badRequest("%s %q is not a name", name, v)
			}
			*to = v
		}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	return g.eventPage(ctx, c, events.SessionFilter(events.Region(filter.region), events.SessionID(filter.session)))
}

// eventPage answers with the events of a filter after ?after, at most ?limit of them.
func (g *Gateway) eventPage(ctx context.Context, c echo.Context, filter string) error {
	limit, err := intParam(c, "limit", defaultPage)
	if err != nil {
		return err
	}
	if limit == 0 || limit > maxPage {
		return badRequest("limit must be from 1 to %d", maxPage)
	}
	after, err := intParam(c, "after", 0)
	if err != nil {
		return err
	}
	kind := c.QueryParam("type")
	page := make([]events.Event, 0, limit)
	next := int64(after)
	err = g.archive.Read(ctx, filter, events.Seq(after)+1, func(e events.Event) error {
		if len(page) == limit {
			return errPage
		}
		next = int64(e.Sequence)
		if kind == "" || kind == e.Type || kind == string(e.Name) || kind == string(e.Actor)+"."+string(e.Name) {
			page = append(page, e)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errPage) {
		return err
	}
	return reply(c, http.StatusOK, envelope{Type: "sync", Status: "success", StatusCode: http.StatusOK, Metadata: page, Next: &next})
}
