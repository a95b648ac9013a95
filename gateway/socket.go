package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// wire is one websocket, as seen by the log: what the client says becomes events, what the streamer said to its peer
// becomes messages.
type wire struct {
	g       *Gateway
	conn    *websocket.Conn
	session projections.Session
	peer    events.PeerID
	role    token.Role // slave, or viewer

	// resume is the sequence after which a client that can resume goes on; nil for the SDK, which cannot.
	resume *events.Seq
	sub    *subscription
	// sent is the sequence of the last event looked at: history and tail overlap.
	sent events.Seq
	// attachedAt is the sequence of this socket's own attached event, by which a later socket of the same peer shows.
	attachedAt events.Seq

	// in carries what the reader found to the loop, which alone writes to the socket and to the log.
	in chan []byte
	// discovered tells that the client asked discover and has no answer yet.
	discovered bool
	pings      sync.WaitGroup
}

// socket is GET …/sockets/slave.
func (g *Gateway) socket(c echo.Context) error { return g.openSocket(c, token.RoleSlave) }

// viewerSocket is GET …/sockets/viewer, for who only watches.
func (g *Gateway) viewerSocket(c echo.Context) error { return g.openSocket(c, token.RoleViewer) }

func (g *Gateway) openSocket(c echo.Context, role token.Role) error {
	w, err := g.admit(c, role)
	if err != nil {
		return err
	}
	if err := wantsSocket(c); err != nil {
		return err
	}
	done, err := g.admitSocket(w.session.Account)
	if err != nil {
		return err
	}
	// Not the request's context: it ends with the request, and the gateway's stop comes through the subscription so that
	// the closing handshake is done in order.
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.Request().Context()))
	sub, ok := g.hub.subscribe(w.session.ID, cancel)
	if !ok {
		cancel()
		done()
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, whyStopping, nil}
	}
	w.sub = sub
	end := func() {
		done()
		cancel()
		sub.end()
	}
	if w.conn, err = upgrade(c); err != nil {
		end()
		g.log.Debug("websocket refused", "session", w.session.ID, "err", err)
		return nil // the client was answered
	}
	w.conn.SetReadLimit(-1) // message bounds it: the library's own limit ends a socket without a word to the client
	closed := g.metrics.Opened(c)
	g.detach(func() {
		code, reason := w.run(ctx)
		w.bye(context.WithoutCancel(ctx), code, reason)
	}, func() {
		closed()
		end()
	})
	return nil
}

// run serves the socket and returns how it was closed.
func (w *wire) run(ctx context.Context) (code int, reason string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	go w.read(ctx, w.limiter(), read)
	err := w.loop(ctx, read)
	w.g.countEnd(err)
	var c closing
	if errors.As(err, &c) {
		late := time.AfterFunc(w.g.times.closeWait, cancel) // ends the reader, and with it the handshake
		_ = w.conn.Close(c.code, c.reason)                  // the client may be gone already
		late.Stop()
		code, reason = int(c.code), c.reason
	} else {
		code, reason = int(websocket.StatusAbnormalClosure), "connection lost"
		if s := websocket.CloseStatus(err); s != -1 {
			code, reason = int(s), "closed by the client"
		}
	}
	cancel()
	_ = w.conn.CloseNow() // ends the reader
	w.g.log.Debug("socket ended", "session", w.session.ID, "err", <-read)
	w.pings.Wait()
	return code, reason
}

// read hands the client's frames to the loop until the socket ends, and then says why. Each message is waited for by a
// goroutine of its own: one that has read keeps the stack that reading took, and thousands of them wait.
func (w *wire) read(ctx context.Context, limit *rate.Limiter, done chan<- error) {
	if err := w.readOne(ctx, limit); err != nil {
		done <- err
		return
	}
	go w.read(ctx, limit, done)
}

// limiter bounds what a socket may say; nil does not.
func (w *wire) limiter() *rate.Limiter {
	f := w.g.Limits()
	if f.MessagesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(f.MessagesPerSecond), f.MessageBurst)
}

func (w *wire) readOne(ctx context.Context, limit *rate.Limiter) (err error) {
	defer w.g.caught(&err)
	kind, data, err := w.message(ctx)
	if err != nil {
		return err
	}
	if limit != nil && !limit.Allow() {
		return closing{websocket.StatusPolicyViolation, whyFlood}
	}
	if kind != websocket.MessageText {
		return nil // signalling.md: text frames only
	}
	select {
	case w.in <- data:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("gateway: socket: %w", ctx.Err())
	}
}

// message reads one message, and of a longer one than is allowed no more than that.
func (w *wire) message(ctx context.Context) (websocket.MessageType, []byte, error) {
	kind, r, err := w.conn.Reader(ctx)
	if err != nil {
		return 0, nil, err //nolint:wrapcheck // run asks it for its close code
	}
	data, err := content(r, w.g.Limits().MessageBytes)
	return kind, data, err
}

// content reads a message of at most so many bytes. It is apart from message, so that the stack on which that waits stays small.
//
//go:noinline
func content(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = closing{websocket.StatusMessageTooBig, fmt.Sprintf("the message has more than %d bytes", most)}
	}
	return data, err
}

// loop appends attached, replays the negotiation so far, and then goes on live.
func (w *wire) loop(ctx context.Context, read chan error) error {
	if err := w.g.aside(func() error { return w.attach(ctx) }); err != nil {
		return err
	}
	ping := time.NewTicker(w.g.times.pingEvery)
	defer ping.Stop()
	for {
		select {
		case err := <-read:
			read <- err // for run
			return w.unread(ctx, err)
		case data := <-w.in:
			if err := w.fromClient(ctx, data); err != nil {
				return err
			}
		case e, ok := <-w.sub.events:
			if !ok {
				return w.cutOff(ctx)
			}
			if err := w.fromHub(ctx, e); err != nil {
				return err
			}
		case <-ping.C:
			w.pings.Go(func() { w.ping(ctx) })
		}
	}
}

// What follows is apart from loop, so that the stack on which it waits stays small.

// unread is the end by the reader: a client that says too much is told.
//
//go:noinline
func (w *wire) unread(ctx context.Context, err error) error {
	var c closing
	if errors.As(err, &c) {
		w.tell(ctx, sigBadRequest, c.reason)
	}
	return err
}

// cutOff is the end by the hub.
//
//go:noinline
func (w *wire) cutOff(ctx context.Context) error {
	if w.sub.why == whySlow {
		return closing{websocket.StatusPolicyViolation, whySlow}
	}
	if w.resume == nil { // it cannot go on at another gateway
		w.tell(ctx, sigUnready, whyStopping)
	}
	return closing{websocket.StatusGoingAway, whyStopping}
}

//go:noinline
func (w *wire) fromHub(ctx context.Context, e *events.Event) error { return w.fromLog(ctx, *e) }

// ping asks whether the client is there; one that does not answer is cut off, which the reader sees.
func (w *wire) ping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.g.times.pingWait)
	defer cancel()
	if err := w.conn.Ping(ctx); err != nil {
		_ = w.conn.CloseNow() // gone either way
	}
}
