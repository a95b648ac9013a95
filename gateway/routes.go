package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// routes makes the public API. Every path is served with and without its final slash, directly: a redirect would turn
// a POST into a GET and fail a CORS preflight.
func (g *Gateway) routes() *echo.Echo {
	e := g.newEcho()
	e.Use(g.metrics.Middleware, g.cors, g.bodySize, soundQuery)

	e.GET("/1.0/status", g.getStatus, g.perAddress)
	e.GET(metricsPath, g.getMetrics)
	serveSchemas(e, g.perAddress)
	for _, prefix := range []string{"/1.0/sessions", "/1.0/session"} {
		e.GET(prefix+"/:id/sockets/slave", g.socket, g.whenReady, g.perAddress, g.denials)
		e.GET(prefix+"/:id/sockets/viewer", g.viewerSocket, g.whenReady, g.perAddress, g.denials)
		e.GET(prefix+"/:id/sockets/adb", g.adbSocket, g.whenReady, g.perAddress, g.denials)
		e.GET(prefix+"/:id/sockets/master", g.masterSocket, g.whenReady, g.perAddress, g.denials)
		e.GET(prefix+"/:id/connect", g.connect, g.whenReady, g.perAddress, g.denials)
	}
	// Not a group: echo gives one a route for all that is not found, and a wrong method would be 404 in place of 405.
	for _, r := range []struct {
		method, path string
		handle       echo.HandlerFunc
	}{
		{http.MethodGet, "/1.0/applications", g.getApplications},
		{http.MethodGet, "/1.0/regions", g.getRegions},
		{http.MethodGet, "/1.0/agents", g.listAgents},
		{http.MethodGet, "/1.0/agents/:id", g.getAgent},
		{http.MethodPost, "/1.0/agents/:id/drain", g.drainAgent},
		{http.MethodDelete, "/1.0/agents/:id/drain", g.resumeAgent},
		{http.MethodPost, "/1.0/sessions", g.createSession},
		{http.MethodGet, "/1.0/sessions", g.listSessions},
		{http.MethodGet, "/1.0/sessions/:id", g.getSession},
		{http.MethodDelete, "/1.0/sessions", g.deleteSessions},
		{http.MethodDelete, "/1.0/sessions/:id", g.deleteSession},
		{http.MethodPost, "/1.0/sessions/:id/join", g.joinSession},
		{http.MethodPost, "/1.0/sessions/:id/share", g.createShare},
		{http.MethodGet, "/1.0/shares", g.listShares},
		{http.MethodGet, "/1.0/shares/:id", g.getShare},
		{http.MethodPatch, "/1.0/shares/:id", g.patchShare},
		{http.MethodDelete, "/1.0/shares/:id", g.deleteShare},
		{http.MethodGet, "/1.0/config", g.getConfig},
		{http.MethodPatch, "/1.0/config", g.patchConfig},
		{http.MethodGet, "/1.0/sessions/:id/events", g.sessionEvents},
		{http.MethodGet, "/1.0/sessions/:id/quality", g.sessionQuality},
		{http.MethodGet, "/1.0/events", g.allEvents},
	} {
		e.Add(r.method, r.path, r.handle, g.whenReady, g.denials, g.authenticate, g.perAccount)
	}

	serveReference(e, g.perAddress)
	if g.cfg.Console != nil {
		console := echo.WrapHandler(g.cfg.Console)
		e.GET("/", console, g.perAddress)
		e.GET("/console", console, g.perAddress)
		e.GET("/console/*", console, g.perAddress)
	}
	return e
}

// newEcho makes an echo that answers in our envelope.
func (g *Gateway) newEcho() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = g.onError
	e.Pre(stripSlash, g.boundBody)
	e.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: func(_ echo.Context, err error, stack []byte) error {
		g.log.Error("handler panicked", "err", err, "stack", string(stack))
		return err
	}}))
	return e
}

// whenReady holds requests off until the read models are whole: before, an account or a session would seem unknown.
func (g *Gateway) whenReady(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !g.isReady() {
			return &apiError{http.StatusServiceUnavailable, codeUnavailable, "the gateway is starting, try again", nil}
		}
		return next(c)
	}
}

// boundBody bounds the time a body may take to come, also one that a refused request never gets read: the server drains
// it before it answers.
func (g *Gateway) boundBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().ContentLength == 0 {
			return next(c)
		}
		if err := http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(requestTime)); err != nil {
			return fmt.Errorf("gateway: body: %w", err)
		}
		return next(c)
	}
}

// stripSlash makes /x/ the same as /x, and %78 the same as x (RFC 3986, section 6.2.2.2), before the router looks. A path with a
// slash that is written %2F stays as it came: it is part of a name, and no name of ours has one.
func stripSlash(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if strings.HasPrefix(u.Path, "/1.0/") || u.Path == metricsPath+"/" {
			u.Path = strings.TrimRight(u.Path, "/")
			if u.RawPath = strings.TrimRight(u.RawPath, "/"); !strings.Contains(strings.ToUpper(u.RawPath), "%2F") {
				u.RawPath = ""
			}
		}
		return next(c)
	}
}

// soundQuery refuses a query that cannot be read: what net/url leaves out of it would count as not asked for.
func soundQuery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := url.ParseQuery(c.Request().URL.RawQuery); err != nil {
			return badRequest("the query cannot be read (%s): encode it as application/x-www-form-urlencoded", err)
		}
		return next(c)
	}
}

// cors answers preflights without authentication and puts the origin on every answer, errors included
// (gateway-api.md, section 14; the Fetch standard, "CORS protocol").
func (g *Gateway) cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		origin := c.Request().Header.Get(echo.HeaderOrigin)
		// Also where there is no origin: a cache must not give that answer to a page (Fetch, "CORS protocol and HTTP caches").
		h.Add(echo.HeaderVary, echo.HeaderOrigin)
		if origin != "" && g.allowed(origin) {
			h.Set(echo.HeaderAccessControlAllowOrigin, origin)
			h.Set(echo.HeaderAccessControlExposeHeaders, "Retry-After")
		}
		if c.Request().Method != http.MethodOptions {
			return next(c)
		}
		more := g.settings.Values()
		methods := append([]string{"GET, POST, PATCH, DELETE, OPTIONS"}, more.CORSMethods...)
		h.Set(echo.HeaderAccessControlAllowMethods, strings.Join(methods, ", "))
		// A * would not cover Authorization.
		headers := append(allowedHeaders(c.Request().Header.Get(echo.HeaderAccessControlRequestHeaders)), more.CORSHeaders...)
		h.Set(echo.HeaderAccessControlAllowHeaders, strings.Join(headers, ", "))
		h.Set(echo.HeaderAccessControlMaxAge, "600")
		return c.NoContent(http.StatusNoContent)
	}
}

// allowedHeaders are those of the contract, and of what a page may send besides those that it asks for.
func allowedHeaders(asked string) []string {
	allowed := []string{"Authorization, Content-Type"}
	for _, more := range []string{"Last-Event-ID", idempotencyHeader} {
		if strings.Contains(strings.ToLower(asked), strings.ToLower(more)) {
			allowed = append(allowed, more)
		}
	}
	return allowed
}

// allowed tells whether pages of an origin may use the API.
func (g *Gateway) allowed(origin string) bool {
	origins := g.settings.Values().CORSOrigins
	return slices.Contains(origins, "*") || slices.Contains(origins, origin)
}
