package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/projections"
)

// deleteSession appends terminating; the agent does the rest and says so. With sync it answers after the ending.
func (g *Gateway) deleteSession(c echo.Context) error {
	sync, err := boolParam(c, "sync")
	if err != nil {
		return err
	}
	force, err := boolParam(c, "force")
	if err != nil {
		return err
	}
	s, err := g.session(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	if err := g.terminate(ctx, s.Region, s.ID, "account:"+caller(c), "deleted by "+caller(c), force); err != nil {
		return err
	}
	if sync {
		if err := g.awaitEnd(c.Request().Context(), s.ID); err != nil {
			return err
		}
	}
	return succeed(c, http.StatusOK, nil)
}

// terminate asks for a session's end, in order. A session that no agent holds ends here and now; so does, with force,
// one whose agent cannot be reached.
func (g *Gateway) terminate(ctx context.Context, r events.Region, id events.SessionID, by, reason string, force bool) error {
	_, seq, err := projections.Decide(ctx, g.cfg.Log, r, id, func(s projections.Session) (*events.Draft, error) {
		if s.Gone() || s.Status == projections.StatusTerminating {
			return nil, nil
		}
		d := events.NewDraft(r, id, events.Gateway, events.Terminating, events.TerminatingData{By: by, Reason: reason})
		return &d, nil
	})
	if errors.Is(err, projections.ErrUnknownSession) {
		return notFound(string(id))
	}
	if err != nil {
		return err
	}
	ended, err := g.endUnheld(ctx, r, id, reason, force)
	if err != nil {
		return err
	}
	return g.seen(ctx, max(seq, ended))
}

// endUnheld appends the ending of a terminating session that nobody holds.
func (g *Gateway) endUnheld(ctx context.Context, r events.Region, id events.SessionID, reason string, force bool) (events.Seq, error) {
	_, seq, err := projections.Decide(ctx, g.cfg.Log, r, id, func(s projections.Session) (*events.Draft, error) {
		if s.Ended() || s.Status != projections.StatusTerminating {
			return nil, nil
		}
		name, data := events.Expired, events.EndedData{Reason: reason}
		if s.Claimed {
			if !force || g.alive.has(events.HeartbeatKey(r, s.Agent)) {
				return nil, nil // its agent will end it
			}
			name, data = events.AgentLost, events.EndedData{Agent: s.Agent, Attempt: s.Attempt, Reason: reason + "; its agent could not be reached, an instance may be left"}
		}
		d := events.NewDraft(r, id, events.Gateway, name, data)
		return &d, nil
	})
	return seq, err
}

// awaitEnd returns when the session's ending is in the read model.
func (g *Gateway) awaitEnd(ctx context.Context, id events.SessionID) error {
	ctx, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	for {
		// Before the look, so that the ending cannot be missed.
		sub, ok := g.hub.subscribe(id, cancel)
		if !ok {
			return &apiError{http.StatusServiceUnavailable, codeUnavailable, whyStopping, nil}
		}
		ended, err := g.endSeen(ctx, sub)
		sub.end()
		if ended || err != nil {
			return err
		}
	}
}

// endSeen looks after each event of the session whether it has ended. It returns false when so much happened that the
// view was dropped.
func (g *Gateway) endSeen(ctx context.Context, sub *subscription) (bool, error) {
	for {
		var s projections.Session
		var ok bool
		g.sessions.Read(func(m *projections.Sessions) { s, ok = m.Get(sub.session) })
		if !ok || s.Ended() {
			return true, nil
		}
		select {
		case _, open := <-sub.events:
			if !open && sub.why == whyStopping {
				return false, &apiError{http.StatusServiceUnavailable, codeUnavailable, whyStopping, nil}
			}
			if !open {
				return false, nil
			}
		case <-ctx.Done():
			return false, &apiError{http.StatusServiceUnavailable, codeUnavailable, "the session is being terminated, but has not ended yet", ctx.Err()}
		}
	}
}
