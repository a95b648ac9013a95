package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// origin refuses the sockets of pages that may not use this gateway.
func (g *Gateway) origin(c echo.Context) error {
	if o := c.Request().Header.Get(echo.HeaderOrigin); o != "" && !g.allowed(o) && !sameOrigin(o, c.Request().Host) {
		return &apiError{http.StatusForbidden, codeUnauthorized, "origin " + o + " is not allowed", nil}
	}
	return nil
}

// admit checks that the token is for this session and the role of the socket; whether its peer still counts is asked later,
// of the log.
func (g *Gateway) admit(c echo.Context, role token.Role) (*wire, error) {
	if err := g.origin(c); err != nil {
		return nil, err
	}
	claims, err := g.cfg.Tokens.VerifySocket(c.QueryParam("token"), g.now())
	if err != nil || claims.Session != c.Param("id") || claims.Role != role {
		return nil, &apiError{http.StatusUnauthorized, codeUnauthorized, "the socket's token is not valid: create or join again", err}
	}
	w := &wire{g: g, role: role, peer: events.PeerID(claims.Peer), in: make(chan []byte)}
	if after := c.QueryParam("after"); after != "" {
		n, err := strconv.ParseUint(after, 10, 63)
		if err != nil {
			return nil, badRequest("after must be a sequence, not %s", quoted(after))
		}
		seq := events.Seq(n)
		w.resume = &seq
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	// Another replica may have issued the token a moment ago, so the log is asked, not this replica's read model.
	r, err := g.regionOf(ctx, events.SessionID(claims.Session))
	if err != nil {
		return nil, err
	}
	w.session, _, err = projections.LoadFrom(ctx, g.cfg.Log, r, events.SessionID(claims.Session), g.firstOf(events.SessionID(claims.Session)))
	switch {
	case err != nil:
		return nil, err
	case !w.session.Known():
		return nil, notFound(claims.Session)
	}
	return w, nil
}

// regionOf finds a session's region, in the read model or in the log.
func (g *Gateway) regionOf(ctx context.Context, id events.SessionID) (events.Region, error) {
	var s projections.Session
	var ok bool
	g.sessions.Read(func(m *projections.Sessions) { s, ok = m.Get(id) })
	if ok {
		return s.Region, nil
	}
	r, err := g.cfg.Log.FindRegion(ctx, id)
	if err == nil && r == "" {
		err = notFound(string(id))
	}
	return r, err
}

// firstOf is where a session begins in the log, if the read model has it; else 0.
func (g *Gateway) firstOf(id events.SessionID) (first events.Seq) {
	g.sessions.Read(func(m *projections.Sessions) {
		if s, ok := m.Get(id); ok {
			first = s.First
		}
	})
	return first
}

// sameOrigin tells whether a page's origin is the gateway itself.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}
