package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// Who may join is a matter of the session's status (gateway-api.md, section 6), and so is what else the status says; one
// that failed is usable again when its instance is started again (section 9).
func TestJoinByStatus(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	join := func(id events.SessionID, want int, why string) {
		t.Helper()
		a := r.do(http.MethodPost, "/1.0/sessions/"+string(id)+"/join", "")
		require.Equal(t, want, a.StatusCode, a.Error)
		if want != http.StatusOK {
			require.Equal(t, "wrong_state", a.Code)
			require.Contains(t, a.Error, why)
		}
	}
	x := r.create()
	require.Equal(t, "created", r.status(x.ID))
	join(x.ID, http.StatusOK, "")
	s.ready(x.ID, r)
	require.Equal(t, "active", r.status(x.ID))
	join(x.ID, http.StatusOK, "")
	s.say(x.ID, events.Agent, events.Failed, events.FailedData{Attempt: 1, Part: "application", Reason: "testcard exited with code 3"}, r)
	require.Equal(t, "error", r.status(x.ID))
	join(x.ID, http.StatusBadRequest, "it is error (testcard exited with code 3)")

	s.say(x.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 2}, r)
	require.Equal(t, "created", r.status(x.ID), "its instance is started again")
	join(x.ID, http.StatusOK, "")
	s.say(x.ID, events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 2, Instance: "i2"}, r)
	s.say(x.ID, events.Streamer, events.Ready, events.ReadyData{}, r)
	require.Equal(t, "active", r.status(x.ID))

	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(x.ID), "").StatusCode)
	require.Equal(t, "terminating", r.status(x.ID))
	join(x.ID, http.StatusBadRequest, "it is terminating")

	kept := r.create(`{"app":"testcard","joinable":true,"ephemeral":false}`)
	s.ready(kept.ID, r)
	s.say(kept.ID, events.Agent, events.Terminated, events.EndedData{Attempt: 1, Reason: "the application ended"}, r)
	require.Equal(t, "terminated", r.status(kept.ID), "it is not ephemeral")
	join(kept.ID, http.StatusBadRequest, "it is terminated")
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(kept.ID), "").StatusCode)
	require.Equal(t, "404", r.status(kept.ID))

	closed := r.create(`{"app":"testcard","joinable":false}`)
	join(closed.ID, http.StatusBadRequest, "joinable false")
}

// agentIn is a fake agent in another region than the usual one.
func (s *stack) agentIn(r events.Region, id events.AgentID, slots int) {
	s.t.Helper()
	m := nats.NewMsg("$KV." + events.HeartbeatBucket + "." + events.HeartbeatKey(r, id))
	m.Data = []byte(time.Now().UTC().Format(time.RFC3339Nano))
	_, err := s.log.JetStream().PublishMsg(s.t.Context(), m)
	require.NoError(s.t, err)
	_, err = s.log.Append(s.t.Context(), events.NewAgentDraft(r, id, events.AgentOnline, events.OnlineData{Slots: slots,
		Applications: []events.ApplicationData{{Name: "testcard", Versions: []int{1}}}}))
	require.NoError(s.t, err)
}

// Without a region the one with the most room is taken, by what lives there at the moment; a region that is named is kept
// to, and one without room is named in the answer.
func TestRegionByLiveCapacity(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	s.agentIn("small", "a1", 2)
	s.agentIn("large", "a2", 4)
	eventstest.Wait(t, within, func() string {
		if _, alive := r.agentsNow(); len(alive) != 2 {
			return "two agents"
		}
		return ""
	})
	got := map[string]int{}
	for range 6 {
		a := r.do(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`)
		require.Equal(t, http.StatusCreated, a.StatusCode, a.Error)
		var x sessionAnswer
		a.into(t, &x)
		got[string(x.Region)]++
		if got["small"] == 0 {
			require.LessOrEqual(t, got["large"], 3, "large has no more room than small by now")
		}
	}
	require.Equal(t, map[string]int{"large": 4, "small": 2}, got)
	for body, why := range map[string]string{
		`{"app":"testcard"}`:                  "no room for application testcard: all slots",
		`{"app":"testcard","region":"small"}`: "in region small",
	} {
		a := r.do(http.MethodPost, "/1.0/sessions", body)
		require.Equal(t, http.StatusNotFound, a.StatusCode)
		require.Equal(t, "no_capacity", a.Code)
		require.Contains(t, a.Error, why)
	}
}

// extra_data of any JSON is taken as long as the user data of which it is a part fits; what the gateway takes, the
// agent's document holds.
func TestExtraDataLimit(t *testing.T) {
	t.Parallel()
	r := house(t)
	fits := func(extra string) bool {
		t.Helper()
		a := r.do(http.MethodPost, "/1.0/sessions", `{"app":"testcard","extra_data":`+extra+`}`)
		if a.StatusCode != http.StatusCreated {
			require.Equal(t, http.StatusBadRequest, a.StatusCode)
			require.Contains(t, a.Error, "extra_data")
			return false
		}
		var c created
		a.into(t, &c)
		var stored events.ExtraDataData
		require.NoError(t, r.stack.awaits(c.ID, "gateway.extra_data", 1).Decode(&stored))
		user, err := events.UserData(c.ID, events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 96}, stored.ExtraData)
		require.NoError(t, err)
		require.LessOrEqual(t, len(user), events.MaxUserData)
		var back struct {
			Extra json.RawMessage `json:"extra_data"`
		}
		require.NoError(t, json.Unmarshal(user, &back))
		require.JSONEq(t, extra, string(back.Extra))
		return true
	}
	for _, extra := range []string{`"$(id) ; ' \" \u0000 ü 🚀"`, `{"a":[1e300,-0.1,null,{}]}`, `12345678901234567890`, `true`, `[]`, `""`} {
		require.True(t, fits(extra), extra)
	}
	var longest int
	for n := events.MaxUserData; ; n-- {
		if fits(`"` + strings.Repeat("x", n) + `"`) {
			longest = n
			break
		}
	}
	require.Greater(t, longest, 10_000)
	require.False(t, fits(`"`+strings.Repeat("<", longest)+`"`), "as long as the instance will be given it")
}

// The status needs no token, and tells more to whoever has one; a bad token is none.
func TestStatusByToken(t *testing.T) {
	t.Parallel()
	r := house(t)
	for auth, more := range map[string]bool{"": false, "Macaroon root=rubbish": false, "macaroon root=" + r.token: true} {
		a := r.do(http.MethodGet, "/1.0/status", "", "Authorization", auth)
		require.Equal(t, http.StatusOK, a.StatusCode)
		var st map[string]any
		a.into(t, &st)
		require.Equal(t, "healthy", st["status"])
		require.Equal(t, more, st["agents"] != nil, auth)
		require.Equal(t, more, st["database_nodes"] != nil, auth)
	}
}
