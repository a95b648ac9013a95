package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// shortLog appends what expires with a life of a second.
func (s *stack) shortLog() *events.Log {
	s.t.Helper()
	l, err := events.New(s.nats.Connect(s.t), discard(), events.WithSDPRetention(time.Second))
	require.NoError(s.t, err)
	return l
}

// mixedHistory appends lives of many sessions through each other, some kept, some with an end, candidates among them, and
// returns the events as they were stored. No gateway answers any of them with an event of its own.
func (s *stack) mixedHistory(log *events.Log, n int) []events.Event {
	s.t.Helper()
	seed := rand.Uint64()
	s.t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	steps := []struct {
		a    events.Actor
		n    events.Name
		data any
	}{
		{events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1}}, {events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"VP8"}}},
		{events.Streamer, events.Candidate, events.CandidateData{Peer: "p"}}, {events.Client, events.Candidate, events.CandidateData{Peer: "p"}},
		{events.Streamer, events.Connected, events.ConnectedData{Peer: "p"}}, {events.Agent, events.Failed, events.FailedData{Reason: "crash"}},
		{events.Gateway, events.Requeued, events.RequeuedData{Reason: "again"}}, {events.Agent, events.Terminated, events.EndedData{Reason: "over"}},
	}
	say := func(id events.SessionID, a events.Actor, n events.Name, data any) {
		_, err := log.Append(s.t.Context(), events.NewDraft(region, id, a, n, data))
		require.NoError(s.t, err)
	}
	var ids []events.SessionID
	for range n {
		if len(ids) == 0 || r.IntN(6) == 0 {
			ids = append(ids, events.SessionID(fmt.Sprintf("s-%d", len(ids))))
			say(ids[len(ids)-1], events.Gateway, events.Created, events.CreatedData{App: fmt.Sprintf("app-%d", r.IntN(3)), Ephemeral: r.IntN(4) > 0})
			continue
		}
		st := steps[r.IntN(len(steps))]
		say(ids[r.IntN(len(ids))], st.a, st.n, st.data)
	}
	var all []events.Event
	require.NoError(s.t, log.Read(s.t.Context(), events.SessionsStream, "", 0, func(e events.Event) error {
		all = append(all, e)
		return nil
	}))
	require.Equal(s.t, n, len(all))
	return all
}

// asOf is the list at a moment.
func (r *replica) asOf(moment, query string) (list []sessionObject, total int) {
	t := r.stack.t
	t.Helper()
	a := r.do(http.MethodGet, "/1.0/sessions?recursion=true&as_of="+url.QueryEscape(moment)+query, "")
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	a.into(t, &list)
	return list, *a.TotalSize
}

// The list as of N is what the first N events fold to, and so is each session of it; by sequence and by time, before and
// after candidates have expired.
func TestAsOfEqualsTheFoldOfTheFirstEvents(t *testing.T) {
	s := newStack(t)
	g := s.gateway()
	all := s.mixedHistory(s.shortLog(), 120)
	check := func(t *rapid.T) {
		n := rapid.IntRange(0, len(all)).Draw(t, "n")
		model := projections.NewSessions()
		for _, e := range all[:n] {
			model.Apply(e)
		}
		want := []sessionObject{}
		for _, s := range model.List() {
			want = append(want, asObject(s))
		}
		moment := fmt.Sprint(n)
		if n > 0 && rapid.Bool().Draw(t, "by time") {
			moment = all[n-1].Stored.Format(time.RFC3339Nano)
		}
		got, total := g.asOf(moment, "")
		require.Equal(t, want, got, "as of %s", moment)
		require.Equal(t, len(want), total)
		if n == 0 {
			return
		}
		one := rapid.SampledFrom(all[:n]).Draw(t, "event").Session
		a := g.do(http.MethodGet, "/1.0/sessions/"+string(one)+"?as_of="+moment, "")
		if state, shown := model.Get(one); shown {
			var o sessionObject
			a.into(g.stack.t, &o)
			require.Equal(t, asObject(state), o)
		} else {
			require.Equal(t, http.StatusNotFound, a.StatusCode)
			require.Contains(t, a.Error, "was over and gone")
		}
	}
	rapid.Check(t, check)
	eventstest.Wait(t, within, func() string {
		for _, e := range all {
			if _, found, err := s.log.EventAt(t.Context(), events.SessionsStream, e.Sequence); err != nil || found == events.ShortLived(e.Name) {
				return fmt.Sprintf("the end of %s at %d (%v)", e.Name, e.Sequence, err)
			}
		}
		return ""
	})
	rapid.Check(t, check)
}

