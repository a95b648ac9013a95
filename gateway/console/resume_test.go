package console

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"streamstack/gateway/console/browsertest"
)

// dropping is a console whose first socket is closed once the streamer has answered, in this way.
func dropping(t *testing.T, last websocket.CloseError, words message) (*browsertest.Browser, *gateway) {
	t.Helper()
	b, g := openConsole(t, "")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropAfter, g.last, g.words = "resp:discover", last, words
	return b, g
}

// drop closes a socket as the test wants it.
func (g *gateway) drop(r *http.Request, conn *websocket.Conn) {
	g.mu.Lock()
	last, words := g.last, g.words
	g.away = g.leaves
	g.mu.Unlock()
	if words != nil && wsjson.Write(r.Context(), conn, words) != nil {
		return
	}
	if last.Code != 0 {
		_ = conn.Close(last.Code, last.Reason) // the page sees it, or the test fails
	}
}

// While the socket is away the page says so and tries again; when it is back the stream goes on where it was.
func TestALostSocketShows(t *testing.T) {
	t.Parallel()
	b, g := dropping(t, websocket.CloseError{}, nil)
	g.mu.Lock()
	g.leaves = true
	g.mu.Unlock()
	b.Exec(`window.states = []; new MutationObserver(() => states.push(document.querySelector('#status').dataset.state))
		.observe(document.querySelector('#status'), {attributes: true})`)
	b.Click(`#applications [data-start=testcard]`)
	b.Wait(`streamstack.state === 'reconnecting'`, "the loss in the page's state")
	require.Contains(t, b.Text("#status"), "Connection to the gateway lost")
	b.Wait(`!document.querySelector('#progress').hidden`, "the progress on the stage")
	var id string
	b.Eval(`streamstack.session`, &id)
	g.mu.Lock()
	g.away = false
	g.mu.Unlock()
	b.Wait(`streamstack.state === 'live'`, "the picture")
	b.Wait(`states.includes('reconnecting') && states.indexOf('reconnecting') < states.lastIndexOf('connecting')`, "what it did before, again")
	g.look(id, func(s *session) { require.Equal(t, 2, s.sockets) })
}

// A socket that is closed for good is not opened again, and the page says why.
func TestAClosedSocketSaysWhy(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		code   websocket.StatusCode
		reason string
		words  message
		state  string
	}{
		"over":      {code: 4000, reason: "the session has ended: nobody came", state: "ended"},
		"failed":    {code: 4000, reason: "the session failed", words: message{"type": "error", "code": 102, "message": "the session failed: no X server"}, state: "error"},
		"replaced":  {code: 4001, reason: "the same client opened another socket", state: "ended"},
		"displaced": {code: 4002, reason: "another client has joined the session", state: "ended"},
		"displaced, and told so": {code: 4002, reason: "another client has joined the session",
			words: message{"type": "error", "code": 100, "message": "another client has joined the session"}, state: "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, g := dropping(t, websocket.CloseError{Code: x.code, Reason: x.reason}, x.words)
			b.Click(`#applications [data-start=testcard]`)
			b.Wait(`streamstack.state === '`+x.state+`'`, "the end")
			require.Contains(t, b.Text("#failure-message"), x.reason)
			var id string
			b.Eval(`streamstack.session`, &id)
			b.Wait(`document.querySelectorAll('#timeline [data-event=detached]').length === 1`, "the socket's end")
			g.look(id, func(s *session) { require.Equal(t, 1, s.sockets, "it is not opened again") })
		})
	}
}

// A gateway whose log is away says so and closes; that is no end.
func TestAnUnreadyGatewayIsTriedAgain(t *testing.T) {
	t.Parallel()
	b, g := dropping(t, websocket.CloseError{Code: websocket.StatusTryAgainLater, Reason: "the log is not available"},
		message{"type": "error", "code": 103, "message": "the log is not available at the moment, try again"})
	id := start(b)
	g.look(id, func(s *session) { require.Equal(t, 2, s.sockets) })
}
