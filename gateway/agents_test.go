package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/token"
)

// agents are what GET /1.0/agents lists.
func (r *replica) agentsList(query string) (list []agentObject) {
	r.stack.t.Helper()
	a := r.do(http.MethodGet, "/1.0/agents"+query, "")
	require.Equal(r.stack.t, http.StatusOK, a.StatusCode, a.Error)
	require.NoError(r.stack.t, json.Unmarshal(a.Metadata, &list))
	return list
}

// Agents are listed with what they have and do; a drained one gets no more sessions, until it is resumed.
func TestAgents(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	before := len(r.agentsList(""))
	s.agent("a7", 3, "xterm")
	r.serving("xterm")
	list := r.agentsList("")
	require.Len(t, list, before+1)
	c := r.create(`{"app":"xterm"}`)
	s.say(c.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a7", Attempt: 1}, r)
	show := func() (o agentObject) {
		a := r.do(http.MethodGet, "/1.0/agents/a7", "")
		require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
		require.NoError(t, json.Unmarshal(a.Metadata, &o))
		return o
	}
	o := show()
	require.Equal(t, agentOnline, o.Status)
	require.Equal(t, 3, o.Slots)
	require.Equal(t, 1, o.Sessions)
	require.Equal(t, []agentApplication{{Name: "xterm", Versions: []int{1, 2}}}, o.Applications)
	require.NotNil(t, o.GPUs)
	require.Nil(t, o.Drain)

	a := r.do(http.MethodPost, "/1.0/agents/a7/drain", `{"deadline_min":5}`)
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	require.NoError(t, json.Unmarshal(a.Metadata, &o))
	require.Equal(t, agentDraining, o.Status)
	require.Equal(t, "account:tester", o.Drain.By)
	until, err := time.Parse(time.RFC3339, o.Drain.Until)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(5*time.Minute), until, time.Minute)
	require.Equal(t, "application_not_served", r.do(http.MethodPost, "/1.0/sessions", `{"app":"xterm"}`).Code)
	a = r.do(http.MethodDelete, "/1.0/agents/a7/drain", "")
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	require.Nil(t, show().Drain)
	r.create(`{"app":"xterm"}`)

	_, err = s.log.Append(t.Context(), events.NewAgentDraft(region, "a7", events.AgentOffline, events.OfflineData{Reason: "stopped"}))
	require.NoError(t, err)
	eventstest.Wait(t, within, func() string {
		if n := len(r.agentsList("")); n != before {
			return fmt.Sprintf("%d agents, there are %d", before, n)
		}
		return ""
	})
	require.Len(t, r.agentsList("?all=true"), before+1)
	require.Equal(t, agentOffline, show().Status)
	require.Equal(t, "wrong_state", r.do(http.MethodPost, "/1.0/agents/a7/drain", "").Code)
}

func TestAgentsRefused(t *testing.T) {
	t.Parallel()
	r := house(t)
	r.stack.agent("a7", 3, "xterm")
	r.serving("xterm")
	for want, got := range map[string]answer{
		"not_found":   r.do(http.MethodGet, "/1.0/agents/nobody", ""),
		"bad_request": r.do(http.MethodPost, "/1.0/agents/a7/drain", `{"deadline_min":-1}`),
	} {
		require.Equal(t, want, got.Code, got.Error)
	}
	require.Equal(t, "not_found", r.do(http.MethodGet, "/1.0/agents/a7?region=mars", "").Code)
	require.Equal(t, "not_found", r.do(http.MethodDelete, "/1.0/agents/nobody/drain", "").Code)
	for _, bad := range []string{`{"deadline_min":9999999}`, `{"deadline_min":1.5}`, `null`, `[]`} {
		require.Equal(t, "bad_request", r.do(http.MethodPost, "/1.0/agents/a7/drain", bad).Code, bad)
	}
	require.Equal(t, "bad_request", r.do(http.MethodGet, "/1.0/agents?all=some", "").Code)
	reader, err := r.CreateAccount(t.Context(), "reader", time.Now().Add(time.Hour), token.Read)
	require.NoError(t, err)
	as := []string{"Authorization", "Macaroon root=" + reader}
	require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/agents", "", as...).StatusCode)
	require.Equal(t, "forbidden", r.do(http.MethodPost, "/1.0/agents/a7/drain", "", as...).Code)
	require.Equal(t, "forbidden", r.do(http.MethodDelete, "/1.0/agents/a7/drain", "", as...).Code)
}

// A heartbeat may say how busy the machine is.
func TestAgentLoad(t *testing.T) {
	load := 0.42
	h, ok := events.ParseHeartbeat(events.Heartbeat{Time: time.Now(), Load: &load}.Value())
	require.True(t, ok)
	require.InDelta(t, load, *h.Load, 0)
}
