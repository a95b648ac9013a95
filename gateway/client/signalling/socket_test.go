package signalling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/gateway/client/signalling"
)

// within bounds each wait of a test.
const within = 60 * time.Second

// resumeBudget ends the generation of cases: each waits between its connections.
const resumeBudget = 4 * time.Second

// script is a gateway as far as a socket sees it. Each connection is given to serve, with what its address says.
type script struct {
	server *httptest.Server
	mu     sync.Mutex
	visits []string // the query of each connection
}

// play serves connections until the test ends; serve returns how the connection ends.
func play(t *testing.T, serve func(n int, w http.ResponseWriter, r *http.Request)) *script {
	t.Helper()
	s := &script{}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.visits = append(s.visits, r.URL.RawQuery)
		n := len(s.visits)
		s.mu.Unlock()
		serve(n, w, r)
	}))
	t.Cleanup(s.server.Close)
	return s
}

// url is where the socket is.
func (s *script) url() string {
	return "ws" + strings.TrimPrefix(s.server.URL, "http") + "/1.0/sessions/x/sockets/slave?token=a%2Bb"
}

// seen are the queries so far.
func (s *script) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.visits...)
}

// accept opens the server's end.
func accept(w http.ResponseWriter, r *http.Request) *websocket.Conn {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil
	}
	return conn
}

func say(ctx context.Context, conn *websocket.Conn, m any) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return conn.Write(ctx, websocket.MessageText, data) //nolint:wrapcheck // a test's
}

// listen runs a socket until it ends, and returns how and what it heard.
func listen(t *testing.T, s *script, handle func(*signalling.Socket, signalling.Message) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var socket *signalling.Socket
	socket = signalling.New(signalling.Config{URL: s.url(), Handle: func(_ context.Context, m signalling.Message) error { return handle(socket, m) }})
	return socket.Run(ctx)
}

