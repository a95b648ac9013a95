package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"streamstack/events"
	"streamstack/gateway/guard"
	"streamstack/gateway/metrics"
	"streamstack/gateway/settings"
	"streamstack/projections"
	"streamstack/projections/archive"
	"streamstack/projections/progress"
)

// Gateway is one replica. Make it with [New], run it with [Gateway.Run].
type Gateway struct {
	cfg Config
	log *slog.Logger

	sessions *projections.Runner[*projections.Sessions]
	agents   *projections.Runner[*projections.Agents]
	accounts *projections.Runner[*projections.Accounts]
	settings *settings.Live
	// accountsLast is how far the log of accounts goes.
	accountsLast *newest
	archive      *archive.Archive
	hub          *hub
	alive        *liveness
	echo         *echo.Echo
	now          func() time.Time
	times        timing
	feeds        atomic.Int32 // streams of events that are open
	bounds       bounds
	metrics      *metrics.Metrics
	// pasts bounds how many states of the past are worked out at once.
	pasts chan struct{}

	// before, if not nil, stands before the public API and the admin socket's: tests hold every exchange against the
	// OpenAPI document there.
	before func(h http.Handler, admin bool) http.Handler
}

// New makes a gateway; nothing runs yet.
func New(cfg Config) *Gateway {
	g := &Gateway{
		cfg: cfg, log: cfg.Logger.With("component", "gateway"), now: time.Now, times: usualTiming,
		sessions: projections.NewRunner(sessionsModel, projections.NewSessions()),
		agents:   projections.NewRunner("agents", projections.NewAgents()),
		accounts: projections.NewRunner("accounts", projections.NewAccounts()),
		archive:  archive.New(cfg.Log),
		hub:      newHub(),
		bounds:   newBounds(cfg),
		pasts:    make(chan struct{}, maxPasts),
	}
	g.accountsLast = newNewest(func(ctx context.Context) (events.Seq, error) { return cfg.Log.Newest(ctx, events.AccountsStream) })
	if g.cfg.Progress == nil {
		g.cfg.Progress = progress.Lines(g.log, readingWhat, g.now)
	}
	g.settings = g.newSettings()
	g.alive = newLiveness(g)
	g.metrics = metrics.New(g.source())
	g.cfg.Log = cfg.Log.Observed(g.metrics.Appended)
	g.echo = g.routes()
	return g
}

// Run serves the API on l until the context ends, then closes the sockets in order. admin, if not nil, serves the
// account API to whoever may open that socket. ready is called once, when requests are answered from a whole read model.
func (g *Gateway) Run(ctx context.Context, l, admin net.Listener, ready func()) error {
	group, ctx := errgroup.WithContext(ctx)
	// The read models go on until the last request is answered: an answer waits for them.
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for _, loop := range []func(context.Context) error{
		g.tail, g.followAgents, g.followAccounts, g.followSettings, g.alive.run, g.dispatch, g.schedule, g.scheduleAccounts, g.due,
		g.archiveLog, g.guard,
	} {
		group.Go(func() error { return ended(loops, loop(loops)) })
	}
	if g.cfg.Webhooks != nil {
		group.Go(func() error { return ended(ctx, g.cfg.Webhooks.Run(ctx)) })
	}
	group.Go(func() error {
		defer stop()
		serving, ctx := errgroup.WithContext(ctx)
		serving.Go(func() error { return g.serve(ctx, l, g.echo) })
		if admin != nil {
			serving.Go(func() error { return g.serve(ctx, admin, g.beside(g.adminRoutes())) })
		}
		if g.cfg.Metrics != nil {
			serving.Go(func() error { return g.serve(ctx, g.cfg.Metrics, g.beside(http.NotFoundHandler())) })
		}
		return serving.Wait() //nolint:wrapcheck // serve has said whose error it is
	})
	group.Go(func() error {
		if err := g.WaitReady(ctx); err != nil {
			return ended(ctx, err)
		}
		if ready != nil {
			ready()
		}
		return nil
	})
	return group.Wait()
}

func (g *Gateway) followAgents(ctx context.Context) error {
	return follow(ctx, g, g.agents, events.AgentsStream)
}

func (g *Gateway) followAccounts(ctx context.Context) error {
	return follow(ctx, g, g.accounts, events.AccountsStream)
}

// guard looks at what others ask of JetStream.
func (g *Gateway) guard(ctx context.Context) error {
	return guard.Serve(ctx, g.cfg.Log.Conn(), g.log) //nolint:wrapcheck // it has said whose error it is
}

// WaitReady returns when all read models have caught up.
func (g *Gateway) WaitReady(ctx context.Context) error {
	for _, r := range g.readiness() {
		select {
		case <-r:
		case <-ctx.Done():
			return fmt.Errorf("gateway: not ready: %w", ctx.Err())
		}
	}
	return nil
}

// readiness are closed when what answers are made of is whole.
func (g *Gateway) readiness() []<-chan struct{} {
	all := []<-chan struct{}{g.sessions.Ready(), g.agents.Ready(), g.accounts.Ready(), g.settings.Ready(), g.alive.ready}
	if g.cfg.Webhooks != nil {
		all = append(all, g.cfg.Webhooks.Ready())
	}
	return all
}

// isReady is WaitReady without waiting.
func (g *Gateway) isReady() bool {
	for _, r := range g.readiness() {
		select {
		case <-r:
		default:
			return false
		}
	}
	return true
}

// ended turns the end of a loop because the gateway stops into success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end was wanted
	}
	return err
}

// serve runs an HTTP server until the context ends; then requests have a grace to finish. Websockets are hijacked and end
// by the hub.
func (g *Gateway) serve(ctx context.Context, l net.Listener, h http.Handler) error {
	// Requests outlive the context that says stop: what is under way shall be answered.
	requests, cutRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cutRequests()
	if g.before != nil {
		h = g.before(h, l.Addr().Network() == "unix")
	}
	srv := &http.Server{
		Handler: paced(headAsGet(h), g.times.writeWait), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Serve(l) }()
	var err error
	select {
	case err = <-stopped:
		stopped <- http.ErrServerClosed
	case <-ctx.Done():
	}
	g.hub.close()
	grace, cancel := context.WithTimeout(requests, g.times.stopGrace)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		g.log.Warn("requests are cut off, for the gateway stops", "after", g.times.stopGrace)
		cutRequests()
		err = errors.Join(err, srv.Close())
	}
	if serr := <-stopped; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	g.hub.wait(g.times.stopGrace)
	if err != nil {
		return fmt.Errorf("gateway: serve: %w", err)
	}
	return nil
}
