package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// joinRequest is the body of POST …/join; disconnect_clients is accepted and ignored, for a join always displaces.
type joinRequest struct {
	Screen *screenRequest `json:"screen"`
	// Role is empty or slave for a client, viewer for one that only watches.
	Role token.Role `json:"role"`
}

// check says what cannot be asked for.
func (r *joinRequest) check() error {
	switch r.Role {
	case "":
		r.Role = token.RoleSlave
	case token.RoleSlave:
	case token.RoleViewer:
		if r.Screen != nil {
			return badRequest("a viewer sees the screen as it is: leave screen out")
		}
	default:
		return badRequest("role must be slave or viewer, not %s", quoted(string(r.Role)))
	}
	return nil
}

// joinSession lets a new client in, which displaces the earlier one, or a viewer, which displaces nobody.
func (g *Gateway) joinSession(c echo.Context) error {
	var req joinRequest
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	if err := req.check(); err != nil {
		return err
	}
	s, err := g.session(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	peer := newPeer()
	s, seq, err := projections.Decide(ctx, g.cfg.Log, s.Region, s.ID, func(s projections.Session) (*events.Draft, error) {
		return g.joinDraft(s, req, peer, caller(c))
	})
	if errors.Is(err, projections.ErrUnknownSession) {
		return notFound(c.Param("id"))
	}
	if err != nil {
		return err
	}
	if err := g.seen(ctx, seq); err != nil {
		return err
	}
	return g.answerClient(c, http.StatusOK, sessionAnswer{ID: s.ID}, peer, req.Role)
}

// joinDraft decides whether a session can be joined.
func (g *Gateway) joinDraft(s projections.Session, req joinRequest, peer events.PeerID, account string) (*events.Draft, error) {
	wrong := func(msg string) error {
		return &apiError{status: http.StatusBadRequest, code: codeWrongState, message: msg}
	}
	switch {
	case s.Status != projections.StatusCreated && s.Status != projections.StatusActive:
		msg := "the session cannot be joined: it is " + string(s.Status)
		if s.StatusMessage != "" {
			msg += " (" + s.StatusMessage + ")"
		}
		return nil, wrong(msg)
	case !s.Joinable:
		return nil, wrong("the session was created with joinable false")
	}
	data := events.JoinedData{Peer: peer, Generation: s.Generation + 1, Role: string(req.Role), Account: account}
	if req.Role == token.RoleViewer {
		if s.Ready != nil && s.Ready.Via == events.ViaMaster {
			return nil, wrong(oneClientText)
		}
		most := projections.MaxViewers
		if limit := g.Limits().ViewersPerSession; limit > 0 {
			most = min(most, limit)
		}
		if len(s.Viewers) >= most {
			return nil, tooMany(codeViewerLimit, "the session has %d viewers, no more are allowed: wait until one has left", most)
		}
		data.Generation = s.Watched + 1
	}
	if req.Screen != nil {
		screen, err := req.Screen.over(s.Screen)
		if err != nil {
			return nil, err
		}
		data.Screen = &screen
	}
	d := events.NewDraft(s.Region, s.ID, events.Gateway, events.Joined, data)
	return &d, nil
}

// socketURL is where a client opens its socket: the configured public place, or the one the request came to.
func (g *Gateway) socketURL(r *http.Request, id events.SessionID, role token.Role, tok string) string {
	u := g.publicURL(r)
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u = u.JoinPath("1.0", "sessions", string(id), "sockets", string(role))
	u.RawQuery = url.Values{"token": {tok}}.Encode()
	return u.String()
}

func (g *Gateway) publicURL(r *http.Request) *url.URL {
	if public := g.settings.Values().PublicURL; public != "" {
		if u, err := url.Parse(public); err == nil {
			return u
		}
	}
	u := &url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u
}

// iceServers are the STUN and TURN servers for one client; never nil, for the SDK stops at a null.
func (g *Gateway) iceServers(id string) []iceServer {
	out := []iceServer{}
	if g.cfg.TURN == nil {
		return out
	}
	for _, s := range g.cfg.TURN.servers(g.now(), id) {
		out = append(out, iceServer{URLs: s.URLs, Username: s.Username, Password: s.Password})
	}
	return out
}
