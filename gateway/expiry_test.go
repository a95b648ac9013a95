package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/client"
	"streamstack/projections"
)

// consumer tells how far a process manager of the sessions is.
func (s *stack) consumer(name string) (*jetstream.ConsumerInfo, error) {
	c, err := s.log.JetStream().Consumer(s.t.Context(), events.SessionsStream, name)
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	info, err := c.Info(s.t.Context())
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	return info, nil
}

// fires is the time that a deadline is in JetStream's scheduler for.
func (s *stack) fires(at string) (fires time.Time, err error) {
	s.t.Helper()
	stream, err := s.log.JetStream().Stream(s.t.Context(), events.DeadlinesStream)
	require.NoError(s.t, err)
	m, err := stream.GetLastMsgForSubject(s.t.Context(), at)
	if err != nil {
		return fires, fmt.Errorf("%s: %w", at, err)
	}
	if _, err := fmt.Sscanf(m.Header.Get(jetstream.ScheduleHeader), "@at %s", &timeText{&fires}); err != nil {
		return fires, fmt.Errorf("%s is not a time: %s", at, m.Header.Get(jetstream.ScheduleHeader))
	}
	return fires, nil
}

// scheduled waits until a deadline is in JetStream's scheduler for a time.
func (s *stack) scheduled(at string, when time.Time) {
	s.t.Helper()
	eventstest.Wait(s.t, within, func() string {
		fires, err := s.fires(at)
		if err != nil {
			return err.Error()
		}
		if d := fires.Sub(when); d < 0 || d > 2*time.Second {
			return fmt.Sprintf("%s at %s, it is at %s", at, when, fires)
		}
		return ""
	})
}

// timeText reads an RFC 3339 time with [fmt.Sscanf].
type timeText struct{ to *time.Time }

func (x *timeText) Scan(state fmt.ScanState, _ rune) error {
	word, err := state.Token(true, nil)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	*x.to, err = time.Parse(time.RFC3339, string(word))
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	return nil
}

func expires(in time.Duration) string {
	return fmt.Sprintf(`{"type":"adb","expiry_at":%d}`, time.Now().Add(in).Unix())
}

// A share expires once, with two gateways; the others of its session stand, and expire in their turn.
func TestShareExpiresOnce(t *testing.T) {
	t.Parallel()
	r := house(t)
	s, other := r.stack, r.stack.gateway()
	c := r.create()
	s.ready(c.ID, r, other)
	stays := r.newShare(c.ID)
	second, first := r.newShare(c.ID, expires(15*time.Second)), other.newShare(c.ID, expires(4*time.Second))
	require.Equal(t, events.ShareRevokedData{ID: first.ID, Reason: events.ShareExpired}, s.revoked(c.ID, 1))
	require.GreaterOrEqual(t, time.Now().Unix(), first.ExpiryAt)
	require.Equal(t, http.StatusUnauthorized, r.open(first.URL).StatusCode)
	require.Equal(t, events.ShareRevokedData{ID: second.ID, Reason: events.ShareExpired}, s.revoked(c.ID, 2))
	s.settled()
	s.revoked(c.ID, 2)
	require.Equal(t, http.StatusOK, r.open(stays.URL).StatusCode)
	require.Equal(t, "active", r.status(c.ID), "nothing has happened to the session")
}

// A share that was to expire before all gateways stopped, and one whose time came while there was none, are revoked once.
func TestShareExpiryOutlivesTheGateways(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	other := s.gateway()
	c := r.create()
	s.ready(c.ID, r, other)
	x := r.newShare(c.ID, expires(soon+2*time.Second))
	at, due := projections.DeadlineSubjects(region, c.ID, projections.DeadlineShare)
	s.scheduled(at, time.Unix(x.ExpiryAt, 0))
	require.NoError(t, r.stop())
	require.NoError(t, other.stop())
	names, _ := s.history(c.ID)
	require.NotContains(t, names, "gateway.share_revoked")
	stream, err := s.log.JetStream().Stream(t.Context(), events.DeadlinesStream)
	require.NoError(t, err)
	eventstest.Wait(t, within, func() string { // it fires with no gateway there
		if _, err := stream.GetLastMsgForSubject(t.Context(), due); err != nil {
			return "the deadline to fire: " + err.Error()
		}
		return ""
	})
	r = s.gateway()
	s.gateway()
	require.Equal(t, events.ShareRevokedData{ID: x.ID, Reason: events.ShareExpired}, s.revoked(c.ID, 1))
	s.settled()
	s.revoked(c.ID, 1)
	require.Equal(t, http.StatusUnauthorized, r.open(x.URL).StatusCode)
}

// A changed expiry moves the deadline, back and forward; one that comes before its time changes nothing.
func TestPatchMovesTheExpiry(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	s.gateway()
	c := r.create()
	s.ready(c.ID, r)
	at, _ := projections.DeadlineSubjects(region, c.ID, projections.DeadlineShare)
	move := func(x shareAnswer, to time.Time) {
		t.Helper()
		a := r.do(http.MethodPatch, "/1.0/shares/"+string(x.ID), fmt.Sprintf(`{"expiry_at":%d}`, to.Unix()))
		require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
		s.scheduled(at, to.Truncate(time.Second))
	}
	x := r.newShare(c.ID, expires(30*time.Second))
	move(x, time.Now().Add(time.Hour))
	require.NoError(t, r.shareDue(t.Context(), region, c.ID)) // as if the first one had fired
	names, _ := s.history(c.ID)
	require.NotContains(t, names, "gateway.share_revoked")
	move(x, time.Now().Add(soon))
	require.Equal(t, events.ShareExpired, s.revoked(c.ID, 1).Reason)
	s.settled()
	s.revoked(c.ID, 1)
}

