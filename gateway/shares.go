package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/settings"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// shareType is the one type of share there is (gateway-api.md, section 11).
const shareType = "adb"

// shareRequest is the body of POST …/share; ExpiryAt wins over ExpiryMin.
type shareRequest struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	ExpiryAt    *int64 `json:"expiry_at"`  // Unix seconds
	ExpiryMin   *int64 `json:"expiry_min"` // minutes
}

// shareAnswer is the metadata of its answer.
type shareAnswer struct {
	ID        events.ShareID `json:"id"`
	Type      string         `json:"type"`
	ExpiryAt  int64          `json:"expiry_at"`
	ExpiryMin int64          `json:"expiry_min"`
	URL       string         `json:"url"`
}

// shareObject is a share as the API shows it; URL is not in lists.
type shareObject struct {
	ID          events.ShareID   `json:"id"`
	SessionID   events.SessionID `json:"session_id"`
	Type        string           `json:"type"`
	Description string           `json:"description"`
	CreatedAt   int64            `json:"created_at"`
	ExpiryAt    int64            `json:"expiry_at"`
	URL         string           `json:"url,omitempty"`
}

func asShareObject(x projections.Share) shareObject {
	session, _ := x.ID.Session()
	return shareObject{ID: x.ID, SessionID: session, Type: x.Type, Description: x.Description, CreatedAt: x.CreatedAt.Unix(), ExpiryAt: x.ExpiresAt.Unix()}
}

