package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// newShare makes a share; body defaults to the least that is needed.
func (r *replica) newShare(id events.SessionID, body ...string) shareAnswer {
	r.stack.t.Helper()
	text := `{"type":"adb"}`
	if len(body) > 0 {
		text = body[0]
	}
	a := r.do(http.MethodPost, "/1.0/sessions/"+string(id)+"/share", text)
	require.Equal(r.stack.t, http.StatusOK, a.StatusCode, a.Error)
	var x shareAnswer
	a.into(r.stack.t, &x)
	return x
}

// open asks what a share's URL answers, without an account.
func (r *replica) open(address string) answer {
	r.stack.t.Helper()
	u, err := url.Parse(address)
	require.NoError(r.stack.t, err)
	return r.do(http.MethodGet, u.RequestURI(), "", "Authorization", "")
}

// revoked waits until so many shares of a session are revoked, and returns the last one's event.
func (s *stack) revoked(id events.SessionID, n int) (d events.ShareRevokedData) {
	s.t.Helper()
	require.NoError(s.t, s.awaits(id, "gateway.share_revoked", n).Decode(&d))
	return d
}

// A share is made, shown, opened, changed and deleted, on one gateway and on another.
func TestLifeOfAShare(t *testing.T) {
	t.Parallel()
	r := house(t)
	s, other := r.stack, r.stack.gateway()
	c := r.create()
	s.ready(c.ID, r, other)
	begun := time.Now()
	x := r.newShare(c.ID, `{"type":"adb","description":"for Kim","unknown":1}`)
	require.Equal(t, int64(720), x.ExpiryMin)
	require.WithinDuration(t, begun.Add(12*time.Hour), time.Unix(x.ExpiryAt, 0), within)
	require.True(t, strings.HasPrefix(x.URL, r.url+"/1.0/sessions/"+string(c.ID)+"/connect?type=adb&token="), x.URL)

	var shown shareObject
	r.do(http.MethodGet, "/1.0/shares/"+string(x.ID)+"/", "").into(t, &shown)
	require.Equal(t, shareObject{ID: x.ID, SessionID: c.ID, Type: "adb", Description: "for Kim", CreatedAt: shown.CreatedAt, ExpiryAt: x.ExpiryAt, URL: x.URL}, shown)
	require.WithinDuration(t, begun, time.Unix(shown.CreatedAt, 0), within)

	for _, g := range []*replica{r, other} {
		a := g.open(x.URL)
		require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
		var way struct {
			URL  string            `json:"url"`
			STUN []json.RawMessage `json:"stun_servers"`
		}
		a.into(t, &way)
		require.NotNil(t, way.STUN, "never null")
		require.True(t, strings.HasPrefix(way.URL, strings.Replace(g.url, "http", "ws", 1)+"/1.0/sessions/"+string(c.ID)+"/sockets/adb?token="), way.URL)
		a = g.open(way.URL)
		require.Equal(t, http.StatusUpgradeRequired, a.StatusCode, "a socket")
		a = g.open(strings.Replace(way.URL, "/adb", "/slave", 1))
		require.Equal(t, http.StatusUnauthorized, a.StatusCode, "a token of one role")
		require.Equal(t, http.StatusUnauthorized, g.open(strings.Replace(c.URL, "/slave", "/adb", 1)).StatusCode, "and of the other")
	}

	later := begun.Add(20 * 24 * time.Hour).Unix()
	a := other.do(http.MethodPatch, "/1.0/shares/"+string(x.ID), fmt.Sprintf(`{"expiry_at":%d}`, later))
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	a.into(t, &shown)
	require.Equal(t, later, shown.ExpiryAt)
	require.Equal(t, "for Kim", shown.Description)
	require.Equal(t, x.URL[len(r.url):], shown.URL[len(other.url):], "the URL stays the same")
	a = other.do(http.MethodPatch, "/1.0/shares/"+string(x.ID), `{"description":""}`)
	a.into(t, &shown)
	require.Empty(t, shown.Description)
	require.Equal(t, later, shown.ExpiryAt)
	s.awaits(c.ID, "gateway.shared", 3)

	require.Equal(t, http.StatusOK, other.do(http.MethodDelete, "/1.0/shares/"+string(x.ID), "").StatusCode)
	for _, g := range []*replica{other, r} { // no waiting: from its event on it is refused everywhere
		require.Equal(t, http.StatusUnauthorized, g.open(x.URL).StatusCode)
		require.Equal(t, http.StatusNotFound, g.do(http.MethodDelete, "/1.0/shares/"+string(x.ID), "").StatusCode)
	}
	require.Equal(t, events.ShareRevokedData{ID: x.ID, Reason: events.ShareDeleted, Account: "tester"}, s.revoked(c.ID, 1))
	require.Equal(t, http.StatusNotFound, other.do(http.MethodGet, "/1.0/shares/"+string(x.ID), "").StatusCode)

	y := r.newShare(c.ID)
	require.Equal(t, http.StatusAccepted, r.do(http.MethodDelete, "/1.0/shares/"+string(y.ID)+"?sync=false", "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, r.open(y.URL).StatusCode)
	s.revoked(c.ID, 2)

	// Nothing in the log opens anything.
	_, all := s.history(c.ID)
	for _, e := range all {
		require.NotContains(t, string(e.Data), "token=")
		require.NotContains(t, string(e.Data), x.URL[strings.Index(x.URL, "token=")+len("token="):])
	}
}

// What the contract's section 11 refuses, each with its code.
func TestShareRefusals(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c, waiting, failed, ending := r.create(), r.create(), r.create(), r.create()
	for _, x := range []created{c, failed, ending} {
		s.ready(x.ID, r)
	}
	x, early := r.newShare(c.ID), r.newShare(waiting.ID) // one that has no instance yet can be shared
	failedShare := r.newShare(failed.ID)
	s.say(failed.ID, events.Agent, events.Failed, events.FailedData{Attempt: 1, Reason: "crash"}, r)
	s.say(ending.ID, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted"}, r)
	tok := x.URL[strings.Index(x.URL, "token="):]
	soon, most := time.Now().Add(time.Hour).Unix(), time.Now().Add(30*24*time.Hour).Unix()
	for _, q := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","expiry_at":` + fmt.Sprint(most-60) + `}`, 200},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","expiry_min":43200}`, 200},
		{http.MethodPost, "/sessions/ID/share", fmt.Sprintf(`{"type":"adb","expiry_min":0,"expiry_at":%d}`, soon), 200}, // expiry_at wins
		{http.MethodPost, "/sessions/ID/share", ``, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"scrcpy"}`, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":7}`, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb"`, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","expiry_min":0}`, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","expiry_min":43201}`, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","expiry_min":9223372036854775807}`, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","expiry_at":0}`, 400},
		{http.MethodPost, "/sessions/ID/share", fmt.Sprintf(`{"type":"adb","expiry_at":%d}`, time.Now().Unix()), 400},
		{http.MethodPost, "/sessions/ID/share", fmt.Sprintf(`{"type":"adb","expiry_at":%d}`, most+60), 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","expiry_at":"tomorrow"}`, 400},
		{http.MethodPost, "/sessions/ID/share", `{"type":"adb","description":"` + strings.Repeat("x", maxDescription+1) + `"}`, 400},
		{http.MethodPost, "/sessions/A.B/share", `{"type":"adb"}`, 400},
		{http.MethodPost, "/sessions/nobody/share", `{"type":"adb"}`, 404},
		{http.MethodPost, "/sessions/" + string(failed.ID) + "/share", `{"type":"adb"}`, 400},
		{http.MethodPost, "/sessions/" + string(ending.ID) + "/share", `{"type":"adb"}`, 400},
		{http.MethodGet, "/shares/nobody", ``, 400},
		{http.MethodGet, "/shares/A.B-1", ``, 400},
		{http.MethodGet, "/shares/" + string(c.ID) + "-00000000", ``, 404},
		{http.MethodGet, "/shares/" + string(failedShare.ID), ``, 404},
		{http.MethodPatch, "/shares/SHARE", ``, 400},
		{http.MethodPatch, "/shares/SHARE", `{"expiry_at":1}`, 400},
		{http.MethodPatch, "/shares/SHARE", fmt.Sprintf(`{"expiry_at":%d}`, most+60), 400},
		{http.MethodPatch, "/shares/SHARE", `{"description":7}`, 400},
		{http.MethodPatch, "/shares/nobody", `{"description":"x"}`, 400},
		{http.MethodPatch, "/shares/no-body", `{"description":"x"}`, 404},
		{http.MethodDelete, "/shares/A.B-1", ``, 400},
		{http.MethodDelete, "/shares/SHARE?sync=perhaps", ``, 400},
		{http.MethodDelete, "/shares/no-body", ``, 404},
		{http.MethodGet, "/shares?limit=-1", ``, 400},
		{http.MethodGet, "/shares?recursion=perhaps", ``, 400},
		{http.MethodGet, "/shares?offset=x", ``, 400},
		{http.MethodGet, "/shares?session_id=A.B", ``, 400},
		{http.MethodPut, "/shares/SHARE", ``, 405},
		{http.MethodGet, "/sessions/ID/connect?type=adb&" + tok, ``, 200},
		{http.MethodGet, "/session/ID/connect/?type=adb&" + tok, ``, 200},
		{http.MethodGet, "/sessions/ID/connect?type=scrcpy&" + tok, ``, 400},
		{http.MethodGet, "/sessions/ID/connect?" + tok, ``, 400},
		{http.MethodGet, "/sessions/A.B/connect?type=adb&" + tok, ``, 400},
		{http.MethodGet, "/sessions/ID/connect?type=adb", ``, 401},
		{http.MethodGet, "/sessions/ID/connect?type=adb&token=" + s.token, ``, 401},
		{http.MethodGet, "/sessions/nobody/connect?type=adb&" + tok, ``, 401},
		{http.MethodGet, "/sessions/" + string(waiting.ID) + "/connect?type=adb&" + tok, ``, 401},
		{http.MethodGet, early.URL[len(r.url)+len("/1.0"):], ``, 400},       // not active
		{http.MethodGet, failedShare.URL[len(r.url)+len("/1.0"):], ``, 400}, // no more
	} {
		path := strings.NewReplacer("SHARE", string(x.ID), "ID", string(c.ID)).Replace(q.path)
		a := r.do(q.method, "/1.0"+path, q.body)
		require.Equal(t, q.want, a.StatusCode, "%s %s %s: %s", q.method, path, q.body, a.Error)
	}
	for _, path := range []string{"/1.0/shares", "/1.0/shares/" + string(x.ID)} {
		require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, path, "", "Authorization", "").StatusCode)
	}
}