func TestAsOfFiltersPagesAndSorts(t *testing.T) {
	s := newStack(t)
	g := s.gateway()
	s.mixedHistory(s.log, 60)
	var last events.Seq
	for i := range 5 {
		last = s.say(events.SessionID(fmt.Sprintf("kept-%d", i)), events.Gateway, events.Created, events.CreatedData{App: "testcard"})
	}
	s.say("later", events.Gateway, events.Created, events.CreatedData{App: "testcard"}, g) // and so it is the past
	at := fmt.Sprint(last)
	whole, total := g.asOf(at, "")
	require.Greater(t, total, 4)
	page, pageTotal := g.asOf(at, "&offset=1&limit=2")
	require.Equal(t, whole[1:3], page)
	require.Equal(t, total, pageTotal)
	failed, _ := g.asOf(at, "&status=error&sort_by=id")
	for i, o := range failed {
		require.Equal(t, projections.StatusError, o.Status)
		require.True(t, i == 0 || failed[i-1].ID < o.ID)
	}
}

func TestAsOfBeyondNowIsNow(t *testing.T) {
	s := newStack(t)
	g := s.gateway()
	s.mixedHistory(s.log, 40)
	require.NoError(t, g.sessions.Wait(t.Context(), 40))
	var now []sessionObject
	g.do(http.MethodGet, "/1.0/sessions?recursion=true", "").into(t, &now)
	for _, moment := range []string{"40", "41", "18446744073709551615", time.Now().Add(time.Hour).Format(time.RFC3339)} {
		got, _ := g.asOf(moment, "")
		require.Equal(t, now, got, moment)
	}
}

func TestAsOfThatIsNoMoment(t *testing.T) {
	s := newStack(t)
	g := s.gateway()
	id := g.stack.mixedHistory(s.log, 5)[0].Session
	for _, moment := range []string{"", "yesterday", "-1", "1.5", "2026-11-22", "18446744073709551616", "0001-01-01T00:00:00Z"} {
		for _, path := range []string{"/1.0/sessions", "/1.0/sessions/" + string(id)} {
			a := g.do(http.MethodGet, path+"?as_of="+url.QueryEscape(moment), "")
			require.Equal(t, http.StatusBadRequest, a.StatusCode, "%q: %s", moment, a.Error)
			require.Contains(t, a.Error, "as_of must be a sequence number")
		}
	}
}

func TestAsOfBeforeASessionOrTheLog(t *testing.T) {
	s := newStack(t)
	g := s.gateway()
	short := s.shortLog()
	_, err := short.Append(t.Context(), events.NewDraft(region, "early", events.Client, events.Candidate, events.CandidateData{}))
	require.NoError(t, err)
	s.say("s-1", events.Agent, events.Claimed, events.ClaimedData{Agent: "a1"}, g) // of a session whose creation has expired
	s.say("s-2", events.Gateway, events.Created, events.CreatedData{App: "testcard"}, g)
	eventstest.Wait(t, within, func() string {
		b, err := s.log.Bounds(t.Context(), events.SessionsStream)
		if err != nil || b.First != 2 {
			return fmt.Sprintf("the end of the first event: %+v, %v", b, err)
		}
		return ""
	})
	for _, path := range []string{"/1.0/sessions", "/1.0/sessions/s-2"} {
		for _, moment := range []string{"1", "2020-01-01T00:00:00Z"} {
			a := g.do(http.MethodGet, path+"?as_of="+moment, "")
			require.Equal(t, http.StatusNotFound, a.StatusCode)
			require.Contains(t, a.Error, "its earliest event is 2, of 2")
		}
	}
	a := g.do(http.MethodGet, "/1.0/sessions/s-2?as_of=2", "")
	require.Equal(t, http.StatusNotFound, a.StatusCode)
	require.Contains(t, a.Error, "did not exist yet")
	a = g.do(http.MethodGet, "/1.0/sessions/nobody?as_of=3", "")
	require.Equal(t, http.StatusNotFound, a.StatusCode)
}

