package gateway

import (
	"context"
	"encoding/json"
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

// Codes of our own for the error messages of signalling.md, section 12; 5 is the one that is known.
const (
	sigBadRequest = 5
	sigDisplaced  = 100
	sigRefused    = 101
	sigEnded      = 102
	sigUnready    = 103
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

// errGone is the end of a socket whose client cannot be written to.
var errGone = errors.New("gateway: the client has gone, or does not read")

// closing ends the loop with a close code of RFC 6455.
type closing struct {
	code   websocket.StatusCode
	reason string
}

func (c closing) Error() string { return c.reason }

// Close codes of our own (RFC 6455, section 7.4.2: 4000 to 4999).
const (
	closeEnded     = websocket.StatusCode(4000)
	closeReplaced  = websocket.StatusCode(4001)
	closeDisplaced = websocket.StatusCode(4002)
)

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

// attach appends attached and replays what there is for this peer: from the start of its negotiation, also for a socket that is
// opened again with the same token and does not resume. The token names the peer, and a peer is one negotiation: an offer that
// it has answered is not made anew. A page that has lost its peer connection joins again, and gets another peer.
func (w *wire) attach(ctx context.Context) error {
	s := w.session
	if err := w.state(ctx, s); err != nil {
		return err
	}
	seq, err := w.append(ctx, events.Attached, events.AttachedData{Peer: w.peer, Role: string(w.role), Resumed: w.resume})
	if err != nil {
		return w.fail(ctx, sigUnready, "the log is not available at the moment", websocket.StatusTryAgainLater)
	}
	w.attachedAt = seq
	from := s.JoinedSeq
	if v, ok := s.Viewer(w.peer); ok {
		from = v.JoinedSeq
	}
	if w.resume != nil {
		if *w.resume > seq {
			return w.fail(ctx, sigBadRequest, fmt.Sprintf("after=%d is beyond the end of the log", *w.resume), closeEnded)
		}
		from = max(from, *w.resume+1)
	}
	return w.replay(ctx, from)
}

// replay reads the negotiation so far, up to this socket's own attached event: another replica of the stream may answer
// than the one that took it, and not have all yet. What follows comes live.
func (w *wire) replay(ctx context.Context, from events.Seq) error {
	ctx, cancel := context.WithTimeout(ctx, replayTime)
	defer cancel()
	for {
		err := w.g.cfg.Log.History(ctx, w.session.Region, w.session.ID, from, func(e events.Event) error { return w.fromLog(ctx, e) })
		var c closing
		switch {
		case errors.As(err, &c), errors.Is(err, errGone), err == nil && w.sent >= w.attachedAt:
			return err
		case err != nil:
			w.g.log.Warn("negotiation not read", "session", w.session.ID, "err", err)
			return w.fail(ctx, sigUnready, "the log is not available at the moment, try again", websocket.StatusTryAgainLater)
		}
		from = max(from, w.sent+1)
		if err := pause(ctx, replayPause); err != nil {
			return err
		}
	}
}

// state ends the socket when its session has nothing for it.
func (w *wire) state(ctx context.Context, s projections.Session) error {
	switch {
	case s.Ended() || s.Status == projections.StatusTerminating:
		return w.fail(ctx, sigEnded, endText(s), closeEnded)
	case w.role == token.RoleViewer:
		if _, ok := s.Viewer(w.peer); !ok {
			return w.fail(ctx, sigDisplaced, "this viewer has left the session: join again", closeDisplaced)
		}
	case s.Peer != w.peer:
		return w.fail(ctx, sigDisplaced, displacedText, closeDisplaced)
	}
	return nil
}

const displacedText = "another client has joined the session"

// endText says why a session is over.
func endText(s projections.Session) string {
	if s.StatusMessage == "" {
		return "the session has ended"
	}
	if s.Status == projections.StatusError {
		return "the session failed: " + s.StatusMessage
	}
	return "the session has ended: " + s.StatusMessage
}

// fail tells the client why in a message that it shows, and closes the socket.
func (w *wire) fail(ctx context.Context, code int, text string, status websocket.StatusCode) error {
	if err := w.write(ctx, errorMessage{Type: "error", Code: code, Message: text}); err != nil {
		return err
	}
	return closing{status, shorten(text, 120)} // a close reason has at most 123 bytes (RFC 6455, section 5.5.1)
}

// tell says why the socket is about to be closed, to a client that may not listen any more: the SDK takes no notice of a
// close alone, and would wait out its five minutes.
func (w *wire) tell(ctx context.Context, code int, text string) {
	if err := w.write(ctx, errorMessage{Type: "error", Code: code, Message: text}); err != nil {
		w.g.log.Debug("client not told", "session", w.session.ID, "err", err)
	}
}

// write sends one message.
func (w *wire) write(ctx context.Context, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("gateway: socket: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, w.g.times.writeWait)
	defer cancel()
	if err := w.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// append appends an event of this client.
func (w *wire) append(ctx context.Context, n events.Name, data any) (events.Seq, error) {
	return w.g.cfg.Log.Append(ctx, events.NewDraft(w.session.Region, w.session.ID, events.Client, n, data))
}

// bye appends detached. It uses a context of its own: the socket's is over.
func (w *wire) bye(ctx context.Context, code int, reason string) {
	if w.attachedAt == 0 {
		return
	}
	if _, err := w.append(ctx, events.Detached, events.DetachedData{Peer: w.peer, Code: code, Reason: reason}); err != nil {
		w.g.log.Warn("detached not recorded", "session", w.session.ID, "err", err)
	}
}
