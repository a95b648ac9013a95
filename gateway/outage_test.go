package gateway

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// Before its read models are whole a gateway answers 503: an account or a session would only seem unknown.
func TestBeforeReady(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	g := New(Config{Log: s.log, Logger: discard(), Tokens: s.mint})
	for _, path := range []string{"/1.0/status", "/1.0/sessions", "/1.0/sessions/x/sockets/slave"} {
		rec := httptest.NewRecorder()
		g.echo.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		var a answer
		require.NoError(t, a.check(rec.Result(), rec.Body.Bytes()), path)
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, path)
	}
}

// A NATS that is killed makes 503 within two seconds, and everything works again when it is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	s.nats.Stop()
	var asked sync.WaitGroup
	for _, call := range [][3]string{
		{http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`},
		{http.MethodPost, "/1.0/sessions/" + string(c.ID) + "/join", ""},
		{http.MethodDelete, "/1.0/sessions/" + string(c.ID), ""},
		{http.MethodGet, "/1.0/sessions/" + string(c.ID) + "/events", ""},
		{http.MethodGet, "/1.0/events", ""},
		{http.MethodGet, "/1.0/status", ""},
		// What is known could be told, but not whether the account still stands.
		{http.MethodGet, "/1.0/sessions/" + string(c.ID), ""},
	} {
		asked.Go(func() {
			begun := time.Now()
			a, err := r.try(call[0], call[1], call[2])
			if took := time.Since(begun); err != nil || a.StatusCode != http.StatusServiceUnavailable || took > answeredIn {
				t.Errorf("%v: %v, %d after %s", call, err, a.StatusCode, took)
			}
		})
	}
	asked.Wait()
	s.nats.Restart()
	eventstest.Wait(t, within, func() string {
		a, err := r.try(http.MethodGet, "/1.0/status", "")
		if err != nil || a.StatusCode != http.StatusOK {
			return "status 200: " + a.Error
		}
		return ""
	})
	// As the agent does every three seconds. The bucket is in memory: a server that restarted may not have it any more.
	eventstest.Wait(t, within, func() string {
		m := nats.NewMsg(events.HeartbeatSubject(events.HeartbeatKey(region, "a1")))
		m.Data = events.Heartbeat{Time: time.Now()}.Value()
		_, err := s.log.JetStream().PublishMsg(t.Context(), m)
		if err != nil {
			return "a heartbeat: " + err.Error()
		}
		a, err := r.try(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`)
		if err != nil || a.StatusCode != http.StatusCreated {
			return "a session: " + a.Error
		}
		var n created
		a.into(t, &n)
		s.awaitsWork(n.ID)
		return ""
	})
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID)+"?sync=true", "").StatusCode)
}

// awaitsWork waits until the session is in the work queue.
func (s *stack) awaitsWork(id events.SessionID) {
	s.t.Helper()
	eventstest.Wait(s.t, within, func() string {
		if !slices.Contains(s.work(), id) {
			return string(id) + " in the work queue"
		}
		return ""
	})
}

// work is what the work queue holds, in order.
func (s *stack) work() (ids []events.SessionID) {
	s.t.Helper()
	err := s.log.Read(s.t.Context(), events.WorkStream, "", 0, func(e events.Event) error {
		w, err := events.ParseWork(e.Data)
		ids = append(ids, w.Session)
		return err
	})
	require.NoError(s.t, err)
	return ids
}
