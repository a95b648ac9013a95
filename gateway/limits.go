package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/limit"
	"streamstack/gateway/metrics"
	"streamstack/projections"
)

// bounds are what a gateway counts of its clients.
type bounds struct {
	figures  limit.Figures // at the start
	proxies  limit.Proxies
	requests *limit.Rate // by account, or by address
	denied   *limit.Rate // by address
	sockets  *limit.Count
	sessions *limit.Sessions
}

func newBounds(cfg Config) bounds {
	f := limit.Default()
	if cfg.Limits != nil {
		f = *cfg.Limits
	}
	return bounds{
		figures: f, proxies: limit.Proxies{Trusted: cfg.Proxies}, requests: limit.NewRate(), denied: limit.NewRate(),
		sockets: limit.NewCount(), sessions: limit.NewSessions(),
	}
}

// Limits are the figures that hold now: those that the gateway was started with, and where an operator has changed a setting,
// that. What is open stays open.
func (g *Gateway) Limits() limit.Figures {
	v := g.settings.Values()
	f := g.bounds.figures.WithRequests(v.RequestsPerSecond)
	f.SessionsPerAccount, f.SocketsPerAccount = v.SessionsPerAccount, v.SocketsPerAccount
	return f
}

// perAddress bounds the requests of an address, where no account answers for them.
func (g *Gateway) perAddress(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		// An account's name has no colon.
		if err := g.rated(c, "address:"+g.address(c)); err != nil {
			return err
		}
		return next(c)
	}
}

// perAccount bounds the requests of an account; it comes after authenticate.
func (g *Gateway) perAccount(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := g.rated(c, caller(c)); err != nil {
			return err
		}
		return next(c)
	}
}

// rated counts a request.
func (g *Gateway) rated(c echo.Context, key string) error {
	f := g.Limits()
	wait, ok := g.bounds.requests.Allow(key, f.RequestsPerSecond, f.RequestBurst, g.now())
	if ok {
		return nil
	}
	retryAfter(c, wait)
	return tooMany(codeRateLimit, "more than %g requests a second", f.RequestsPerSecond)
}

// denials bounds how often an address is told that a credential is bad; it comes before what checks it. It does not keep
// good ones from being taken.
func (g *Gateway) denials(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		var api *apiError
		if !errors.As(err, &api) || api.status != http.StatusUnauthorized {
			return err
		}
		f := g.Limits()
		wait, ok := g.bounds.denied.Allow(g.address(c), f.DeniedPerMinute/60, f.DeniedBurst, g.now())
		if ok {
			return err
		}
		retryAfter(c, wait)
		return tooMany(codeDeniedLimit, "too many bad credentials come from your address")
	}
}

// address is whom a request counts for that has no account.
func (g *Gateway) address(c echo.Context) string {
	return limit.Key(g.bounds.proxies.Client(c.Request()))
}

// admitSession takes a place for a session that is about to be created; done is to be called when it is in the read model,
// or was not created.
func (g *Gateway) admitSession(account string, id events.SessionID) (done func(), err error) {
	most := g.Limits().SessionsPerAccount
	done, ok := g.bounds.sessions.Begin(account, id, most, func(look func(limit.Model)) {
		g.sessions.Read(func(m *projections.Sessions) { look(known{m}) })
	})
	if !ok {
		return nil, tooMany(codeSessionLimit, "account %s has %d live sessions, no more are allowed: delete one, or wait until one has ended", account, most)
	}
	return done, nil
}

// known is the read model as the bound on sessions sees it.
type known struct{ *projections.Sessions }

// Created implements [limit.Model].
func (k known) Created(id events.SessionID) bool {
	_, ok := k.Get(id)
	return ok
}

// admitSocket takes a place for a socket of an account's session.
func (g *Gateway) admitSocket(account string) (done func(), err error) {
	most := g.Limits().SocketsPerAccount
	if !g.bounds.sockets.Take(account, most) {
		return nil, tooMany(codeSocketLimit, "the sessions of account %s have %d open sockets here, no more are allowed", account, most)
	}
	return func() { g.bounds.sockets.Give(account) }, nil
}

// admitFeed takes a place for a stream of events.
func (g *Gateway) admitFeed() (done func(), err error) {
	most := g.Limits().Feeds
	if n := g.feeds.Add(1); most > 0 && int(n) > most {
		g.feeds.Add(-1)
		g.metrics.Hit(metrics.FeedCount)
		return nil, &apiError{http.StatusServiceUnavailable, codeUnavailable, fmt.Sprintf("this gateway serves %d streams already", most), nil}
	}
	return func() { g.feeds.Add(-1) }, nil
}

// countEnd counts a socket that was ended by a limit.
func (g *Gateway) countEnd(err error) {
	var c closing
	switch {
	case errors.As(err, &c) && c.reason == whySlow, errors.Is(err, errGone) && errors.Is(err, context.DeadlineExceeded):
		g.metrics.Slow()
	case errors.As(err, &c) && c.reason == whyFlood:
		g.metrics.Hit(metrics.MessageRate)
	case errors.As(err, &c) && c.code == websocket.StatusMessageTooBig:
		g.metrics.Hit(metrics.MessageSize)
	}
}

// whyFlood ends a socket that says too much.
const whyFlood = "more messages a second than are allowed"

// tooMany is the answer to whoever exceeds a limit (RFC 6585, section 4).
func tooMany(code, format string, args ...any) *apiError {
	return &apiError{status: http.StatusTooManyRequests, code: code, message: fmt.Sprintf(format, args...)}
}

// retryAfter tells when to ask again, in whole seconds (RFC 9110, section 10.2.3).
func retryAfter(c echo.Context, wait time.Duration) {
	c.Response().Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
}

// refusedBy are the limits behind codes of errors.
var refusedBy = map[string]metrics.Limit{
	codeRateLimit: metrics.RequestRate, codeDeniedLimit: metrics.DeniedRate, codeSessionLimit: metrics.SessionCount,
	codeSocketLimit: metrics.SocketCount, codeViewerLimit: metrics.ViewerCount, codeTooLarge: metrics.BodySize,
}

// bodySize refuses a body that says that it is too long, before anything of it is read. One that does not say is cut off
// while it is read.
func (g *Gateway) bodySize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().ContentLength > maxBody {
			return tooLarge(nil)
		}
		return next(c)
	}
}

func tooLarge(cause error) *apiError {
	return &apiError{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("the body has more than %d bytes", maxBody), cause}
}
