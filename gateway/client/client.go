package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"streamstack/events"
)

// Client calls the REST API of a gateway. It is safe for concurrent use. Every call waits as long as its context.
type Client struct {
	api api
}

// New makes a client of the gateway at base (http://host:port, a path prefix allowed) that shows this API token.
func New(base, token string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, errors.New("the gateway's address is none: write http://HOST:PORT or https://HOST, without a user or password")
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the API token is empty or damaged: `streamstack account create NAME` makes one")
	}
	return &Client{api{
		base: strings.TrimSuffix(u.String(), "/"), token: token, where: "the gateway at " + u.Host,
		http: &http.Client{CheckRedirect: noRedirect},
	}}, nil
}

// Session is a session as the API shows it (gateway-api.md, section 7).
type Session struct {
	ID            events.SessionID `json:"id"`
	App           string           `json:"app"`
	Region        events.Region    `json:"region"`
	Joinable      bool             `json:"joinable"`
	Status        string           `json:"status"` // created, active, error, terminating or terminated
	StatusMessage string           `json:"status_message"`
	ContainerID   string           `json:"container_id"`
	ClusterID     string           `json:"cluster_id"`
	Viewers       int              `json:"viewers,omitempty"` // how many watch
}

// Screen asks for a display. Members that are 0 are left to the gateway. Sizes are in pixels, density in dots per inch.
type Screen struct {
	Width   int `json:"width,omitempty"`
	Height  int `json:"height,omitempty"`
	FPS     int `json:"fps,omitempty"`
	Density int `json:"density,omitempty"`
}

// CreateRequest asks for a session (gateway-api.md, section 5).
type CreateRequest struct {
	App         string     `json:"app"`
	AppVersion  int        `json:"app_version,omitempty"` // 0: the latest
	Region      string     `json:"region,omitempty"`      // empty: the gateway chooses
	Joinable    bool       `json:"joinable"`
	IdleTimeMin *int       `json:"idle_time_min,omitempty"` // minutes; nil: the gateway's default, 0: never
	Ephemeral   *bool      `json:"ephemeral,omitempty"`     // nil: true
	ExtraData   events.Raw `json:"extra_data,omitempty"`    // any JSON value
	Screen      *Screen    `json:"screen,omitempty"`        // nil: the application's own
}

// Grant is the answer to a create and a join: how a client gets to its stream. It is secret: URL and passwords open the
// session.
type Grant struct {
	ID       events.SessionID `json:"id"`
	Region   events.Region    `json:"region,omitempty"`   // of a create only, as are the next two
	Joinable bool             `json:"joinable,omitempty"` //
	Status   string           `json:"status,omitempty"`   //
	URL      string           `json:"url"`                // of the websocket
	STUN     []ICEServer      `json:"stun_servers"`
}

// ICEServer is a STUN or TURN server.
type ICEServer struct {
	URLs     []string `json:"urls"`
	Username string   `json:"username,omitempty"`
	Password string   `json:"password,omitempty"`
}

// Create starts a session. It returns as soon as the session is in the log, before an agent has claimed it.
func (c *Client) Create(ctx context.Context, r CreateRequest) (Grant, error) {
	var g Grant
	_, err := c.api.call(ctx, http.MethodPost, "/1.0/sessions", r, http.StatusCreated, &g)
	return g, err
}

// ListOptions narrow a list. The zero value takes all.
type ListOptions struct {
	Status        string
	Limit, Offset int // 0: none
}

// List returns sessions and how many there are in all.
func (c *Client) List(ctx context.Context, o ListOptions) (list []Session, total int, err error) {
	q := url.Values{"recursion": {"true"}}
	set(q, "status", o.Status)
	setInt(q, "limit", o.Limit)
	setInt(q, "offset", o.Offset)
	e, err := c.api.call(ctx, http.MethodGet, "/1.0/sessions?"+q.Encode(), nil, http.StatusOK, &list)
	return list, e.TotalSize, err
}

