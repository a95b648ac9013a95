package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/projections"
)

// sessionObject is a session as the API shows it (gateway-api.md, section 7).
type sessionObject struct {
	ID            events.SessionID   `json:"id"`
	App           string             `json:"app"`
	Region        events.Region      `json:"region"`
	Joinable      bool               `json:"joinable"`
	Status        projections.Status `json:"status"`
	StatusMessage string             `json:"status_message"`
	ContainerID   string             `json:"container_id"`
	ClusterID     string             `json:"cluster_id"`
}

func asObject(s projections.Session) sessionObject {
	return sessionObject{
		ID: s.ID, App: s.App, Region: s.Region, Joinable: s.Joinable, Status: s.Status, StatusMessage: s.StatusMessage,
		ContainerID: s.Instance, ClusterID: string(s.Agent),
	}
}

// session finds the session of a request's path.
func (g *Gateway) session(c echo.Context) (projections.Session, error) {
	id := c.Param("id")
	if !events.ValidToken(id) {
		return projections.Session{}, badRequest("%q is not a session id", id)
	}
	var s projections.Session
	var ok bool
	g.sessions.Read(func(m *projections.Sessions) { s, ok = m.Get(events.SessionID(id)) })
	if !ok {
		return s, notFound(id)
	}
	return s, nil
}

func (g *Gateway) getSession(c echo.Context) error {
	m, past, err := parseAsOf(c)
	if err != nil {
		return err
	}
	var s projections.Session
	if past {
		s, err = g.sessionAsOf(c, m)
	} else {
		s, err = g.session(c)
	}
	if err != nil {
		return err
	}
	return succeed(c, http.StatusOK, asObject(s))
}

// sortFields are what sort_by may name.
var sortFields = map[string]func(a, b projections.Session) int{
	"id":             func(a, b projections.Session) int { return cmp.Compare(a.ID, b.ID) },
	"app":            func(a, b projections.Session) int { return cmp.Compare(a.App, b.App) },
	"region":         func(a, b projections.Session) int { return cmp.Compare(a.Region, b.Region) },
	"status":         func(a, b projections.Session) int { return cmp.Compare(a.Status, b.Status) },
	"status_message": func(a, b projections.Session) int { return cmp.Compare(a.StatusMessage, b.StatusMessage) },
	"container_id":   func(a, b projections.Session) int { return cmp.Compare(a.Instance, b.Instance) },
	"cluster_id":     func(a, b projections.Session) int { return cmp.Compare(a.Agent, b.Agent) },
	"joinable":       func(a, b projections.Session) int { return cmp.Compare(yes(a.Joinable), yes(b.Joinable)) },
	"created_at":     func(a, b projections.Session) int { return a.CreatedAt.Compare(b.CreatedAt) },
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

// listSessions is GET /1.0/sessions: ids, or objects with recursion.
func (g *Gateway) listSessions(c echo.Context) error {
	q, err := parseListQuery(c)
	if err != nil {
		return err
	}
	var all []projections.Session
	if m, past, err := parseAsOf(c); err != nil {
		return err
	} else if past {
		if all, err = g.listAsOf(c.Request().Context(), m); err != nil {
			return err
		}
	} else {
		g.sessions.Read(func(m *projections.Sessions) { all = m.List() })
	}
	if q.status != "" {
		all = slices.DeleteFunc(all, func(s projections.Session) bool { return s.Status != q.status })
	}
	if q.less != nil {
		slices.SortStableFunc(all, q.less)
	}
	total := len(all)
	all = all[min(q.offset, total):]
	if q.limit > 0 {
		all = all[:min(q.limit, len(all))]
	}
	if q.recursion {
		out := make([]sessionObject, 0, len(all))
		for _, s := range all {
			out = append(out, asObject(s))
		}
		return succeedList(c, out, total)
	}
	ids := make([]events.SessionID, 0, len(all))
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return succeedList(c, ids, total)
}

// listQuery is a checked query of a list.
type listQuery struct {
	status        projections.Status
	recursion     bool
	limit, offset int
	less          func(a, b projections.Session) int
}

func parseListQuery(c echo.Context) (q listQuery, err error) {
	if s := projections.Status(c.QueryParam("status")); s != "" {
		if !slices.Contains(statuses, s) {
			return q, badRequest("status must be one of created, active, error, terminating, terminated, not %q", s)
		}
		q.status = s
	}
	if q.recursion, err = boolParam(c, "recursion"); err != nil {
		return q, err
	}
	if q.limit, err = intParam(c, "limit", 0); err != nil {
		return q, err
	}
	if q.offset, err = intParam(c, "offset", 0); err != nil {
		return q, err
	}
	if by := c.QueryParam("sort_by"); by != "" {
		if q.less = sortFields[by]; q.less == nil {
			return q, badRequest("sort_by %q is not a field of a session", by)
		}
	}
	switch order := strings.ToLower(c.QueryParam("sort_order")); order {
	case "", "asc":
	case "desc":
		less := q.less
		if less == nil {
			less = sortFields["created_at"]
		}
		q.less = func(a, b projections.Session) int { return less(b, a) }
	default:
		return q, badRequest("sort_order must be asc or desc, not %q", order)
	}
	return q, nil
}

var statuses = []projections.Status{
	projections.StatusCreated, projections.StatusActive, projections.StatusError, projections.StatusTerminating, projections.StatusTerminated,
}

// boolParam accepts true, false, 1, 0, in any case; absent is false.
func boolParam(c echo.Context, name string) (bool, error) {
	v := c.QueryParam(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return false, badRequest("%s must be true or false, not %q", name, v)
	}
	return b, nil
}

// intParam accepts a whole number from 0 up.
func intParam(c echo.Context, name string, def int) (int, error) {
	v := c.QueryParam(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, badRequest("%s must be a whole number from 0 up, not %q", name, v)
	}
	return n, nil
}

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
