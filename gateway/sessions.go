package gateway

import (
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
	// Viewers is how many clients watch at the moment; the contract has no such field, so it is left out where there are none.
	Viewers int `json:"viewers,omitempty"`
}

func asObject(s projections.Session) sessionObject {
	return sessionObject{
		ID: s.ID, App: s.App, Region: s.Region, Joinable: s.Joinable, Status: s.Status, StatusMessage: s.StatusMessage,
		ContainerID: s.Instance, ClusterID: string(s.Agent), Viewers: s.Watching(),
	}
}

// session finds the session of a request's path.
func (g *Gateway) session(c echo.Context) (projections.Session, error) {
	return g.known(events.SessionID(c.Param("id")))
}

// known finds a session in the read model.
func (g *Gateway) known(id events.SessionID) (s projections.Session, err error) {
	if !events.ValidToken(string(id)) {
		return s, badRequest("%s is not a session id", quoted(string(id)))
	}
	var ok bool
	g.sessions.Read(func(m *projections.Sessions) { s, ok = m.Get(id) })
	if !ok {
		return s, notFound(string(id))
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

// listSessions is GET /1.0/sessions: ids, or objects with recursion.
func (g *Gateway) listSessions(c echo.Context) error {
	q, err := parseListQuery(c)
	if err != nil {
		return err
	}
	var page []projections.Session
	var total int
	if m, past, err := parseAsOf(c); err != nil {
		return err
	} else if past {
		if page, total, err = g.listAsOf(c.Request().Context(), m, q.Query); err != nil {
			return err
		}
	} else {
		g.sessions.Read(func(m *projections.Sessions) { page, total = m.Page(q.Query) })
	}
	if q.recursion {
		out := make([]sessionObject, 0, len(page))
		for _, s := range page {
			out = append(out, asObject(s))
		}
		return succeedList(c, out, total)
	}
	ids := make([]events.SessionID, 0, len(page))
	for _, s := range page {
		ids = append(ids, s.ID)
	}
	return succeedList(c, ids, total)
}

// listQuery is a checked query of a list.
type listQuery struct {
	projections.Query
	recursion bool
}

func parseListQuery(c echo.Context) (q listQuery, err error) {
	if q.Status = projections.Status(c.QueryParam("status")); q.Status != "" && !slices.Contains(statuses, q.Status) {
		return q, badRequest("status must be one of created, active, error, terminating, terminated, not %s", quoted(string(q.Status)))
	}
	if q.recursion, err = boolParam(c, "recursion"); err != nil {
		return q, err
	}
	if q.Limit, err = intParam(c, "limit", 0); err != nil {
		return q, err
	}
	if q.Offset, err = intParam(c, "offset", 0); err != nil {
		return q, err
	}
	if q.By = projections.Field(c.QueryParam("sort_by")); q.By != "" && !projections.Sortable(q.By) {
		return q, badRequest("sort_by %s is not a field of a session", quoted(string(q.By)))
	}
	switch order := c.QueryParam("sort_order"); strings.ToLower(order) {
	case "", "asc":
	case "desc":
		q.Desc = true
	default:
		return q, badRequest("sort_order must be asc or desc, not %s", quoted(order))
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
		return false, badRequest("%s must be true or false, not %s", name, quoted(v))
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
		return 0, badRequest("%s must be a whole number from 0 up, not %s", name, quoted(v))
	}
	return n, nil
}