// Five shares a session and no more, also when they are asked for at once and of two gateways; one that is deleted makes room.
func TestShareLimit(t *testing.T) {
	t.Parallel()
	r := house(t)
	other := r.stack.gateway()
	c := r.create()
	r.stack.ready(c.ID, r, other)
	var mu sync.Mutex
	codes := map[int]int{}
	var asking sync.WaitGroup
	for i := range 12 {
		asking.Go(func() {
			a, err := []*replica{r, other}[i%2].try(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/share", `{"type":"adb"}`)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			codes[a.StatusCode]++
		})
	}
	asking.Wait()
	require.Equal(t, map[int]int{http.StatusOK: 5, http.StatusForbidden: 7}, codes)
	var ids []events.ShareID
	require.NoError(t, r.sessions.Wait(t.Context(), r.stack.awaits(c.ID, "gateway.shared", 5).Sequence))
	r.do(http.MethodGet, "/1.0/shares", "").into(t, &ids)
	require.Len(t, ids, 5)
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/shares/"+string(ids[2]), "").StatusCode)
	r.newShare(c.ID)
	a := r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/share", `{"type":"adb"}`)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Equal(t, codeShareLimit, a.Code)
}

// The list of shares: ids or objects, a page of them, those of one session; none with its URL, and those of an ended
// session go, each with an event.
func TestListShares(t *testing.T) {
	t.Parallel()
	r := house(t)
	c, d := r.create(), r.create()
	r.stack.ready(c.ID, r)
	r.stack.ready(d.ID, r)
	all := []events.ShareID{r.newShare(c.ID).ID, r.newShare(d.ID).ID, r.newShare(c.ID).ID}
	for query, want := range map[string][]events.ShareID{
		"": all, "?limit=2": all[:2], "?offset=1": all[1:], "?offset=1&limit=1": all[1:2], "?offset=9": {},
		"?session_id=" + string(c.ID): {all[0], all[2]}, "?session_id=" + string(c.ID) + "&limit=1": {all[0]}, "?session_id=nobody": {},
	} {
		a := r.do(http.MethodGet, "/1.0/shares"+query, "")
		ids := []events.ShareID{}
		a.into(t, &ids)
		require.Equal(t, want, ids, query)
		total := 3
		if strings.Contains(query, string(c.ID)) {
			total = 2
		} else if strings.Contains(query, "nobody") {
			total = 0
		}
		require.Equal(t, total, *a.TotalSize, query)
	}
	a := r.do(http.MethodGet, "/1.0/shares/?recursion=1", "")
	var objects []shareObject
	a.into(t, &objects)
	require.True(t, slices.IsSortedFunc(objects, func(a, b shareObject) int { return int(a.CreatedAt - b.CreatedAt) }))
	require.NotContains(t, string(a.Metadata), `"url"`)
	require.Equal(t, d.ID, objects[1].SessionID)

	r.stack.say(c.ID, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "exit"}, r)
	var left []events.ShareID
	r.do(http.MethodGet, "/1.0/shares", "").into(t, &left)
	require.Equal(t, all[1:2], left)
	require.Equal(t, events.ShareSessionEnded, r.stack.revoked(c.ID, 2).Reason)
	eventstest.Wait(t, within, func() string {
		info, err := r.stack.consumer("gateway-deadlines")
		if err != nil || info.NumPending+uint64(info.NumAckPending) > 0 {
			return fmt.Sprintf("all endings handled: %v", err)
		}
		return ""
	})
	r.stack.revoked(c.ID, 2)
}