// A look at the past that would take longer than a request may says so, and so does one that finds no room.
func TestAsOfIsBounded(t *testing.T) {
	s := newStack(t)
	g := s.gateway()
	s.mixedHistory(s.log, 2500)
	// refusal is what is answered when the time is over after the point has been found, whenever that is on this machine.
	refusal := func() *apiError {
		var api *apiError
		for d, step, end := time.Millisecond, 5, time.Now().Add(within); ; d += d / time.Duration(step) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			_, _, err := g.listAsOf(ctx, moment{seq: 2400, text: "2400"}, projections.Query{})
			cancel()
			if err == nil { // it was quick this time: again, by smaller steps
				require.True(t, time.Now().Before(end), "no deadline fell into the reading")
				d, step = time.Millisecond, step+5
			}
			if errors.As(err, &api) {
				return api
			}
		}
	}
	api := refusal()
	require.Equal(t, http.StatusServiceUnavailable, api.status)
	require.Contains(t, api.message, "working out all sessions as of 2400 takes too long")
	for range maxPasts {
		g.pasts <- struct{}{}
	}
	api = refusal()
	require.Equal(t, http.StatusServiceUnavailable, api.status)
	require.Contains(t, api.message, "busy with other questions about the past")
	for range maxPasts {
		<-g.pasts
	}
	_, total := g.asOf("2400", "")
	require.Positive(t, total)
}

// A gateway that starts from a snapshot shows what one that has read all shows, now and in the past.
func TestGatewayStartsFromASnapshot(t *testing.T) {
	s := newStack(t)
	first := s.gateway()
	all := s.mixedHistory(s.log, projections.KeepAfter+100)
	require.NoError(t, first.sessions.Wait(t.Context(), all[len(all)-1].Sequence))
	require.NoError(t, first.stop(), "at its end it writes a snapshot")
	more := s.say("s-0", events.Gateway, events.Joined, events.JoinedData{Peer: "p2", Generation: 2})
	second := s.gateway()
	store := projections.NewKeeper(projections.NewRunner(sessionsModel, projections.NewSessions()), events.SessionsStream, s.log, discard())
	require.Equal(t, all[len(all)-1].Sequence, store.Resume(t.Context()))
	want := projections.NewSessions()
	require.NoError(t, s.log.Read(t.Context(), events.SessionsStream, "", 0, func(e events.Event) error {
		want.Apply(e)
		return nil
	}))
	require.NoError(t, second.sessions.Wait(t.Context(), more))
	second.sessions.Read(func(m *projections.Sessions) { require.Equal(t, want.Dump(), m.Dump()) })
	for _, n := range []int{500, len(all) - 1, len(all)} {
		then := projections.NewSessions()
		for _, e := range all[:n] {
			then.Apply(e)
		}
		got, _ := second.asOf(fmt.Sprint(n), "")
		require.Len(t, got, len(then.List()))
	}
}

// What counts is when the log took an event, not what its publisher's clock said.
func TestAsOfGoesByTheLogsClock(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	m := moment{seq: 2, time: at}
	require.True(t, m.holds(events.Event{Sequence: 1, Stored: at, Time: at.Add(time.Hour)}))
	require.False(t, m.holds(events.Event{Sequence: 2, Stored: at.Add(time.Minute), Time: at.Add(-time.Hour)}))
	require.False(t, m.holds(events.Event{Sequence: 3, Stored: at, Time: at}))
}
