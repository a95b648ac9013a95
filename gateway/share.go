package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// sharePatch is the body of PATCH /1.0/shares/{id}; what is absent stays.
type sharePatch struct {
	ExpiryAt    *int64  `json:"expiry_at"` // Unix seconds
	Description *string `json:"description"`
}

// patchShare is PATCH /1.0/shares/{id}: another expiry, another description, or both. The URL stays the same.
func (g *Gateway) patchShare(c echo.Context) error {
	var req sharePatch
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	if req.ExpiryAt == nil && req.Description == nil {
		return badRequest("nothing to change: give expiry_at, description, or both")
	}
	if req.Description != nil {
		if err := checkDescription(*req.Description); err != nil {
			return err
		}
	}
	id := events.ShareID(c.Param("id"))
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	seq, err := g.decideShare(ctx, id, func(s projections.Session, x projections.Share) (*events.Draft, error) {
		data := events.SharedData{ID: x.ID, Type: x.Type, Description: x.Description, ExpiryAt: x.ExpiresAt.Unix(), Account: caller(c)}
		if req.Description != nil {
			data.Description = *req.Description
		}
		if req.ExpiryAt != nil {
			if err := checkExpiry(*req.ExpiryAt, g.now(), x.CreatedAt, g.settings.Values().ShareMaxLife); err != nil {
				return nil, err
			}
			data.ExpiryAt = *req.ExpiryAt
		}
		d := events.NewDraft(s.Region, s.ID, events.Gateway, events.Shared, data)
		return &d, nil
	})
	if err != nil {
		return err
	}
	x, err := g.shareSeen(ctx, seq, id)
	if err != nil {
		return err
	}
	return g.answerShare(c, x)
}

// deleteShare is DELETE /1.0/shares/{id}. From its event on, the share's URL is refused by every gateway. The answer waits for
// the end of the connections that use it; with sync=false, for nothing.
func (g *Gateway) deleteShare(c echo.Context) error {
	wait := true
	if c.QueryParam("sync") != "" {
		var err error
		if wait, err = boolParam(c, "sync"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	id := events.ShareID(c.Param("id"))
	seq, err := g.decideShare(ctx, id, func(s projections.Session, x projections.Share) (*events.Draft, error) {
		d := events.NewDraft(s.Region, s.ID, events.Gateway, events.ShareRevoked,
			events.ShareRevokedData{ID: x.ID, Reason: events.ShareDeleted, Account: caller(c)})
		return &d, nil
	})
	if err != nil {
		return err
	}
	if !wait {
		return accept(c)
	}
	if err := g.seen(ctx, seq); err != nil {
		return err
	}
	if err := g.awaitUses(ctx, id, seq); err != nil {
		return err
	}
	return succeed(c, http.StatusOK, nil)
}

// connectAnswer is the metadata of the answer of connect.
type connectAnswer struct {
	URL  string      `json:"url"`
	STUN []iceServer `json:"stun_servers"`
}

// connect is GET /1.0/sessions/{id}/connect: whoever has a share's URL gets the URL of a socket for it.
func (g *Gateway) connect(c echo.Context) error {
	if kind := c.QueryParam("type"); kind != shareType {
		return badRequest("type must be %s, not %s", shareType, quoted(kind))
	}
	if id := c.Param("id"); !events.ValidToken(id) {
		return badRequest("%s is not a session id", quoted(id))
	}
	claims, err := g.cfg.Tokens.VerifyShare(c.QueryParam("token"), g.now())
	if err != nil || claims.Session != c.Param("id") {
		return badShare(err)
	}
	s, err := g.usable(c, events.ShareID(claims.Share))
	if err != nil {
		return err
	}
	tok, err := g.cfg.Tokens.IssueSocket(token.SocketClaims{Session: claims.Session, Peer: claims.Share, Role: token.RoleADB, Expiry: g.socketExpiry()})
	if err != nil {
		return err
	}
	return succeed(c, http.StatusOK, connectAnswer{g.socketURL(c.Request(), s.ID, token.RoleADB, tok), g.iceServers(claims.Share)})
}

// shared returns the session of a share whose token is good, if the share stands. The log is asked, not this gateway's
// read model: a share that was deleted or has expired opens nothing, whichever gateway is asked.
func (g *Gateway) shared(c echo.Context, id events.ShareID) (projections.Session, error) {
	session, _ := id.Session()
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	r, err := g.regionOf(ctx, session)
	var api *apiError
	switch {
	case errors.As(err, &api):
		return projections.Session{}, badShare(err) // its session is forgotten
	case err != nil:
		return projections.Session{}, err
	}
	s, _, err := projections.Load(ctx, g.cfg.Log, r, session)
	if err != nil {
		return s, err
	}
	if s.Ended() {
		return s, inactive(s) // its shares have ended with it
	}
	if x, ok := s.Share(id); !ok || !x.Stands(g.now()) {
		return s, badShare(nil)
	}
	return s, nil
}

func badShare(cause error) error {
	return &apiError{http.StatusUnauthorized, codeUnauthorized, "the share's token is not valid, or the share has expired or was deleted: ask for a new one", cause}
}

func inactive(s projections.Session) error {
	return &apiError{status: http.StatusBadRequest, code: codeWrongState, message: "the session is not active, it is " + string(s.Status)}
}
