package gateway

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/limit"
)

// limited is a house whose figures are the default's but for a change.
func limited(t *testing.T, change func(*limit.Figures)) *replica {
	t.Helper()
	return house(t, func(g *Gateway) { g.limit(change) })
}

// limit changes the figures of a gateway that does not run yet.
func (g *Gateway) limit(change func(*limit.Figures)) {
	change(&g.bounds.figures)
	g.settings = g.newSettings()
}

// refused holds an answer of a limit against what every one must have.
func refused(t *testing.T, a answer, code string) {
	t.Helper()
	require.Equal(t, http.StatusTooManyRequests, a.StatusCode, a.Error)
	require.Equal(t, code, a.Code)
	require.Regexp(t, `^[1-9]\d*$`, a.Header.Get("Retry-After"))
	require.Equal(t, "https://app.example.net", a.Header.Get("Access-Control-Allow-Origin"), "or a page would see a network error")
}

// origin is what a page sends; answers of limits must be readable for it.
var origin = []string{"Origin", "https://app.example.net"}

// Requests a second are bounded for each account by itself, and for each address that names none. The figures change while
// the gateway runs.
func TestRequestRate(t *testing.T) {
	t.Parallel()
	r := limited(t, func(f *limit.Figures) { f.RequestsPerSecond, f.RequestBurst = 0.01, 3 })
	other, err := r.CreateAccount(t.Context(), "other", time.Now().Add(time.Hour))
	require.NoError(t, err)
	for range 3 {
		require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/sessions", "").StatusCode)
		require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/status", "", "Authorization", "").StatusCode)
	}
	refused(t, r.do(http.MethodGet, "/1.0/sessions", "", origin...), "rate_limit")
	refused(t, r.do(http.MethodGet, "/1.0/status", "", append(origin, "Authorization", "")...), "rate_limit")
	require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/sessions", "", "Authorization", "macaroon root="+other).StatusCode)
	// A proxy on this machine speaks for others.
	require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/status", "", "X-Forwarded-For", "192.0.2.1").StatusCode)
	a := r.do(http.MethodPatch, "/1.0/config", `{"name":"requests_per_second","value":"1000"}`, "Authorization", "macaroon root="+other)
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/sessions", "").StatusCode, "at once")
	require.InDelta(t, 2, r.metric("streamstack_limits_hit_total{limit=\"request_rate\"}"), 0)
}

// Who guesses is told to wait, on every door that takes a credential; who comes from the same address with a good one is not.
func TestDeniedRate(t *testing.T) {
	t.Parallel()
	r := limited(t, func(f *limit.Figures) { f.DeniedPerMinute, f.DeniedBurst = 0.1, 4 })
	id := string(r.create().ID)
	doors := []string{"/1.0/sessions", "/1.0/sessions/" + id + "/sockets/slave?token=x", "/1.0/sessions/" + id + "/sockets/adb?token=x", "/1.0/sessions/" + id + "/connect?type=adb&token=x"}
	for _, path := range doors {
		require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, path, "", "Authorization", "macaroon root=x").StatusCode, path)
	}
	for _, path := range doors {
		a := r.do(http.MethodGet, path, "", append(origin, "Authorization", "macaroon root=x")...)
		refused(t, a, "denied_limit")
		require.Greater(t, len(a.Header.Get("Retry-After")), 1, "it takes 600 s to get one back")
	}
	require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/sessions", "").StatusCode, "a good one")
	a := r.do(http.MethodGet, "/1.0/sessions", "", "Authorization", "", "X-Forwarded-For", "192.0.2.1")
	require.Equal(t, http.StatusUnauthorized, a.StatusCode, "another address")
}

// Of creations that come at once no more get through than the account may have, others are not concerned, and an ended
// session makes room. A second gateway counts what it sees in the log.
func TestSessionsPerAccount(t *testing.T) {
	t.Parallel()
	const most = 5
	r := limited(t, func(f *limit.Figures) { f.SessionsPerAccount = most })
	var made, over atomic.Int64
	var all sync.WaitGroup
	for range 4 * most {
		all.Go(func() {
			a, err := r.try(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`)
			switch {
			case err == nil && a.StatusCode == http.StatusCreated:
				made.Add(1)
			case err == nil && a.StatusCode == http.StatusTooManyRequests && a.Code == "session_limit":
				over.Add(1)
			default:
				t.Errorf("%v %+v", err, a)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, most, made.Load())
	require.EqualValues(t, 3*most, over.Load())
	refused(t, r.do(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`, origin...), "session_limit")

	second := r.stack.gateway(func(g *Gateway) { g.limit(func(f *limit.Figures) { f.SessionsPerAccount = most }) })
	second.serving("testcard")
	refused(t, second.do(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`, origin...), "session_limit")

	other, err := r.CreateAccount(t.Context(), "other", time.Now().Add(time.Hour))
	require.NoError(t, err)
	a := r.do(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`, "Authorization", "macaroon root="+other)
	require.Equal(t, http.StatusCreated, a.StatusCode, a.Error)

	var ids []events.SessionID
	r.do(http.MethodGet, "/1.0/sessions?sort_by=created_at", "").into(t, &ids)
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(ids[0])+"?sync=true", "").StatusCode)
	r.create()
	refused(t, r.do(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`, origin...), "session_limit")
}

// Sockets are bounded for each account, and a closed one makes room.
func TestSocketsPerAccount(t *testing.T) {
	t.Parallel()
	r := limited(t, func(f *limit.Figures) { f.SocketsPerAccount = 2 })
	b := dial(t, r.create().URL)
	dial(t, r.create().URL)
	third := r.create()
	require.Equal(t, http.StatusTooManyRequests, refusal(t, third.URL))
	require.InDelta(t, 2, r.metric("streamstack_sockets_open"), 0)
	require.NoError(t, b.conn.Close(websocket.StatusNormalClosure, ""))
	eventstest.Wait(t, within, func() string {
		if n := r.bounds.sockets.All(); n != 1 {
			return fmt.Sprintf("%d sockets to be 1", n)
		}
		return ""
	})
	dial(t, third.URL)
}

// What is too long is refused in our envelope, whether it says so before or not, and read by a page.
func TestBodySize(t *testing.T) {
	t.Parallel()
	r := house(t)
	long := `{"app":"testcard","extra_data":"` + strings.Repeat("x", maxBody) + `"}`
	for _, path := range []string{"/1.0/sessions", "/1.0/sessions/x/join", "/1.0/shares/x"} {
		method := http.MethodPost
		if strings.Contains(path, "shares") {
			method = http.MethodPatch
		}
		a := r.do(method, path, long, origin...)
		require.Equal(t, http.StatusRequestEntityTooLarge, a.StatusCode, path)
		require.Equal(t, "too_large", a.Code)
		require.Equal(t, "https://app.example.net", a.Header.Get("Access-Control-Allow-Origin"))
	}
	status := r.raw("POST /1.0/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: macaroon root=" + r.token + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
		fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(long), long))
	require.Contains(t, status, " 413 ")
	require.Contains(t, r.raw("GET /1.0/status HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 80<<10)+"\r\n\r\n"), " 431 ")
	require.InDelta(t, 4, r.metric(`streamstack_limits_hit_total{limit="body_size"}`), 0)
}

// raw sends bytes and returns the status line of the answer.
func (r *replica) raw(request string) string {
	t := r.stack.t
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	require.NoError(t, err)
	defer func() { _ = c.Close() }() // whatever became of it
	require.NoError(t, c.SetDeadline(time.Now().Add(within)))
	go func() { _, _ = c.Write([]byte(request)) }() // the gateway may not read it to its end
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	return line
}
