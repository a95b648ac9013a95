package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
	// version is AppVersion as check has read it, 0 for the latest.
	version int
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

// creation is a session to be.
type creation struct {
	region  events.Region
	session events.SessionID
	peer    events.PeerID // of its first client
	data    events.CreatedData
	extra   json.RawMessage
	// status is that of a session that is there already, by its idempotency key; empty for a new one.
	status projections.Status
}

func (n creation) draft(name events.Name, data any) events.Draft {
	return events.NewDraft(n.region, n.session, events.Gateway, name, data)
}

func (n creation) joined() events.JoinedData {
	return events.JoinedData{Peer: n.peer, Generation: 1, Role: string(token.RoleSlave), Account: n.data.Account}
}

// createSession appends created and answers at once: the instance comes later, and says so in the log.
func (g *Gateway) createSession(c echo.Context) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var req createRequest
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	if err := req.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	var n creation
	if key != "" {
		n, err = g.createOnce(ctx, &req, caller(c), key)
	} else if n, err = g.plan(&req, caller(c), events.Region(req.Region)); err == nil {
		err = g.appendCreation(ctx, n)
	}
	if err != nil {
		return err
	}
	return g.answerClient(c, http.StatusCreated, sessionAnswer{ID: n.session, Region: n.region, Joinable: &n.data.Joinable,
		Status: cmp.Or(n.status, projections.StatusCreated)}, n.peer, token.RoleSlave)
}

// plan chooses what a request leaves open: the region, the screen and the names.
func (g *Gateway) plan(req *createRequest, account string, want events.Region) (n creation, err error) {
	place, err := g.place(req.App, req.version, want)
	if err != nil {
		return n, err
	}
	screen, err := req.Screen.over(place.app.Screen)
	if err != nil {
		return n, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return n, fmt.Errorf("gateway: session id: %w", err)
	}
	n = creation{region: place.region, session: events.SessionID(id.String()), peer: newPeer(), extra: req.ExtraData}
	n.data = events.CreatedData{
		App: req.App, AppVersion: req.version, Joinable: req.Joinable, IdleTimeMin: req.IdleTimeMin,
		Ephemeral: req.Ephemeral == nil || *req.Ephemeral, Screen: screen, Account: account, HasExtraData: req.hasExtraData(),
	}
	return n, n.checkUserData()
}

// checkUserData holds what the instance will be given against its limit.
func (n creation) checkUserData() error {
	if !n.data.HasExtraData {
		return nil
	}
	user, err := events.UserData(n.session, n.data.Screen, n.extra)
	if err != nil {
		return fmt.Errorf("gateway: user data: %w", err)
	}
	if over := len(user) - events.MaxUserData; over > 0 {
		return badRequest("extra_data is %d bytes too long: an instance's user data, of which it is a part, has at most %d", over, events.MaxUserData)
	}
	return nil
}

// appendCreation appends created, extra_data if there is any, and joined for the first client. They are sent together: the
// session's id is new, so nobody else can append in between.
func (g *Gateway) appendCreation(ctx context.Context, n creation) error {
	done, err := g.admitSession(n.data.Account, n.session)
	if err != nil {
		return err
	}
	defer done()
	drafts := []events.Draft{n.draft(events.Created, n.data)}
	if n.data.HasExtraData {
		drafts = append(drafts, n.draft(events.ExtraData, events.ExtraDataData{ExtraData: n.extra}))
	}
	drafts = append(drafts, n.draft(events.Joined, n.joined()))
	ctx, cancel := context.WithTimeout(ctx, creationTime)
	defer cancel()
	seqs, err := g.cfg.Log.AppendAll(ctx, drafts)
	if errors.Is(err, events.ErrUnavailable) {
		// Such as a stream that elects its leader at this moment. What was stored all the same is found.
		return g.complete(ctx, n, nil)
	}
	if err != nil {
		return err
	}
	return g.seen(ctx, seqs[len(seqs)-1])
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
func (g *Gateway) answerClient(c echo.Context, status int, a sessionAnswer, peer events.PeerID, role token.Role) error {
	tok, err := g.cfg.Tokens.IssueSocket(token.SocketClaims{Session: string(a.ID), Peer: string(peer), Role: role, Expiry: g.socketExpiry()})
	if err != nil {
		return fmt.Errorf("gateway: socket token: %w", err)
	}
	a.URL = g.socketURL(c.Request(), a.ID, role, tok)
	a.STUN = g.iceServers(string(peer))
	return succeed(c, status, a)
}

// check validates what does not depend on the log.
func (r *createRequest) check() (err error) {
	if r.App == "" {
		return badRequest("app is required: the name of an application, see GET /1.0/applications")
	}
	if !events.ValidToken(r.App) {
		return &apiError{status: http.StatusBadRequest, code: codeUnknownApp, message: "application " + quoted(r.App) + " is not known"}
	}
	if r.IdleTimeMin != nil && (*r.IdleTimeMin < 0 || *r.IdleTimeMin > maxIdleMinutes) {
		return badRequest("idle_time_min must be a number of minutes from 0 (never) to %d", maxIdleMinutes)
	}
	if len(r.ExtraData) > events.MaxUserData {
		return badRequest("extra_data has %d bytes, at most %d fit into the instance's user data", len(r.ExtraData), events.MaxUserData)
	}
	r.version, err = parseVersion(r.AppVersion)
	return err
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
