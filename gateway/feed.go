package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/sse"
)

// Limits of the event streams.
const (
	// feedBuffer is how many bytes are gathered before they are sent, while more is at hand.
	feedBuffer = 32 << 10
	// feedRetry is how long a browser is told to wait before it connects again, and up to as much again: those that a
	// gateway's stop has cut off shall not come back in one moment.
	feedRetry = time.Second
)

// Why a stream ends or begins anew.
var (
	errBehind    = errors.New("more came than the stream could take at once")
	errStopping  = errors.New(whyStopping)
	errTokenGone = errors.New("the token is not valid any more")
)

// feed is one stream of Server-Sent Events: the past from the archive and the log, then what the hub hands on. A client that reads more
// slowly than events come is served from the log again, which waits for it; one that does not read at all is cut off and
// may resume. Nothing of it is kept but the sequence of the last event.
type feed struct {
	g     *Gateway
	query eventQuery
	out   http.ResponseWriter
	// control sets deadlines and flushes.
	control *http.ResponseController
	request *http.Request
	buf     []byte
	last    events.Seq
	// next is where the log is read from: before it there is nothing more that the query chooses.
	next events.Seq
	// begun tells that something was sent.
	begun bool
}

// streamEvents answers with Server-Sent Events, without end.
func (g *Gateway) streamEvents(c echo.Context, q eventQuery) error {
	done, err := g.admitFeed()
	if err != nil {
		return err
	}
	defer done()
	if err := g.reached(c.Request().Context(), q.after); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, sse.ContentType)
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if isHead(c.Request()) {
		return c.NoContent(http.StatusOK) // nothing follows that would have an end
	}
	f := &feed{g: g, query: q, out: c.Response(), control: http.NewResponseController(c.Response()), request: c.Request(), last: q.after}
	err = f.run(c.Request().Context())
	if !c.Response().Committed && !errors.Is(err, errStopping) {
		return err // the log is away
	}
	if !c.Response().Committed {
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, whyStopping, nil}
	}
	// The answer has begun: how it ends is for the log alone, the client connects again.
	g.log.Debug("event stream ended", "why", err, "last", f.last)
	return nil
}

// reached waits for a sequence that another gateway may have seen a moment before this one.
func (g *Gateway) reached(ctx context.Context, seq events.Seq) error {
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	if err := g.sessions.Wait(ctx, seq); err != nil {
		return badRequest("after %d is beyond the end of the log: begin without it", seq)
	}
	return nil
}

// run serves the stream until the client leaves, the gateway stops or the log is away.
func (f *feed) run(ctx context.Context) error {
	wait := feedRetry + rand.N(feedRetry) //nolint:gosec // this spreads load and guards nothing
	f.buf = sse.AppendRetry(f.buf, wait)  // sent with what the log answers first, for until then an error can be told
	for {
		// What is long past is read without a subscription, whose queue would overflow meanwhile.
		err := f.read(ctx, 0)
		if err == nil {
			err = f.follow(ctx)
		}
		switch {
		case errors.Is(err, errBehind):
		case f.begun:
			return errors.Join(err, f.flush())
		default:
			return err
		}
	}
}

// read hands on what the archive and the log have, and surely all up to a sequence.
func (f *feed) read(ctx context.Context, upTo events.Seq) (err error) {
	f.next, err = f.g.archive.ReadThrough(ctx, f.query.filter(), max(f.next, f.last+1), upTo, f.take)
	return err
}

// follow hands on what comes. The seam: whatever the tail handed on before the subscription is read from the log, for
// sure, and what is both read and handed on is told by its sequence.
func (f *feed) follow(ctx context.Context) error {
	sub, ok := f.g.hub.watch(f.query)
	if !ok {
		return errStopping
	}
	defer sub.end()
	if err := f.read(ctx, f.g.sessions.At()); err != nil {
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	beat := time.NewTicker(f.g.times.feedBeat)
	defer beat.Stop()
	accounts, forget := f.g.accounts.After(0)
	defer func() { forget() }()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("gateway: stream: %w", ctx.Err())
		case <-beat.C:
			if _, err := f.g.claims(f.request); err != nil && !errors.Is(err, events.ErrUnavailable) {
				return errTokenGone
			}
			f.buf = sse.AppendComment(f.buf, "keep-alive")
		case <-accounts:
			// An account was made or deleted, and it may be this one.
			at := f.g.accounts.At()
			if _, err := f.g.claims(f.request); err != nil && !errors.Is(err, events.ErrUnavailable) {
				return errTokenGone
			}
			accounts, forget = f.g.accounts.After(at)
		case e, ok := <-sub.events:
			if !ok && sub.why == whySlow {
				return errBehind
			}
			if !ok {
				return errStopping
			}
			if err := f.take(*e); err != nil {
				return err
			}
		}
		if len(sub.events) == 0 {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
}

// take writes an event that the query chooses, unless it was written before.
func (f *feed) take(e events.Event) error {
	select {
	case <-f.g.hub.stopping:
		return errStopping
	default:
	}
	if e.Sequence <= f.last {
		return nil
	}
	f.last = e.Sequence
	if !f.query.match(e) {
		return nil
	}
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("gateway: stream: event %d: %w", e.Sequence, err)
	}
	f.buf = sse.Append(f.buf, sse.Message{ID: strconv.FormatUint(uint64(e.Sequence), 10), Event: e.Type, Data: data})
	if len(f.buf) < feedBuffer {
		return nil
	}
	return f.flush()
}

// flush sends what was gathered. A client that does not take it in time is cut off.
func (f *feed) flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	if err := f.control.SetWriteDeadline(time.Now().Add(f.g.times.writeWait)); err != nil {
		return fmt.Errorf("gateway: stream: %w", err)
	}
	f.begun = true
	_, err := f.out.Write(f.buf)
	f.buf = f.buf[:0]
	if err == nil {
		err = f.control.Flush()
	}
	if err == nil {
		err = f.control.SetWriteDeadline(time.Time{}) // HTTP/2 ends a stream whose deadline passes while nothing is written
	}
	if err != nil {
		return fmt.Errorf("gateway: stream: %w", err)
	}
	return nil
}

// watch begins a view of what a query chooses; ok is false when the gateway stops. The caller must end it.
func (h *hub) watch(q eventQuery) (s *subscription, ok bool) {
	id := q.session
	if id == "" {
		id = everySession
	}
	// Nothing to cut: the server closes the connections of requests that do not end.
	return h.add(&subscription{hub: h, session: id, match: q.match, cut: func() {}})
}
