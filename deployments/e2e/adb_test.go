package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// roleListener is the first argument with which this program is an application that listens.
const roleListener = "role:listener"

// listener says which session it is of to whoever connects, and then sends everything back. One that finds its port taken
// goes on without.
func listener(port string) {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		select {}
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { // ends with the connection
			defer func() { _ = c.Close() }() // the other side may have
			data, _ := os.ReadFile(os.Getenv("STREAMSTACK_USER_DATA"))
			var user struct {
				Session string `json:"session_id"`
			}
			_ = json.Unmarshal(data, &user)             // an empty greeting fails the test
			_, _ = io.WriteString(c, user.Session+"\n") // as above
			_, _ = io.Copy(c, c)                        // until the end of either
		}()
	}
}

// A share leads through the whole stack to the port of its own session's application, and never to another session's that
// has got the port.
func TestShareLeadsToTheApplication(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	self, err := os.Executable()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "listener.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "name: listener\ncommand: [%q, %q, %q]\naudio: false\nadb: {port: %s}\n", self, roleListener, port, port), 0o600))
	s := stack.Up(t, stack.DataDir(t), "--applications", file)

	first := s.Create(client.CreateRequest{App: "listener"})
	s.Await(first.ID, events.Streamer, events.Ready)
	conn := useShare(t, s, first.ID)
	require.Equal(t, string(first.ID)+"\n", string(exchange(t, conn, nil, len(first.ID)+1)))
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent) // never fails
	require.True(t, bytes.Equal(sent, exchange(t, conn, sent, len(sent))))
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
	var closed events.ShareClosedData
	require.NoError(t, s.Await(first.ID, events.Gateway, events.ShareClosed).Decode(&closed))
	require.Equal(t, uint64(len(sent)), closed.BytesUp)

	second := s.Create(client.CreateRequest{App: "listener"})
	s.Await(second.ID, events.Streamer, events.Ready)
	_, _, err = useShare(t, s, second.ID).Read(t.Context())
	var ce websocket.CloseError
	require.ErrorAs(t, err, &ce)
	require.Contains(t, ce.Reason, "not this session's application's")
}

// useShare shares a session and uses the share.
func useShare(t *testing.T, s *stack.Stack, id events.SessionID) *websocket.Conn {
	t.Helper()
	var share, way struct{ Metadata struct{ URL string } }
	ask(t, http.MethodPost, s.Gateway+"/1.0/sessions/"+string(id)+"/share", s.Token, `{"type":"adb"}`, &share)
	ask(t, http.MethodGet, share.Metadata.URL, "", "", &way)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, way.Metadata.URL, nil) //nolint:bodyclose // the connection's
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() }) // closed already, mostly
	conn.SetReadLimit(-1)
	return conn
}

// ask sends a request and reads the answer.
func ask(t *testing.T, method, url, token, body string, answer any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Macaroon root="+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, res.Body.Close())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", text)
	require.NoError(t, json.Unmarshal(text, answer))
}

// exchange sends bytes while it reads so many.
func exchange(t *testing.T, conn *websocket.Conn, send []byte, n int) (got []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		if len(send) == 0 {
			return
		}
		if err := conn.Write(ctx, websocket.MessageBinary, send); err != nil {
			t.Error(err)
		}
	})
	for len(got) < n {
		_, data, err := conn.Read(ctx)
		require.NoError(t, err)
		got = append(got, data...)
	}
	return got
}