// Wherever connections are cut, what is handed on is what was said, each once and in order; the address goes on after the
// last of it, and the credential in it stays as it was.
func TestResume(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(begun) > resumeBudget {
			return
		}
		const messages = 8
		cuts := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(rt, "messages before each cut")
		repeat := rapid.IntRange(0, 2).Draw(rt, "messages that come again")
		s := play(t, func(n int, w http.ResponseWriter, r *http.Request) {
			conn := accept(w, r)
			if conn == nil {
				return
			}
			defer func() { _ = conn.CloseNow() }() // the cut
			var after int
			_, _ = fmt.Sscanf(r.URL.Query().Get("after"), "%d", &after)
			left := messages
			if n <= len(cuts) {
				left = cuts[n-1]
			}
			for seq := max(1, after+1-repeat); seq <= messages && left > 0; seq, left = seq+1, left-1 {
				if say(r.Context(), conn, signalling.Message{Type: signalling.TypeCandidate, Candidate: "candidate:1", Sequence: events.Seq(seq)}) != nil {
					return
				}
			}
			if n > len(cuts) {
				_, _, _ = conn.Read(r.Context()) // the discover; then the client closes
				_, _, _ = conn.Read(r.Context())
			}
		})
		var got []events.Seq
		err := listen(t, s, func(socket *signalling.Socket, m signalling.Message) error {
			if got = append(got, m.Sequence); m.Sequence == messages {
				socket.Close()
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		for i, seq := range got {
			if seq != events.Seq(i+1) {
				rt.Fatalf("message %d has sequence %d", i+1, seq)
			}
		}
		if len(got) != messages {
			rt.Fatalf("%d messages of %d", len(got), messages)
		}
		for _, query := range s.seen() {
			if !strings.HasPrefix(query, "token=a%2Bb&after=") {
				rt.Fatalf("the address has the query %q", query)
			}
		}
	})
}

// What was sent on a lost connection is sent again, in order, but for what the streamer's steps show to have arrived.
func TestUnconfirmedIsSaidAgain(t *testing.T) {
	t.Parallel()
	heard := make(chan []string, 3)
	answers := [][]signalling.Message{
		{{Type: signalling.TypeDiscoverR, Sequence: 1}}, {{Type: signalling.TypeOffer, SDP: "v=0", Sequence: 2}}, nil,
	}
	wants := []int{2, 2, 2} // messages to wait for, on each connection, before it is cut
	s := play(t, func(n int, w http.ResponseWriter, r *http.Request) {
		conn := accept(w, r)
		if conn == nil || n > len(answers) {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		var kinds []string
		for len(kinds) < wants[n-1] {
			_, data, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			var m signalling.Message
			if json.Unmarshal(data, &m) == nil {
				kinds = append(kinds, m.Type)
			}
			if len(kinds) == 1 {
				for _, a := range answers[n-1] {
					if say(r.Context(), conn, a) != nil {
						return
					}
				}
			}
		}
		heard <- kinds
		if n == len(answers) {
			_ = conn.Close(signalling.CloseEnded, "over")
		}
	})
	err := listen(t, s, func(socket *signalling.Socket, m signalling.Message) error {
		switch m.Type {
		case signalling.TypeDiscoverR:
			return socket.Send(signalling.Settings{EnableVideo: true})
		case signalling.TypeOffer:
			return errors.Join(socket.Send(signalling.Message{Type: signalling.TypeAnswer, SDP: "v=0"}),
				socket.Send(signalling.Message{Type: signalling.TypeCandidate, Candidate: "candidate:1"}))
		}
		return nil
	})
	var over *signalling.Ended
	require.ErrorAs(t, err, &over)
	require.Equal(t, []string{"discover", "settings"}, <-heard)
	require.Equal(t, []string{"settings", "answer"}, <-heard, "cut before the candidate")
	require.Equal(t, []string{"answer", "candidate"}, <-heard)
}

// A gateway that says that it is over is believed, and its reason handed on; anything else is no reason to give up.
func TestEndings(t *testing.T) {
	t.Parallel()
	ends := func(code int, reason string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if conn := accept(w, r); conn != nil {
				_ = conn.Close(websocket.StatusCode(code), reason)
			}
		}
	}
	refuses := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	says := func(m signalling.Message, code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if conn := accept(w, r); conn != nil {
				_ = say(r.Context(), conn, m)
				_ = conn.Close(websocket.StatusCode(code), m.Message)
			}
		}
	}
	for name, x := range map[string]struct {
		serve  func(http.ResponseWriter, *http.Request)
		code   int // 0: it is opened again
		reason string
	}{
		"ended":             {serve: ends(4000, "the session has ended: idle"), code: 4000, reason: "the session has ended: idle"},
		"replaced":          {serve: ends(4001, "the same client opened another socket"), code: 4001, reason: "the same client opened another socket"},
		"displaced":         {serve: ends(4002, "another client has joined"), code: 4002, reason: "another client has joined"},
		"error message":     {serve: says(signalling.Message{Type: "error", Code: 101, Message: "no codec in common"}, 4000), code: 4000, reason: "no codec in common"},
		"token":             {serve: refuses(401, `{"type":"error","error":"the socket's token is not valid"}`), code: 401, reason: "the socket's token is not valid"},
		"no envelope":       {serve: refuses(404, `<html>`), code: 404, reason: "404 Not Found"},
		"the log is away":   {serve: says(signalling.Message{Type: "error", Code: 103, Message: "the log is not available"}, 1013)},
		"gateway stops":     {serve: ends(1001, "the gateway is stopping")},
		"too slow":          {serve: ends(1008, "the client does not read fast enough")},
		"gateway away":      {serve: refuses(503, `{}`)},
		"a proxy's trouble": {serve: refuses(502, `no upstream`)},
		"too many":          {serve: refuses(429, `{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 1 {
					x.serve(w, r)
				} else {
					ends(4000, "at last")(w, r)
				}
			})
			var over *signalling.Ended
			require.ErrorAs(t, listen(t, s, func(_ *signalling.Socket, m signalling.Message) error { return fmt.Errorf("heard %s", m.Type) }), &over)
			require.NotContains(t, over.Error(), "token=")
			if x.code == 0 {
				require.Equal(t, "at last", over.Reason)
				require.Len(t, s.seen(), 2)
				return
			}
			require.Equal(t, signalling.Ended{Code: x.code, Reason: x.reason}, *over)
			require.Len(t, s.seen(), 1)
		})
	}
}

// Close ends Run, also while nothing answers; and so does the context.
func TestClose(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	s := play(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(hold) })
	for _, end := range []func(*signalling.Socket, context.CancelFunc){
		func(s *signalling.Socket, _ context.CancelFunc) { s.Close(); s.Close() },
		func(_ *signalling.Socket, cancel context.CancelFunc) { cancel() },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		socket := signalling.New(signalling.Config{URL: s.url(), Handle: func(context.Context, signalling.Message) error { return nil }})
		ended := make(chan error, 1)
		go func() { ended <- socket.Run(ctx) }()
		end(socket, cancel)
		select {
		case err := <-ended:
			require.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
		case <-time.After(within):
			t.Fatal("Run has not ended")
		}
	}
}

func TestSendNeedsAType(t *testing.T) {
	t.Parallel()
	socket := signalling.New(signalling.Config{})
	require.ErrorContains(t, socket.Send(map[string]int{"a": 1}), "needs a type")
	require.ErrorContains(t, socket.Send([]int{1}), "needs a type")
	require.NoError(t, socket.Send(signalling.Settings{}))
}
