package gateway

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/projections/quality"
)

// What ?kind may be.
const kindSamples, kindDecisions, kindAll = "samples", "decisions", "all"

// sessionQuality is GET /1.0/sessions/{id}/quality: the events of the stream QUALITY, whose sequences are its own, of one session after
// ?after, at most ?limit of them, oldest first. ?kind tells which: samples, decisions, or all; samples where it is left out, since that
// is all there was before. A session that nobody was ever connected to has none. next is the after of the next page; the end is
// reached when a page is empty.
func (g *Gateway) sessionQuality(c echo.Context) error {
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
	kind := c.QueryParam("kind")
	if kind != "" && !slices.Contains([]string{kindSamples, kindDecisions, kindAll}, kind) {
		return badRequest("kind must be %s, %s or %s, not %s", kindSamples, kindDecisions, kindAll, quoted(kind))
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	id := events.SessionID(c.Param("id"))
	if !events.ValidToken(string(id)) {
		return badRequest("%s is not a session id", quoted(string(id)))
	}
	region, err := g.regionOf(ctx, id)
	if err != nil {
		return err
	}
	page := make([]events.Event, 0, limit)
	next := int64(after)
	add := func(e events.Event) error {
		if len(page) == limit {
			return quality.ErrEnough
		}
		page, next = append(page, e), int64(e.Sequence)
		return nil
	}
	var visitor quality.Visitor
	if kind != kindDecisions {
		visitor.Sample = func(_ events.QualitySample, e events.Event) error { return add(e) }
	}
	if kind == kindDecisions || kind == kindAll {
		visitor.Decisions = func(_ events.QualityDecisions, e events.Event) error { return add(e) }
	}
	if err := quality.ReadAll(ctx, g.cfg.Log, region, id, events.Seq(after)+1, visitor); err != nil {
		return err
	}
	return reply(c, http.StatusOK, envelope{Type: "sync", Status: "success", StatusCode: http.StatusOK, Metadata: page, Next: &next})
}