// Show returns one session.
func (c *Client) Show(ctx context.Context, id events.SessionID) (Session, error) {
	var s Session
	_, err := c.api.call(ctx, http.MethodGet, sessionPath(id), nil, http.StatusOK, &s)
	return s, err
}

// Delete ends a session. With wait it returns after the session's end, which may take some seconds.
func (c *Client) Delete(ctx context.Context, id events.SessionID, wait bool) error {
	path := sessionPath(id)
	if wait {
		path += "?sync=true"
	}
	_, err := c.api.call(ctx, http.MethodDelete, path, nil, http.StatusOK, nil)
	return err
}

// Join lets a new client into a session, which displaces the one that is there. A nil screen leaves the display as it is.
func (c *Client) Join(ctx context.Context, id events.SessionID, s *Screen) (Grant, error) {
	var g Grant
	body := struct {
		Screen *Screen `json:"screen,omitempty"`
	}{s}
	_, err := c.api.call(ctx, http.MethodPost, sessionPath(id)+"/join", body, http.StatusOK, &g)
	return g, err
}

// Watch lets a client into a session that may look and do nothing; it displaces nobody.
func (c *Client) Watch(ctx context.Context, id events.SessionID) (Grant, error) {
	var g Grant
	body := struct {
		Role string `json:"role"`
	}{events.RoleViewer}
	_, err := c.api.call(ctx, http.MethodPost, sessionPath(id)+"/join", body, http.StatusOK, &g)
	return g, err
}

// Applications returns the names of what can be started now.
func (c *Client) Applications(ctx context.Context) ([]string, error) {
	var list []struct {
		Name string `json:"name"`
	}
	_, err := c.api.call(ctx, http.MethodGet, "/1.0/applications", nil, http.StatusOK, &list)
	names := make([]string, 0, len(list))
	for _, x := range list {
		names = append(names, x.Name)
	}
	return names, err
}

// EventsQuery chooses events (cli.md, "REST for the log"). The zero value takes the first hundred of all.
type EventsQuery struct {
	Session events.SessionID
	Region  events.Region
	Type    string
	After   events.Seq
	Limit   int // 1 to 1000; 0 means 100
}

// Events returns a page of events and the sequence to go on after; a page that brings none is the last so far.
func (c *Client) Events(ctx context.Context, o EventsQuery) (page []events.Event, next events.Seq, err error) {
	q := url.Values{}
	path := "/1.0/events"
	if o.Session != "" {
		path = sessionPath(o.Session) + "/events" // answers 404 for a session that never was
	}
	set(q, "region", string(o.Region))
	set(q, "type", o.Type)
	setInt(q, "limit", o.Limit)
	if o.After > 0 {
		q.Set("after", strconv.FormatUint(uint64(o.After), 10))
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	e, err := c.api.call(ctx, http.MethodGet, path, nil, http.StatusOK, &page)
	return page, e.Next, err
}

// Quality returns a page of a session's quality samples after a sequence, and the one to go on after; a page that brings none
// is the last so far. The limit is 1 to 1000, 0 means 100.
func (c *Client) Quality(ctx context.Context, id events.SessionID, after events.Seq, limit int) (page []events.Event, next events.Seq, err error) {
	q := url.Values{}
	setInt(q, "limit", limit)
	q.Set("after", strconv.FormatUint(uint64(after), 10))
	e, err := c.api.call(ctx, http.MethodGet, sessionPath(id)+"/quality?"+q.Encode(), nil, http.StatusOK, &page)
	return page, e.Next, err
}

func sessionPath(id events.SessionID) string { return "/1.0/sessions/" + url.PathEscape(string(id)) }

func set(q url.Values, key, value string) {
	if value != "" {
		q.Set(key, value)
	}
}

func setInt(q url.Values, key string, value int) {
	if value != 0 {
		q.Set(key, strconv.Itoa(value))
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// check keeps an answer without an id from being taken for a session.
func (g Grant) check() error {
	if g.ID == "" || g.URL == "" {
		return fmt.Errorf("%w: no id or no url in it", errAnswer)
	}
	return nil
}