// createShare is POST /1.0/sessions/{id}/share.
func (g *Gateway) createShare(c echo.Context) error {
	var req shareRequest
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	rules := g.settings.Values()
	expiry, err := req.check(g.now(), rules)
	if err != nil {
		return err
	}
	s, err := g.session(c)
	if err != nil {
		return err
	}
	id, err := events.NewShareID(s.ID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	_, seq, err := projections.Decide(ctx, g.cfg.Log, s.Region, s.ID, func(s projections.Session) (*events.Draft, error) {
		if err := shareable(s, rules.SharesPerSession); err != nil {
			return nil, err
		}
		d := events.NewDraft(s.Region, s.ID, events.Gateway, events.Shared, events.SharedData{
			ID: id, Type: req.Type, Description: req.Description, ExpiryAt: expiry, Account: caller(c),
		})
		return &d, nil
	})
	if err != nil {
		return err
	}
	x, err := g.shareSeen(ctx, seq, id)
	if err != nil {
		return err
	}
	u, err := g.shareURL(c.Request(), x)
	if err != nil {
		return err
	}
	left := time.Unix(expiry, 0).Sub(g.now())
	return succeed(c, http.StatusOK, shareAnswer{ID: id, Type: x.Type, ExpiryAt: expiry, ExpiryMin: int64((left + time.Minute - 1) / time.Minute), URL: u})
}

// check validates what does not depend on the log, and returns when the share expires, in Unix seconds.
func (r *shareRequest) check(now time.Time, rules settings.Values) (int64, error) {
	if r.Type != shareType {
		return 0, badRequest("type must be %s, the only type of share there is, not %s", shareType, quoted(r.Type))
	}
	if err := checkDescription(r.Description); err != nil {
		return 0, err
	}
	switch {
	case r.ExpiryAt != nil:
		return *r.ExpiryAt, checkExpiry(*r.ExpiryAt, now, now, rules.ShareMaxLife)
	case r.ExpiryMin == nil:
		return now.Add(min(rules.ShareLife, rules.ShareMaxLife)).Unix(), nil
	case *r.ExpiryMin < 1 || *r.ExpiryMin > int64(rules.ShareMaxLife/time.Minute):
		return 0, badRequest("expiry_min must be from 1 to %d minutes", rules.ShareMaxLife/time.Minute)
	default:
		return now.Add(time.Duration(*r.ExpiryMin) * time.Minute).Unix(), nil
	}
}

func checkDescription(text string) error {
	if len(text) > maxDescription {
		return badRequest("description has %d bytes, at most %d are allowed", len(text), maxDescription)
	}
	return nil
}

// checkExpiry holds a share's expiry, in Unix seconds, against its limits: to come, and not too long after its creation.
func checkExpiry(at int64, now, created time.Time, longest time.Duration) error {
	if last := created.Add(longest).Unix(); at <= now.Unix() || at > last {
		return badRequest("expiry_at must be a time to come in Unix seconds, %d at the latest: a share stands for %d minutes at most", last, longest/time.Minute)
	}
	return nil
}

// shareable says why a session cannot have one more share.
func shareable(s projections.Session, most int) error {
	switch {
	case s.Gone():
		return notFound(string(s.ID))
	case s.Status != projections.StatusCreated && s.Status != projections.StatusActive:
		return &apiError{status: http.StatusBadRequest, code: codeWrongState, message: "the session cannot be shared: it is " + string(s.Status)}
	case len(s.Shares) >= most:
		return &apiError{status: http.StatusForbidden, code: codeShareLimit,
			message: fmt.Sprintf("the session has %d shares, no more are allowed: delete one", len(s.Shares))}
	}
	return nil
}

// shareSeen waits until this gateway's read model has what it just wrote, and returns the share from there.
func (g *Gateway) shareSeen(ctx context.Context, seq events.Seq, id events.ShareID) (projections.Share, error) {
	if err := g.seen(ctx, seq); err != nil {
		return projections.Share{}, err
	}
	return g.share(id)
}

// share finds a share in the read model.
func (g *Gateway) share(id events.ShareID) (x projections.Share, err error) {
	session, ok := id.Session()
	if !ok {
		return x, badRequest("%s is not a share id", quoted(string(id)))
	}
	g.sessions.Read(func(m *projections.Sessions) {
		var s projections.Session
		if s, ok = m.Get(session); ok {
			x, ok = s.Share(id)
			ok = ok && !s.Ended() && x.Stands(g.now())
		}
	})
	if !ok {
		return x, noShare(id)
	}
	return x, nil
}

func noShare(id events.ShareID) error {
	return &apiError{status: http.StatusNotFound, code: codeNotFound, message: fmt.Sprintf("share %s does not exist", id)}
}

// shareURL is where a share's holder turns it into a socket's URL. It stays the same for as long as the share stands,
// whatever happens to its expiry: its token's expiry is the last that the share's can be.
func (g *Gateway) shareURL(r *http.Request, x projections.Share) (string, error) {
	session, _ := x.ID.Session()
	tok, err := g.cfg.Tokens.IssueShare(token.ShareClaims{Session: string(session), Share: string(x.ID), Expiry: x.CreatedAt.Add(settings.MaxShareLife)})
	if err != nil {
		return "", fmt.Errorf("gateway: share token: %w", err)
	}
	u := g.publicURL(r).JoinPath("1.0", "sessions", string(session), "connect")
	u.RawQuery = "type=" + x.Type + "&token=" + url.QueryEscape(tok)
	return u.String(), nil
}

// answerShare answers with a share and its URL.
func (g *Gateway) answerShare(c echo.Context, x projections.Share) error {
	out := asShareObject(x)
	var err error
	if out.URL, err = g.shareURL(c.Request(), x); err != nil {
		return err
	}
	return succeed(c, http.StatusOK, out)
}

// getShare is GET /1.0/shares/{id}.
func (g *Gateway) getShare(c echo.Context) error {
	x, err := g.share(events.ShareID(c.Param("id")))
	if err != nil {
		return err
	}
	return g.answerShare(c, x)
}

// listShares is GET /1.0/shares: ids, or objects with recursion, oldest first.
func (g *Gateway) listShares(c echo.Context) error {
	recursion, err := boolParam(c, "recursion")
	if err != nil {
		return err
	}
	limit, err := intParam(c, "limit", 0)
	if err != nil {
		return err
	}
	offset, err := intParam(c, "offset", 0)
	if err != nil {
		return err
	}
	of := events.SessionID(c.QueryParam("session_id"))
	if of != "" && !events.ValidToken(string(of)) {
		return badRequest("%s is not a session id", quoted(string(of)))
	}
	var all []projections.Share
	g.sessions.Read(func(m *projections.Sessions) { all = m.Shares() })
	all = slices.DeleteFunc(all, func(x projections.Share) bool {
		session, _ := x.ID.Session()
		return (of != "" && session != of) || !x.Stands(g.now())
	})
	total := len(all)
	all = all[min(offset, total):]
	if limit > 0 {
		all = all[:min(limit, len(all))]
	}
	ids, objects := make([]events.ShareID, 0, len(all)), make([]shareObject, 0, len(all))
	for _, x := range all {
		ids, objects = append(ids, x.ID), append(objects, asShareObject(x))
	}
	if recursion {
		return succeedList(c, objects, total)
	}
	return succeedList(c, ids, total)
}

// decideShare is [projections.Decide] on a share that stands; decide gets it beside its session.
func (g *Gateway) decideShare(ctx context.Context, id events.ShareID, decide func(projections.Session, projections.Share) (*events.Draft, error)) (events.Seq, error) {
	session, ok := id.Session()
	if !ok {
		return 0, badRequest("%s is not a share id", quoted(string(id)))
	}
	// Another replica may have made the share a moment ago, so the log is asked.
	r, err := g.regionOf(ctx, session)
	var api *apiError
	if errors.As(err, &api) {
		return 0, noShare(id)
	}
	if err != nil {
		return 0, err
	}
	_, seq, err := projections.Decide(ctx, g.cfg.Log, r, session, func(s projections.Session) (*events.Draft, error) {
		x, ok := s.Share(id)
		if !ok || s.Ended() || !x.Stands(g.now()) {
			return nil, noShare(id)
		}
		return decide(s, x)
	})
	return seq, err
}
