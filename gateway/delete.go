package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

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

// maxIDs is how many sessions one request may delete: as many as the longest body holds ids of, and few enough to be done
// within the time of a request.
const maxIDs = 1000

// deletesAtOnce is how many of a request's deletions are under way at the same time.
const deletesAtOnce = 16

// deletion is the metadata of DELETE /1.0/sessions (gateway-api.md, section 8).
type deletion struct {
	Deleted []events.SessionID `json:"deleted_sessions"`
	Errors  []deletionError    `json:"errors"`
}

type deletionError struct {
	ID      events.SessionID `json:"session_id"`
	Message string           `json:"error_message"`
	Status  int              `json:"status_code"`
	Code    string           `json:"code"`
}

// deleteSessions is DELETE /1.0/sessions. Each session is a matter of its own: the answer is 200 (or 202, where nobody
// waited) when all went well, 207 when some did; when none did, and all for the same reason, that reason's status.
func (g *Gateway) deleteSessions(c echo.Context) error {
	var req struct {
		IDs []events.SessionID `json:"ids"`
	}
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	sync, err := boolParam(c, "sync")
	if err != nil {
		return err
	}
	force, err := boolParam(c, "force")
	if err != nil {
		return err
	}
	ids := distinct(req.IDs)
	switch {
	case len(ids) == 0:
		return badRequest("ids is required: the sessions to delete")
	case len(ids) > maxIDs:
		return badRequest("ids names %d sessions, at most %d can be deleted at once", len(ids), maxIDs)
	}
	failures := make([]error, len(ids))
	var group errgroup.Group
	group.SetLimit(deletesAtOnce)
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	for i, id := range ids {
		group.Go(func() error {
			failures[i] = g.deleteOne(ctx, id, caller(c), force)
			return nil
		})
	}
	_ = group.Wait() // failures has the errors
	if sync {
		ctx, cancel := context.WithTimeout(c.Request().Context(), syncTime) // for all of them together
		defer cancel()
		for i, id := range ids {
			if failures[i] == nil {
				failures[i] = g.awaitEnd(ctx, id)
			}
		}
	}
	return answerDeletion(c, ids, failures, sync)
}

// deleteOne asks for the end of one session.
func (g *Gateway) deleteOne(ctx context.Context, id events.SessionID, account string, force bool) error {
	s, err := g.known(id)
	if err != nil {
		return err
	}
	return g.terminate(ctx, s.Region, s.ID, "account:"+account, "deleted by "+account, force)
}

// answerDeletion sums up what became of each session.
func answerDeletion(c echo.Context, ids []events.SessionID, failures []error, waited bool) error {
	out := deletion{Deleted: []events.SessionID{}, Errors: []deletionError{}}
	alike := true
	for i, id := range ids {
		if failures[i] == nil {
			out.Deleted = append(out.Deleted, id)
			continue
		}
		api := asAPIError(failures[i])
		out.Errors = append(out.Errors, deletionError{id, api.message, api.status, api.code})
		alike = alike && api.code == out.Errors[0].Code
	}
	switch {
	case len(out.Deleted) == 0 && alike:
		return failures[0]
	case len(out.Errors) > 0:
		return succeed(c, http.StatusMultiStatus, out)
	case !waited:
		return accept(c)
	default:
		return succeed(c, http.StatusOK, out)
	}
}

// distinct leaves out what comes again.
func distinct(ids []events.SessionID) []events.SessionID {
	seen := map[events.SessionID]bool{}
	return slices.DeleteFunc(ids, func(id events.SessionID) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
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