// The expiry of an account's token is an event, once with two gateways and after a restart of all; a newer token has its
// own time.
func TestTokenExpiry(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	admin := client.NewAdmin(r.admin)
	until := func(d time.Duration) time.Time { return time.Now().Add(d).Truncate(time.Second) }
	_, err := r.CreateAccount(t.Context(), "renewed", until(soon+2*time.Second))
	require.NoError(t, err)
	_, err = r.CreateAccount(t.Context(), "renewed", until(time.Hour))
	require.NoError(t, err)
	_, err = r.CreateAccount(t.Context(), "deleted", until(soon+2*time.Second))
	require.NoError(t, err)
	require.NoError(t, admin.Delete(t.Context(), "deleted"))
	expiry := until(soon)
	tok, err := r.CreateAccount(t.Context(), "kim", expiry)
	require.NoError(t, err)
	at, _ := projections.AccountDeadlineSubjects("kim")
	s.scheduled(at, expiry)
	require.NoError(t, r.stop())
	r = s.gateway()
	other := s.gateway()
	for _, g := range []*replica{r, other} {
		eventstest.Wait(t, within, func() (missing string) {
			g.accounts.Read(func(m *projections.Accounts) {
				if a, ok := m.Get("kim"); !ok || !a.Expired {
					missing = fmt.Sprintf("kim expired: %+v", a)
				}
			})
			return missing
		})
	}
	require.GreaterOrEqual(t, time.Now().Unix(), expiry.Unix())
	require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, "/1.0/sessions", "", "Authorization", "macaroon root="+tok).StatusCode)
	s.settled()
	require.NoError(t, r.accountDue(t.Context(), "kim"))
	require.NoError(t, r.accountDue(t.Context(), "renewed"))
	require.NoError(t, r.accountDue(t.Context(), "deleted"))
	expired := map[string]int{}
	require.NoError(t, s.log.Read(t.Context(), events.AccountsStream, "accounts.*.expired", 0, func(e events.Event) error {
		expired[e.Subject]++
		var d events.AccountData
		require.NoError(t, e.Decode(&d))
		require.Equal(t, expiry.UTC().Format(time.RFC3339), d.Expiry)
		return nil
	}))
	require.Equal(t, map[string]int{"accounts.kim.expired": 1}, expired)
	list, err := client.NewAdmin(r.admin).List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3, "an account stays when its token has expired")
	require.Equal(t, "kim", list[0].Name)
	require.True(t, list[0].Expired)
	require.False(t, list[1].Expired)
}

// A session whose instance does not come up goes back to the queue, with two gateways once, although its agent lives; after
// the third attempt it ends. What the agent says of an attempt that was given up changes nothing.
func TestLaunchDeadline(t *testing.T) {
	t.Parallel()
	clock := ahead(projections.LaunchTime - 4*time.Second)
	r := house(t, clock)
	s := r.stack
	s.gateway(clock)
	c, up := r.create(), r.create()
	s.ready(up.ID)
	s.awaitsWork(c.ID)
	for attempt := 1; attempt < projections.MaxAttempts; attempt++ {
		s.say(c.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: attempt, Driver: "fake"})
		var d events.RequeuedData
		require.NoError(t, s.awaits(c.ID, "gateway.requeued", attempt).Decode(&d))
		require.Equal(t, events.RequeuedData{Attempt: attempt,
			Reason: fmt.Sprintf("attempt %d of 3: agent a1 had no streamer ready within 90 seconds", attempt)}, d)
		eventstest.Wait(t, within, func() string {
			waits := slices.DeleteFunc(s.work(), func(id events.SessionID) bool { return id != c.ID })
			if len(waits) != 1+attempt { // for its creation, and for each return
				return fmt.Sprintf("the session in the queue once more than %d times", len(waits))
			}
			return ""
		})
		// The watchdog of the agent, late.
		s.say(c.ID, events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: attempt, Instance: "late"}, r)
		s.say(c.ID, events.Streamer, events.Ready, events.ReadyData{}, r)
		s.say(c.ID, events.Agent, events.Failed, events.FailedData{Agent: "a1", Attempt: attempt, Reason: "late"}, r)
		require.Equal(t, "created", r.status(c.ID))
	}
	s.say(c.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: projections.MaxAttempts, Driver: "fake"})
	var d events.EndedData
	end := s.awaits(c.ID, "gateway.agent_lost", 1)
	require.NoError(t, end.Decode(&d))
	require.Equal(t, projections.MaxAttempts, d.Attempt)
	require.Contains(t, d.Reason, "attempt 3 of 3")
	s.settled()
	s.awaits(c.ID, "gateway.agent_lost", 1)
	s.awaits(c.ID, "gateway.requeued", projections.MaxAttempts-1)
	require.NoError(t, r.sessions.Wait(t.Context(), end.Sequence))
	require.Equal(t, "error", r.status(c.ID))
	require.Equal(t, "active", r.status(up.ID))
}
