package gateway

import (
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
	"streamstack/projections/archive/archivetest"
)

// A check here asks a gateway that reads an archive, under the race detector. A figure on the command line wins; `task soak` says 100, as rapid itself does.
var _ = flag.Set("rapid.checks", "30")

// expiredStack is a log of many sessions' lives whose events can be made to expire. All of it is archived.
func expiredStack(t *testing.T, n int) (*stack, []events.Event) {
	t.Helper()
	s := newStack(t)
	archivetest.AllowExpiry(t, s.log)
	all := s.mixedHistory(s.log, n)
	archivetest.Archive(t, s.log)
	return s, all
}

// foldOf is what a replay of events comes to.
func foldOf(list []events.Event) *projections.Sessions {
	m := projections.NewSessions()
	for _, e := range list {
		m.Apply(e)
	}
	return m
}

// Whatever part of the log has expired: the list as of N, and each session of it, is what a replay of the first N events
// that ever were comes to; by sequence and by time.
func TestAsOfReadsTheArchive(t *testing.T) {
	s, all := expiredStack(t, 120)
	g := s.gateway()
	expired := 1
	check := func(t *rapid.T) {
		expired = rapid.IntRange(expired, min(len(all)+1, expired+5)).Draw(t, "expired")
		archivetest.Expire(s.t, s.log, events.Seq(expired))
		n := rapid.IntRange(0, len(all)).Draw(t, "n")
		model := foldOf(all[:n])
		want := []sessionObject{}
		for _, s := range model.List() {
			want = append(want, asObject(s))
		}
		moment := fmt.Sprint(n)
		if n > 0 && rapid.Bool().Draw(t, "by time") {
			moment = all[n-1].Stored.Format(time.RFC3339Nano)
		}
		got, total := g.asOf(moment, "")
		require.Equal(t, want, got, "as of %s, expired before %d", moment, expired)
		require.Equal(t, len(want), total)
		one := rapid.SampledFrom(all).Draw(t, "event").Session
		a := g.do(http.MethodGet, "/1.0/sessions/"+string(one)+"?as_of="+moment, "")
		if state, shown := model.Get(one); shown {
			var o sessionObject
			a.into(g.stack.t, &o)
			require.Equal(t, asObject(state), o)
		} else {
			require.Equal(t, http.StatusNotFound, a.StatusCode)
			require.Regexp(t, "was over and gone|did not exist yet", a.Error)
		}
	}
	rapid.Check(t, check) // in the end all has expired
}

// A gateway that starts without a snapshot, when most of the log has expired, knows the same sessions as one that has seen
// all; and it streams the whole history, from the archive over the log to what comes.
func TestStartsAndStreamsFromTheArchive(t *testing.T) {
	s, all := expiredStack(t, 300)
	archivetest.Expire(t, s.log, 200)
	g := s.gateway()
	g.sessions.Read(func(m *projections.Sessions) { require.Equal(t, foldOf(all).Dump(), m.Dump()) })

	want := append(archivetest.Lasting(all[:199]), all[199:]...)
	rapid.Check(t, func(rt *rapid.T) {
		after := rapid.IntRange(0, len(all)).Draw(rt, "after")
		session := rapid.SampledFrom([]events.SessionID{"", all[0].Session}).Draw(rt, "session")
		path := "/1.0/events"
		if session != "" {
			path = "/1.0/sessions/" + string(session) + "/events"
		}
		l, err := g.listen(t.Context(), path, strconv.Itoa(after))
		require.NoError(rt, err)
		defer l.close()
		for _, e := range want {
			if int(e.Sequence) <= after || (session != "" && e.Session != session) {
				continue
			}
			got, err := l.try()
			require.NoError(rt, err)
			require.Equal(rt, e.Sequence, got.Sequence)
			require.JSONEq(rt, string(e.Data), string(got.Data))
		}
		live := s.say(all[0].Session, events.Gateway, events.Joined, events.JoinedData{Peer: "later"})
		all = append(all, s.at(live))
		want = append(want, s.at(live))
		got, err := l.try()
		require.NoError(rt, err)
		require.Equal(rt, live, got.Sequence)
	})

	// One that is open while what it has not been sent expires.
	l := g.mustListen("/1.0/events", "")
	require.Equal(t, want[0].Sequence, l.next(t).Sequence)
	archivetest.Archive(t, s.log)
	archivetest.Expire(t, s.log, all[len(all)-1].Sequence+1)
	for _, e := range archivetest.Lasting(want[1:]) {
		got := l.next(t)
		for events.ShortLived(got.Name) { // sent before it expired
			got = l.next(t)
		}
		require.Equal(t, e.Sequence, got.Sequence)
	}
}

// at is the event of a sequence.
func (s *stack) at(seq events.Seq) events.Event {
	s.t.Helper()
	e, found, err := s.log.EventAt(s.t.Context(), events.SessionsStream, seq)
	require.NoError(s.t, err)
	require.True(s.t, found)
	return e
}

// What neither the log nor the archive has any more is said, with the oldest moment that is known.
func TestAsOfBeforeTheArchive(t *testing.T) {
	s := newStack(t)
	archivetest.AllowExpiry(t, s.log)
	all := s.mixedHistory(s.log, 50) // before there was an archive
	archivetest.Expire(t, s.log, 31)
	archivetest.Archive(t, s.log)
	archivetest.Expire(t, s.log, 51)
	g := s.gateway(func(g *Gateway) { g.cfg.ArchiveRetention = time.Millisecond }) // and soon none
	segments := func() string {
		list, err := g.archive.Segments(t.Context())
		require.NoError(t, err)
		return fmt.Sprint(len(list))
	}
	eventstest.Wait(t, within, func() string {
		if n := segments(); n != "0" {
			return "the end of " + n + " segments"
		}
		return ""
	})
	later := s.say("later", events.Gateway, events.Created, events.CreatedData{App: "testcard"}, g)
	s.say("other", events.Gateway, events.Created, events.CreatedData{App: "testcard"}, g)
	for _, path := range []string{"/1.0/sessions", "/1.0/sessions/later"} {
		for _, moment := range []string{"30", all[29].Stored.Format(time.RFC3339Nano)} {
			a := g.do(http.MethodGet, path+"?as_of="+moment, "")
			require.Equal(t, http.StatusNotFound, a.StatusCode)
			require.Contains(t, a.Error, fmt.Sprintf("its earliest event is %d, of %d", later, time.Now().UTC().Year()))
		}
	}
	list, _ := g.asOf(fmt.Sprint(later), "")
	require.Len(t, list, 1)
}

// A session of which the creation is not kept any more has no state that anybody could know.
func TestAsOfOfABeheadedSession(t *testing.T) {
	s := newStack(t)
	archivetest.AllowExpiry(t, s.log)
	s.say("old", events.Gateway, events.Created, events.CreatedData{App: "testcard"})
	s.say("old", events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1})
	archivetest.Expire(t, s.log, 2)
	g := s.gateway()
	s.say("other", events.Gateway, events.Created, events.CreatedData{App: "testcard"}, g)
	a := g.do(http.MethodGet, "/1.0/sessions/old?as_of=2", "")
	require.Equal(t, http.StatusNotFound, a.StatusCode)
	require.Contains(t, a.Error, "the beginning of session old is not kept any more")
}
