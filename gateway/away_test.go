package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/events/schema"
)

// answeredIn is how long any answer may take while NATS is away: two seconds, and much for a machine that does other things too, but
// less than the ten of what is not meant to answer soon.
const answeredIn = 8 * time.Second

// withoutLog are the routes that need no log, and what they answer. All others need it at least to know whether the caller's
// account still stands.
var withoutLog = map[string]int{
	"GET /1.0/schemas": http.StatusOK, "GET /1.0/schemas/:file": http.StatusOK, "GET /1.0/asyncapi.json": http.StatusOK,
	"GET /1.0/docs": http.StatusOK, "GET /1.0/docs/:file": http.StatusOK, "GET /1.0/openapi.json": http.StatusOK, "GET /metrics": http.StatusOK,
}

// away asks every route there is while NATS does not answer.
type away struct {
	r     *replica
	id    events.SessionID
	paths map[string]string // by route, the path to ask
	body  map[string]string
}

// openAway makes a session and a share to ask for.
func openAway(t *testing.T, r *replica) *away {
	t.Helper()
	c := r.create()
	r.stack.ready(c.ID, r)
	var share struct {
		ID, URL string
	}
	r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/share", `{"type":"adb"}`).into(t, &share)
	var adb struct{ URL string }
	r.do(http.MethodGet, strings.TrimPrefix(share.URL, r.url), "").into(t, &adb)
	path := func(url string) string {
		_, rest, ok := strings.Cut(url, "/1.0/sessions/")
		require.True(t, ok, url)
		return "/1.0/sessions/" + rest
	}
	return &away{r: r, id: c.ID,
		paths: map[string]string{
			"GET /1.0/sessions/:id/sockets/slave": path(c.URL), "GET /1.0/sessions/:id/sockets/adb": path(adb.URL),
			"GET /1.0/sessions/:id/sockets/viewer": path(r.watch(c.ID).URL), "GET /1.0/sessions/:id/sockets/master": masterPath(t, c.ID),
			"GET /1.0/sessions/:id/connect": path(share.URL), "GET /1.0/shares/:id": "/1.0/shares/" + share.ID,
			"PATCH /1.0/shares/:id": "/1.0/shares/" + share.ID, "DELETE /1.0/shares/:id": "/1.0/shares/" + share.ID,
			"GET /1.0/docs/:file": "/1.0/docs/docs.js", "GET /1.0/schemas/:file": "/1.0/schemas/" + schema.Names()[0] + ".json",
		},
		body: map[string]string{
			"POST /1.0/sessions": `{"app":"testcard"}`, "POST /1.0/sessions/:id/share": `{"type":"adb"}`,
			"PATCH /1.0/shares/:id": `{"description":"x"}`, "DELETE /1.0/sessions": `{"ids":["` + string(c.ID) + `"]}`,
			"PATCH /1.0/config": `{"name":"x","value":"1"}`,
		}}
}

// ask asks all routes at once, and each that can stream as a stream as well.
func (a *away) ask(t *testing.T) {
	t.Helper()
	var asked sync.WaitGroup
	for _, route := range a.r.echo.Routes() {
		name := route.Method + " " + route.Path
		want, ok := withoutLog[name]
		if !ok {
			want = http.StatusServiceUnavailable
		}
		path := a.paths[strings.Replace(name, "/session/", "/sessions/", 1)]
		if path == "" {
			path = strings.Replace(route.Path, ":id", string(a.id), 1)
		}
		headers := [][]string{nil}
		if strings.HasSuffix(name, "/events") {
			headers = append(headers, []string{"Accept", "text/event-stream"})
		}
		if strings.Contains(name, "/sockets/") {
			headers = [][]string{{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}
		}
		if name == "GET /1.0/sessions" || name == "GET /1.0/sessions/:id" {
			asked.Go(func() { a.one(t, name, path+"?as_of=1", http.StatusServiceUnavailable, nil) })
		}
		for _, h := range headers {
			asked.Go(func() { a.one(t, name, path, want, h) })
		}
	}
	asked.Wait()
}

func (a *away) one(t *testing.T, name, path string, want int, headers []string) {
	method, _, _ := strings.Cut(name, " ")
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.r.url+path, strings.NewReader(a.body[name]))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Macaroon root="+a.r.token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	begun := time.Now()
	res, err := noFollow.Do(req)
	took := time.Since(begun)
	if err != nil {
		t.Errorf("%s: %v after %s", name, err, took)
		return
	}
	defer func() { _ = res.Body.Close() }() // an error would tell nothing more
	var text []byte
	if res.StatusCode != http.StatusSwitchingProtocols {
		if text, err = io.ReadAll(res.Body); err != nil {
			t.Errorf("%s: body: %v", name, err)
		}
	}
	if took > answeredIn || res.StatusCode != want || want == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v: %d after %s, not %d: %.200s", name, headers, res.StatusCode, took, want, text)
	}
}

