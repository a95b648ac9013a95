package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

const keyed = `{"app":"testcard","joinable":true,"extra_data":{"a":1}}`

// whole is the history of a creation that was completed once.
var whole = []string{"gateway.created", "gateway.extra_data", "gateway.joined"}

func (r *replica) createKeyed(key, body string) (answer, created) {
	r.stack.t.Helper()
	a := r.do(http.MethodPost, "/1.0/sessions", body, "Idempotency-Key", key)
	var c created
	if a.StatusCode == http.StatusCreated {
		a.into(r.stack.t, &c)
	}
	return a, c
}

// The same key with the same body gives the same session, also when it has begun, and when there is no more room for
// another one; with another body it is refused, and another account's key is another key.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	s.agent("a1", 2, "testcard")
	r.serving("testcard")
	const key = `"8e03978e-40d5-43e8-bc93-6894a57f9324"`
	_, first := r.createKeyed(key, keyed)
	_, plain := r.createKeyed(strings.Trim(key, `"`), keyed)
	require.Equal(t, first.ID, plain.ID, "the quotes are the header's, not the key's")
	a, again := r.createKeyed(key, ` {"joinable": true, "app": "testcard", "extra_data": {"a": 1}, "unknown": 5}`)
	require.Equal(t, first.ID, again.ID, "what means the same is the same: %s", a.Error)
	names, _ := s.history(first.ID)
	require.Equal(t, whole, names)
	b := dial(t, again.URL) // its token is as good as the first
	s.awaits(first.ID, "client.attached", 1)
	_ = b.conn.CloseNow() // the test's own end

	a, _ = r.createKeyed(key, `{"app":"testcard","joinable":true,"extra_data":{"a":2}}`)
	require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode)
	require.Equal(t, "idempotency_key_reused", a.Code)
	require.NotContains(t, a.Error, string(first.ID))

	token, err := r.CreateAccount(t.Context(), "other", r.now().Add(1e12))
	require.NoError(t, err)
	mine := r.token
	r.token = token
	a, theirs := r.createKeyed(key, `{"app":"testcard"}`)
	require.Equal(t, http.StatusCreated, a.StatusCode, a.Error)
	require.NotEqual(t, first.ID, theirs.ID)
	r.token = mine

	a, _ = r.createKeyed("another", keyed)
	require.Equal(t, "no_capacity", a.Code, "a refused request takes no key")
	_, again = r.createKeyed(key, keyed)
	require.Equal(t, first.ID, again.ID, "there is no room for another one")
	s.say(theirs.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1})
	s.say(theirs.ID, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "done"}, r)
	a, fresh := r.createKeyed("another", keyed)
	require.Equal(t, http.StatusCreated, a.StatusCode, a.Error)
	require.NotEqual(t, first.ID, fresh.ID)
	// Nobody reads keys off the log.
	require.NoError(t, s.log.Read(t.Context(), events.RequestsStream, "", 0, func(e events.Event) error {
		require.NotContains(t, e.Subject+string(e.Data), "8e03978e")
		require.Empty(t, e.Quarantine)
		return nil
	}))
}

func TestBadIdempotencyKeys(t *testing.T) {
	t.Parallel()
	r := house(t)
	for _, bad := range []string{`""`, strings.Repeat("x", maxKey+1), `a"b`, `a\b`, "ü", `"`} {
		a := r.do(http.MethodPost, "/1.0/sessions", keyed, "Idempotency-Key", bad)
		require.Equal(t, http.StatusBadRequest, a.StatusCode, bad)
		require.Contains(t, a.Error, "Idempotency-Key")
	}
	a, _ := r.createKeyed(strings.Repeat("x", maxKey), keyed)
	require.Equal(t, http.StatusCreated, a.StatusCode, a.Error)
}

// Forty requests with one key at once, at two gateways: one session, and each of its events once.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	one := house(t)
	s := one.stack
	two := s.gateway()
	two.serving("testcard")
	for round := range 5 {
		var mu sync.Mutex
		ids := map[events.SessionID]int{}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				a, err := []*replica{one, two}[i%2].try(http.MethodPost, "/1.0/sessions", keyed, "Idempotency-Key", fmt.Sprint("round ", round))
				if err != nil || a.StatusCode != http.StatusCreated {
					t.Errorf("%v, %d %s", err, a.StatusCode, a.Error)
					return
				}
				var c created
				a.into(t, &c)
				mu.Lock()
				defer mu.Unlock()
				ids[c.ID]++
			})
		}
		wg.Wait()
		require.Len(t, ids, 1)
		for id := range ids {
			names, _ := s.history(id)
			require.Equal(t, whole, names)
		}
	}
}

// A gateway that died at any step of a creation leaves what the next one with the key completes.
func TestIdempotencyKeyAfterACrash(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	for done := range len(whole) + 1 {
		key := fmt.Sprint("crash ", done)
		var req createRequest
		require.NoError(t, jsonInto(keyed, &req))
		n, err := r.plan(&req, "tester", "")
		require.NoError(t, err)
		mark, err := req.fingerprint(key)
		require.NoError(t, err)
		require.NoError(t, s.log.ClaimRequest(t.Context(), requestKey("tester", key),
			events.RequestData{Session: n.session, Region: n.region, Peer: n.peer, Fingerprint: mark}))
		for i, d := range []events.Draft{
			n.draft(events.Created, n.data), n.draft(events.ExtraData, events.ExtraDataData{ExtraData: n.extra}), n.draft(events.Joined, n.joined()),
		} {
			if i < done {
				_, err := s.log.Append(t.Context(), d)
				require.NoError(t, err)
			}
		}
		a, c := r.createKeyed(key, keyed)
		require.Equal(t, http.StatusCreated, a.StatusCode, a.Error)
		require.Equal(t, n.session, c.ID)
		names, _ := s.history(c.ID)
		require.Equal(t, whole, names, "after %d steps", done)
		require.Equal(t, n.peer, s.peerOf(c.ID))
	}
}

// A key stands for its session as that is now; when it has ended, nobody is sent to it any more, nor does the key get another.
func TestIdempotencyKeyLater(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	_, c := r.createKeyed("later", keyed)
	s.ready(c.ID, r)
	s.say(c.ID, events.Streamer, events.Connected, events.ConnectedData{Peer: s.peerOf(c.ID)}, r)
	a, again := r.createKeyed("later", keyed)
	require.Equal(t, c.ID, again.ID, a.Error)
	var grant sessionAnswer
	a.into(t, &grant)
	require.Equal(t, projections.StatusActive, grant.Status)
	for _, d := range []struct {
		actor events.Actor
		name  events.Name
		data  any
	}{
		{events.Gateway, events.Terminating, events.TerminatingData{By: "account:tester", Reason: "deleted"}},
		{events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "done"}},
	} {
		s.say(c.ID, d.actor, d.name, d.data, r)
		a, _ = r.createKeyed("later", keyed)
		require.Equal(t, http.StatusBadRequest, a.StatusCode, d.name)
		require.Equal(t, "wrong_state", a.Code)
		require.Contains(t, a.Error, "take a new key")
		require.NotContains(t, string(a.Metadata), "token")
	}
	a, _ = r.createKeyed("later", `{"app":"testcard"}`)
	require.Equal(t, "idempotency_key_reused", a.Code, "which comes first")
}
