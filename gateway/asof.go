package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/projections"
	"streamstack/projections/snapshot"
)

// Time travel: `?as_of=SEQ|RFC3339` answers as the API would have then. A session's own state is folded from its history;
// the list is folded from the newest snapshot before that point, and so takes as long as the log between the two is. What
// has expired in the log comes from the archive, so that the answer is a replay's of all that ever was.

// maxPasts is how many lists of the past are worked out at once: each holds a whole read model, as large as the one
// of the present at most times, and keeps a processor busy.
const maxPasts = 2

// errThere ends a fold that has come to its point.
var errThere = errors.New("gateway: the point in time is reached")

// moment is a point of the log. The state then is that after the events up to and with seq that were stored by time,
// if that is not zero.
type moment struct {
	seq  events.Seq
	time time.Time
	text string // as the client wrote it
}

// holds tells whether an event had been stored by then.
func (m moment) holds(e events.Event) bool {
	return e.Sequence <= m.seq && (m.time.IsZero() || !e.Stored.After(m.time))
}

// parseAsOf reads the parameter; ok is false where there is none.
func parseAsOf(c echo.Context) (m moment, ok bool, err error) {
	if !c.QueryParams().Has("as_of") {
		return moment{}, false, nil
	}
	m.text = c.QueryParam("as_of")
	if n, err := strconv.ParseUint(m.text, 10, 64); err == nil {
		m.seq = events.Seq(n)
		return m, true, nil
	}
	if m.time, err = time.Parse(time.RFC3339Nano, m.text); err != nil || m.time.IsZero() {
		return m, false, badRequest("as_of must be a sequence number (17) or a time (2026-11-22T06:27:09Z; write + as %%2B), not %s", quoted(m.text))
	}
	return m, true, nil
}

// locate finds the moment in the log. newest tells that nothing has been stored since.
func (g *Gateway) locate(ctx context.Context, m moment) (_ moment, newest bool, err error) {
	b, err := g.cfg.Log.Bounds(ctx, events.SessionsStream)
	if err != nil {
		return m, false, err //nolint:wrapcheck // it names the stream
	}
	if !m.time.IsZero() {
		if m.seq, err = g.archive.SeqBy(ctx, m.time); err != nil {
			return m, false, err
		}
	}
	if m.seq < b.First {
		oldest, since, err := g.archive.Oldest(ctx)
		if err != nil {
			return m, false, err
		}
		if m.seq < oldest && oldest > 1 && oldest <= b.Last {
			return m, false, &apiError{http.StatusNotFound, codeNotFound,
				fmt.Sprintf("as_of %s is before what is kept, in the log and its archive: its earliest event is %d, of %s", m.text, oldest, since.Format(time.RFC3339Nano)), nil}
		}
	}
	if m.seq >= b.Last {
		m.seq, newest = b.Last, true
	}
	return m, newest, nil
}

// sessionAsOf is a session as it was.
func (g *Gateway) sessionAsOf(c echo.Context, m moment) (s projections.Session, err error) {
	id := events.SessionID(c.Param("id"))
	if !events.ValidToken(string(id)) {
		return s, badRequest("%s is not a session id", quoted(string(id)))
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	if m, _, err = g.locate(ctx, m); err != nil {
		return s, err
	}
	region, err := g.regionEver(ctx, id)
	if err != nil {
		return s, err
	}
	var beheaded events.Seq // an event whose session's creation is not kept any more
	err = g.archive.Read(ctx, events.SessionFilter(region, id), 0, func(e events.Event) error {
		if !m.holds(e) {
			return errThere
		}
		if s = s.Apply(e); !s.Known() && e.Sound() && !events.ShortLived(e.Name) {
			beheaded = e.Sequence
		}
		return nil
	})
	switch {
	case err != nil && !errors.Is(err, errThere):
		return s, err
	case !s.Known() && beheaded > 0:
		return s, &apiError{http.StatusNotFound, codeNotFound,
			fmt.Sprintf("the beginning of session %s is not kept any more, so nobody knows what it was at %s; the events that are left are at /1.0/sessions/%[1]s/events", id, m.text), nil}
	case !s.Known():
		return s, &apiError{http.StatusNotFound, codeNotFound, fmt.Sprintf("session %s did not exist yet at %s", id, m.text), nil}
	case s.Gone():
		return s, &apiError{http.StatusNotFound, codeNotFound, fmt.Sprintf("session %s was over and gone at %s; its events are at /1.0/sessions/%[1]s/events", id, m.text), nil}
	}
	return s, nil
}

// listAsOf is a page of the sessions as they were.
func (g *Gateway) listAsOf(ctx context.Context, m moment, q projections.Query) (page []projections.Session, total int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	m, newest, err := g.locate(ctx, m)
	if err != nil {
		return nil, 0, err
	}
	if newest {
		if err := g.seen(ctx, m.seq); err != nil {
			return nil, 0, err
		}
		exact := false // what was stored since locate may be in the model already
		g.sessions.Read(func(model *projections.Sessions) {
			if exact = model.At() == m.seq; exact {
				page, total = model.Page(q)
			}
		})
		if exact {
			return page, total, nil
		}
	}
	select {
	case g.pasts <- struct{}{}: // also when the time is over: it would be a lie that there is no room
		defer func() { <-g.pasts }()
	default:
		select {
		case g.pasts <- struct{}{}:
			defer func() { <-g.pasts }()
		case <-ctx.Done():
			return nil, 0, &apiError{http.StatusServiceUnavailable, codeUnavailable, "the gateway is busy with other questions about the past, try again", ctx.Err()}
		}
	}
	model := projections.NewSessions()
	if err := g.foldTo(ctx, model, m); err != nil {
		if ctx.Err() != nil {
			return nil, 0, &apiError{http.StatusServiceUnavailable, codeUnavailable, fmt.Sprintf(
				"working out all sessions as of %s takes too long: it would have to read up to sequence %d, and came to %d in the time of a request; "+
					"ask for one session (/1.0/sessions/ID?as_of=…) or read the events (/1.0/events)", m.text, m.seq, model.At()), err}
		}
		return nil, 0, err
	}
	page, total = model.Page(q)
	return page, total, nil
}

// foldTo brings an empty model to a moment.
func (g *Gateway) foldTo(ctx context.Context, model *projections.Sessions, m moment) error {
	kind := snapshot.Kind{Model: sessionsModel, Stream: events.SessionsStream, Schema: model.Schema()}
	snap, found, err := snapshot.NewStore(g.cfg.Log, g.log).Load(ctx, kind, m.seq)
	if err == nil && found {
		err = model.Restore(snap.State)
	}
	if err != nil {
		g.log.Debug("time travel goes on without a snapshot", "as_of", m.text, "err", err)
	}
	err = g.archive.Read(ctx, events.AllSessions, model.At()+1, func(e events.Event) error {
		if !m.holds(e) {
			return errThere
		}
		model.Apply(e)
		return nil
	})
	if errors.Is(err, errThere) {
		return nil
	}
	return err
}
