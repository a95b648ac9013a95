package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/keyfile"
	"streamstack/gateway/turn"
)

// created, active, terminating, and then 404: an ephemeral session that ended in order is gone.
func TestLifeOfASession(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	require.Equal(t, "created", r.status(c.ID))
	s.claim(c.ID, r)
	require.Equal(t, "created", r.status(c.ID))
	s.say(c.ID, events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 1, Instance: "i1"}, r)
	s.say(c.ID, events.Streamer, events.Ready, events.ReadyData{}, r)
	require.Equal(t, "active", r.status(c.ID))
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID), "").StatusCode)
	require.Equal(t, "terminating", r.status(c.ID))
	require.Equal(t, http.StatusBadRequest, r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", "").StatusCode)
	// Again, it is no second request.
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID), "").StatusCode)
	var d events.TerminatingData
	require.NoError(t, s.awaits(c.ID, "gateway.terminating", 1).Decode(&d))
	require.Equal(t, "account:tester", d.By)
	s.say(c.ID, events.Agent, events.Terminated, events.EndedData{Reason: "deleted by tester"}, r)
	require.Equal(t, "404", r.status(c.ID))
	require.Equal(t, http.StatusNotFound, r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", "").StatusCode)
	require.Equal(t, http.StatusNotFound, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID), "").StatusCode)
}

// A session that failed is kept, with its message, until somebody deletes it.
func TestFailedSessionIsKept(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	s.ready(c.ID, r)
	s.say(c.ID, events.Agent, events.Failed, events.FailedData{Part: "application", Reason: "testcard exited with code 3"}, r)
	a := r.do(http.MethodGet, "/1.0/sessions/"+string(c.ID), "")
	require.JSONEq(t, `{"id":"`+string(c.ID)+`","app":"testcard","region":"local","joinable":true,"status":"error",
		"status_message":"testcard exited with code 3","container_id":"","cluster_id":"a1"}`, string(a.Metadata))
	a = r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", "")
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Contains(t, a.Error, "testcard exited with code 3")
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID)+"?sync=true", "").StatusCode)
	require.Equal(t, "404", r.status(c.ID))
}

// A session that no agent has claimed ends at once when it is deleted.
func TestDeleteUnclaimed(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID), "").StatusCode)
	require.Equal(t, "404", r.status(c.ID))
	names, _ := r.stack.history(c.ID)
	require.Equal(t, []string{"gateway.created", "gateway.joined", "gateway.terminating", "gateway.expired"}, names)
}

// A gateway that dies between terminating and expired leaves the ending to the others.
func TestDeleteCutInTheMiddle(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	r.stack.say(c.ID, events.Gateway, events.Terminating, events.TerminatingData{By: "account:tester", Reason: "deleted by tester"})
	var d events.EndedData
	require.NoError(t, r.stack.awaits(c.ID, "gateway.expired", 1).Decode(&d))
	require.Equal(t, "deleted by tester", d.Reason)
}

// With sync the answer comes after the ending, also through another gateway than the one that is asked.
func TestDeleteAndWait(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	r.stack.ready(c.ID, r)
	answered := make(chan error, 1)
	go func() {
		_, err := r.try(http.MethodDelete, "/1.0/sessions/"+string(c.ID)+"?sync=true", "")
		answered <- err
	}()
	r.stack.awaits(c.ID, "gateway.terminating", 1)
	select {
	case err := <-answered:
		t.Fatalf("answered before the end: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	r.stack.say(c.ID, events.Agent, events.Terminated, events.EndedData{Reason: "done"})
	require.NoError(t, <-answered)
	require.Equal(t, "404", r.status(c.ID))
}

// force ends a session whose agent does not answer, and only then.
func TestDeleteByForce(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	alive, dead := r.create(), r.create()
	s.claim(alive.ID, r)
	s.say(dead.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "ghost", Attempt: 1}, r)
	for _, c := range []created{alive, dead} {
		require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID)+"?force=true", "").StatusCode)
	}
	require.Equal(t, "terminating", r.status(alive.ID))
	var d events.EndedData
	require.NoError(t, s.awaits(dead.ID, "gateway.agent_lost", 1).Decode(&d))
	require.Contains(t, d.Reason, "could not be reached")
}

func TestJoin(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	s.ready(c.ID, r)
	for _, body := range []string{"", "{}", `{"disconnect_clients":true}`, `{"screen":{"width":1080,"height":2340}}`, `{"screen":{}}`} {
		a := r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", body)
		require.Equal(t, http.StatusOK, a.StatusCode, "%s: %s", body, a.Error)
		var j created
		a.into(t, &j)
		require.Equal(t, c.ID, j.ID)
		require.JSONEq(t, "[]", string(j.STUN))
	}
	var d events.JoinedData
	require.NoError(t, s.awaits(c.ID, "gateway.joined", 6).Decode(&d))
	require.Equal(t, 6, d.Generation)
	require.Equal(t, &events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 96}, d.Screen, "absent members keep their value")
	for _, bad := range []string{`[]`, `{`, `{"screen":5}`, `{"screen":{"width":-1}}`} {
		require.Equal(t, http.StatusBadRequest, r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", bad).StatusCode, bad)
	}
	closed := r.create(`{"app":"testcard","joinable":false}`)
	require.Equal(t, http.StatusBadRequest, r.do(http.MethodPost, "/1.0/sessions/"+string(closed.ID)+"/join", "").StatusCode)
}

// URLs are built from the public address, with its prefix and as wss, and TURN's entries are what a browser takes.
func TestPublicAddress(t *testing.T) {
	t.Parallel()
	secret, err := keyfile.Open(t.TempDir() + "/turn.key")
	require.NoError(t, err)
	r := house(t, func(g *Gateway) {
		g.cfg.PublicURL = "https://stream.example.net/base/"
		g.cfg.TURN = &TURN{Credentials: turn.Credentials{Secret: turn.SecretFrom(secret.Current)}, Address: "turn.example.net:3478"}
	})
	c := r.create()
	for _, c := range []created{c, r.join(c.ID)} {
		require.True(t, strings.HasPrefix(c.URL, "wss://stream.example.net/base/1.0/sessions/"+string(c.ID)+"/sockets/slave?token="), c.URL)
		var servers []iceServer
		require.NoError(t, json.Unmarshal(c.STUN, &servers))
		require.NotEmpty(t, servers)
		for _, s := range servers {
			require.NotEmpty(t, s.URLs)
			for _, u := range s.URLs {
				require.Contains(t, u, "turn.example.net:3478")
				require.Equal(t, strings.HasPrefix(u, "turn:"), s.Username != "" && s.Password != "", "%+v", s)
			}
		}
	}
	_, all := r.stack.history(c.ID)
	for _, e := range all {
		require.NotContains(t, string(e.Data), "password")
		require.NotContains(t, string(e.Data), "token")
	}
}