// A NATS that is killed, and one that takes everything and answers nothing, as behind a network that has gone: every route
// answers within two seconds, and all is well by itself when NATS is back.
func TestEveryRouteWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*testing.T) (r *replica, leave, back func()){
		"killed": func(t *testing.T) (*replica, func(), func()) {
			s := newStack(t)
			r := s.gateway(s.withMasters)
			s.agent("a1", 100, "testcard")
			r.serving("testcard")
			return r, s.nats.Stop, s.nats.Restart
		},
		"silent": func(t *testing.T) (*replica, func(), func()) {
			s := newStack(t)
			p := newTap(t, s.nats.URL())
			s.via = []nats.Option{func(o *nats.Options) error {
				o.Servers = []string{"nats://" + p.addr}
				return nil
			}}
			r := s.gateway(s.withMasters)
			s.agent("a1", 100, "testcard")
			r.serving("testcard")
			return r, p.stall, p.flow
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, leave, back := begin(t)
			a := openAway(t, r)
			leave()
			a.ask(t)
			back()
			eventstest.Wait(t, within, func() string {
				// As the agent does every three seconds; one by which it is there again is read from a new watch.
				beat := time.Now().UTC().Format(time.RFC3339Nano)
				_, err := r.stack.log.JetStream().Publish(t.Context(), "$KV."+events.HeartbeatBucket+"."+events.HeartbeatKey(region, "a1"), []byte(beat))
				if err != nil {
					return "a heartbeat: " + err.Error()
				}
				res, err := r.try(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`)
				if err != nil || res.StatusCode != http.StatusCreated {
					return fmt.Sprintf("a session: %d %s %v", res.StatusCode, res.Error, err)
				}
				return ""
			})
			b := dial(t, r.join(a.id).URL)
			b.send(`{"type":"discover"}`)
			require.Equal(t, "resp:discover", b.receive().Type)
		})
	}
}

// tap is a TCP proxy that can stop to hand anything on, while its connections stay open.
type tap struct {
	addr string
	mu   sync.RWMutex // held for writing while nothing flows
}

// newTap makes one before a NATS server.
func newTap(t *testing.T, natsURL string) *tap {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &tap{addr: l.Addr().String()}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = l.Close() // ends the loop
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(natsURL, "nats://"))
			if err != nil {
				_ = c.Close() // the server is not there
				continue
			}
			context.AfterFunc(ctx, func() { _, _ = c.Close(), s.Close() }) // ends both copies
			for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
				all.Go(func() {
					p.copy(way[0], way[1])
					_, _ = c.Close(), s.Close() // the other way ends as well
				})
			}
		}
	})
	return p
}

func (p *tap) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.RLock()
		_, werr := to.Write(buf[:n])
		p.mu.RUnlock()
		if err != nil || werr != nil {
			return
		}
	}
}

func (p *tap) stall() { p.mu.Lock() }
func (p *tap) flow()  { p.mu.Unlock() }
