package gateway

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/keyfile"
	"streamstack/gateway/token"
)

// A socket's token is good for one session, one role and a short time, whatever address it is shown at, and for nothing else
// of the API.
func TestSocketTokenOpensOneSocketOnly(t *testing.T) {
	t.Parallel()
	r := house(t)
	one, other := r.create(), r.create()
	secretOf := func(c created) string {
		_, tok, ok := strings.Cut(c.URL, "token=")
		require.True(t, ok)
		return tok
	}
	claims, err := r.stack.mint.VerifySocket(secretOf(one), time.Now())
	require.NoError(t, err)
	require.Equal(t, token.RoleSlave, claims.Role)
	require.WithinDuration(t, time.Now().Add(socketTokenLife), claims.Expiry, time.Minute)
	require.LessOrEqual(t, socketTokenLife, 15*time.Minute, "a short time")

	issue := func(session events.SessionID, role token.Role) string {
		tok, err := r.stack.mint.IssueSocket(token.SocketClaims{Session: string(session), Peer: claims.Peer, Role: role, Expiry: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		return tok
	}
	at := func(c created, role, tok string) string {
		return r.moved(r.url + "/1.0/sessions/" + string(c.ID) + "/sockets/" + role + "?token=" + tok)
	}
	roles := []token.Role{token.RoleMaster, token.RoleSlave, token.RoleViewer, token.RoleADB}
	for _, made := range roles {
		for _, shown := range []token.Role{token.RoleSlave, token.RoleViewer, token.RoleADB} {
			if made != shown {
				require.Equal(t, http.StatusUnauthorized, refusal(t, at(one, string(shown), issue(one.ID, made))), "a %s's token as %s", made, shown)
			}
		}
		require.Equal(t, http.StatusUnauthorized, refusal(t, at(other, "slave", issue(one.ID, made))), "another session's")
	}
	require.Equal(t, http.StatusUnauthorized, refusal(t, at(other, "slave", secretOf(one))))
	for _, route := range []string{"/1.0/sessions", "/1.0/sessions/" + string(one.ID), "/1.0/events", "/1.0/shares"} {
		require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, route, "", "Authorization", "macaroon root="+secretOf(one)).StatusCode, route)
	}
	a := r.do(http.MethodGet, "/1.0/sessions/"+string(one.ID)+"/connect?type=adb&token="+secretOf(one), "")
	require.Equal(t, http.StatusUnauthorized, a.StatusCode, "nor is it a share's")

	// Its holder can make it shorter, and not longer.
	shorter, err := token.Narrow(secretOf(one), 0, time.Now().Add(-time.Second))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, refusal(t, at(one, "slave", shorter)))

	// After a join it is of no use, at whatever gateway.
	second := r.stack.gateway()
	j := r.join(one.ID)
	dial(t, one.URL).fails("another client has joined", closeDisplaced)
	dial(t, second.moved(one.URL)).fails("another client has joined", closeDisplaced)
	require.NotEqual(t, secretOf(one), secretOf(j))
	c := dial(t, j.URL)
	r.stack.awaits(one.ID, "client.attached", 1)
	require.NoError(t, c.conn.Close(websocket.StatusNormalClosure, ""))
}

// Tokens are good across one rotation of the root key, at gateways that share it and were told nothing; not across two.
func TestSocketTokenAcrossRotations(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	folder := t.TempDir()
	open := func() *token.Mint {
		m, err := token.Open(folder, discard())
		require.NoError(t, err)
		return m
	}
	s.mint = open()
	r := s.gateway()
	s.mint = open()
	other := s.gateway()
	s.agent("a1", 100, "testcard")
	r.serving("testcard")
	other.serving("testcard")
	old := r.create()
	rotate := func() {
		_, err := keyfile.Rotate(filepath.Join(folder, token.File))
		require.NoError(t, err)
	}
	rotate()
	dial(t, other.moved(old.URL))
	s.awaits(old.ID, "client.attached", 1)
	fresh := r.create()
	dial(t, other.moved(fresh.URL))
	s.awaits(fresh.ID, "client.attached", 1)
	rotate()
	require.Equal(t, http.StatusUnauthorized, refusal(t, r.moved(old.URL)))
	require.Equal(t, http.StatusUnauthorized, refusal(t, other.moved(old.URL)))
	dial(t, r.moved(fresh.URL))
	s.awaits(fresh.ID, "client.attached", 2)
}
