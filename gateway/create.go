package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// createRequest is the body of POST /1.0/sessions (gateway-api.md, section 5).
type createRequest struct {
	App         string          `json:"app"`
	AppVersion  json.RawMessage `json:"app_version"`
	Region      string          `json:"region"`
	Joinable    bool            `json:"joinable"`
	IdleTimeMin *int            `json:"idle_time_min"`
	Ephemeral   *bool           `json:"ephemeral"`
	ExtraData   json.RawMessage `json:"extra_data"`
	Screen      *screenRequest  `json:"screen"`
}

// sessionAnswer is the metadata of a create's and a join's answer.
type sessionAnswer struct {
	ID       events.SessionID   `json:"id"`
	Region   events.Region      `json:"region,omitempty"`
	Joinable *bool              `json:"joinable,omitempty"`
	Status   projections.Status `json:"status,omitempty"`
	URL      string             `json:"url"`
	STUN     []iceServer        `json:"stun_servers"`
}

// iceServer is one entry of stun_servers.
type iceServer struct {
	URLs     []string `json:"urls"`
	Username string   `json:"username,omitempty"`
	Password string   `json:"password,omitempty"`
}

// createSession appends created and answers at once: the instance comes later, and says so in the log.
func (g *Gateway) createSession(c echo.Context) error {
	var req createRequest
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	version, err := req.check()
	if err != nil {
		return err
	}
	place, err := g.place(req.App, version, events.Region(req.Region))
	if err != nil {
		return err
	}
	screen, err := req.Screen.over(place.app.Screen)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("gateway: session id: %w", err)
	}
	created := events.CreatedData{
		App: req.App, AppVersion: version, Joinable: req.Joinable, IdleTimeMin: req.IdleTimeMin,
		Ephemeral: req.Ephemeral == nil || *req.Ephemeral, Screen: screen, Account: caller(c), HasExtraData: req.hasExtraData(),
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	session := events.SessionID(id.String())
	peer, err := g.appendCreation(ctx, place.region, session, created, req.ExtraData)
	if err != nil {
		return err
	}
	return g.answerClient(c, http.StatusCreated, sessionAnswer{ID: session, Region: place.region, Joinable: &created.Joinable,
		Status: projections.StatusCreated}, peer)
}

// appendCreation appends created, extra_data if there is any, and joined for the first client.
func (g *Gateway) appendCreation(ctx context.Context, r events.Region, id events.SessionID, d events.CreatedData, extra json.RawMessage) (events.PeerID, error) {
	done, err := g.admitSession(d.Account, id)
	if err != nil {
		return "", err
	}
	defer done()
	log := g.cfg.Log
	if _, err := log.AppendExpecting(ctx, events.NewDraft(r, id, events.Gateway, events.Created, d), 0); err != nil {
		return "", err
	}
	if d.HasExtraData {
		if _, err := log.Append(ctx, events.NewDraft(r, id, events.Gateway, events.ExtraData, events.ExtraDataData{ExtraData: extra})); err != nil {
			return "", err
		}
	}
	peer := newPeer()
	joined := events.NewDraft(r, id, events.Gateway, events.Joined, events.JoinedData{Peer: peer, Generation: 1, Role: string(token.RoleSlave), Account: d.Account})
	seq, err := log.Append(ctx, joined)
	if err != nil {
		return "", err
	}
	return peer, g.seen(ctx, seq)
}

// seen waits until this gateway's read model contains what it just wrote.
func (g *Gateway) seen(ctx context.Context, seq events.Seq) error {
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	if err := g.sessions.Wait(ctx, seq); err != nil {
		return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	return nil
}

func newPeer() events.PeerID { return events.PeerID(uuid.NewString()) }

// answerClient adds the socket URL and the STUN and TURN servers to an answer.
func (g *Gateway) answerClient(c echo.Context, status int, a sessionAnswer, peer events.PeerID) error {
	tok, err := g.cfg.Tokens.IssueSocket(token.SocketClaims{Session: string(a.ID), Peer: string(peer), Role: token.RoleSlave, Expiry: g.socketExpiry()})
	if err != nil {
		return fmt.Errorf("gateway: socket token: %w", err)
	}
	a.URL = g.socketURL(c.Request(), a.ID, token.RoleSlave, tok)
	a.STUN = g.iceServers(string(peer))
	return succeed(c, status, a)
}

// check validates what does not depend on the log, and returns the wanted version, 0 for the latest.
func (r *createRequest) check() (version int, err error) {
	if r.App == "" {
		return 0, badRequest("app is required: the name of an application, see GET /1.0/applications")
	}
	if !events.ValidToken(r.App) {
		return 0, &apiError{status: http.StatusBadRequest, code: codeUnknownApp, message: "application " + quoted(r.App) + " is not known"}
	}
	if r.Region != "" && !events.ValidToken(r.Region) {
		return 0, badRequest("region %s is not a region's name", quoted(r.Region))
	}
	if r.IdleTimeMin != nil && (*r.IdleTimeMin < 0 || *r.IdleTimeMin > maxIdleMinutes) {
		return 0, badRequest("idle_time_min must be a number of minutes from 0 (never) to %d", maxIdleMinutes)
	}
	if len(r.ExtraData) > maxUserData {
		return 0, badRequest("extra_data has %d bytes, at most %d fit into the instance's user data", len(r.ExtraData), maxUserData)
	}
	return parseVersion(r.AppVersion)
}

// maxIdleMinutes is a year: far enough from overflowing a duration.
const maxIdleMinutes = 365 * 24 * 60

func (r *createRequest) hasExtraData() bool {
	return len(r.ExtraData) > 0 && !bytes.Equal(bytes.TrimSpace(r.ExtraData), []byte("null"))
}

// parseVersion accepts a number or a numeric string; absent, null and -1 mean the latest.
func parseVersion(raw json.RawMessage) (int, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return 0, nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, badRequest("app_version is not a string")
		}
	}
	if text == "" {
		return 0, nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < -1 {
		return 0, badRequest("app_version must be a whole number, or -1 for the latest, not %s", quoted(text))
	}
	return max(v, 0), nil
}
