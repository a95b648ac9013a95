package gateway

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/limit"
	"streamstack/gateway/sse"
)

// maxMessage is more than any event of these tests has.
const maxMessage = 1 << 20

// streamTime bounds a stream: one that a test waits for in vain fails that test, before the whole package runs out of time.
const streamTime = 4 * within

// listener is a client of a stream of events.
type listener struct {
	*sse.Reader
	res   *http.Response
	close func()
}

// listen opens a stream; after is the Last-Event-ID, or nothing.
func (r *replica) listen(ctx context.Context, path, after string) (*listener, error) {
	ctx, cancel := context.WithTimeout(ctx, streamTime)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Authorization", "Macaroon root="+r.token)
	req.Header.Set("Accept", "text/event-stream")
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	res, err := noFollow.Do(req) //nolint:bodyclose // the listener closes it
	if err != nil {
		cancel()
		return nil, fmt.Errorf("do: %w", err)
	}
	l := &listener{Reader: sse.NewReader(res.Body, maxMessage), res: res, close: func() { cancel(); _ = res.Body.Close() }}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		l.close()
		return nil, fmt.Errorf("answered %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	return l, nil
}

func (r *replica) mustListen(path, after string) *listener {
	r.stack.t.Helper()
	l, err := r.listen(r.stack.t.Context(), path, after)
	require.NoError(r.stack.t, err)
	r.stack.t.Cleanup(l.close)
	return l
}

// next is the next event of a stream, checked against its id and type.
func (l *listener) next(t testing.TB) events.Event {
	t.Helper()
	e, err := l.try()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (l *listener) try() (e events.Event, err error) {
	m, err := l.Next()
	if err != nil {
		return e, fmt.Errorf("next: %w", err)
	}
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return e, fmt.Errorf("data %s: %w", m.Data, err)
	}
	if m.ID != fmt.Sprint(e.Sequence) || m.Event != e.Type {
		return e, fmt.Errorf("id %s and event %s of %s", m.ID, m.Event, m.Data)
	}
	return e, nil
}

// The past, then what comes, in the form of the standard.
func TestFeed(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	first := s.say("a", events.Gateway, events.Created, events.CreatedData{App: "testcard"}, r)
	other := s.say("b", events.Gateway, events.Created, events.CreatedData{App: "xterm"}, r)
	all, one := r.mustListen("/1.0/events", ""), r.mustListen("/1.0/sessions/a/events/", "")
	require.Equal(t, "no-store", all.res.Header.Get("Cache-Control"))
	require.Contains(t, all.res.Header.Values("Vary"), "Accept")
	require.Equal(t, first, all.next(t).Sequence)
	require.Equal(t, other, all.next(t).Sequence)
	require.Equal(t, first, one.next(t).Sequence)
	require.GreaterOrEqual(t, all.Retry(), feedRetry)
	require.Less(t, all.Retry(), 2*feedRetry)
	live := s.say("a", events.Agent, events.Failed, events.FailedData{Reason: "two\nlines\r\n"}, r)
	e := all.next(t)
	require.Equal(t, live, e.Sequence)
	var d events.FailedData
	require.NoError(t, e.Decode(&d))
	require.Equal(t, "two\nlines\r\n", d.Reason)
	require.Equal(t, live, one.next(t).Sequence)

	// Where both are given the header counts: a browser repeats the address that it began with.
	resumed := r.mustListen("/1.0/events?after=1", strconv.Itoa(int(other)))
	require.Equal(t, live, resumed.next(t).Sequence)
	filtered := r.mustListen("/1.0/events?type=agent.failed,claimed&region=local", "")
	require.Equal(t, live, filtered.next(t).Sequence)
	s.say("b", events.Gateway, events.Joined, events.JoinedData{})
	claimed := s.say("b", events.Agent, events.Claimed, events.ClaimedData{})
	require.Equal(t, claimed, filtered.next(t).Sequence)
}

// A sequence that no gateway has seen is an error; one that another gateway has just seen is waited for.
func TestFeedAfterTheEnd(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	a := r.do(http.MethodGet, "/1.0/events?after=500", "", "Accept", "text/event-stream")
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Contains(t, a.Error, "beyond the end")
	l := r.mustListen("/1.0/events", strconv.Itoa(int(s.say("a", events.Gateway, events.Created, events.CreatedData{}))))
	seq := s.say("a", events.Gateway, events.Joined, events.JoinedData{})
	require.Equal(t, seq, l.next(t).Sequence)
}

// While nothing comes, comments keep the connection, until the token is not good any more.
func TestFeedKeepsAliveAndEndsWithItsToken(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway(func(g *Gateway) { g.times.feedBeat = 20 * time.Millisecond })
	l := r.mustListen("/1.0/events", "")
	buf := make([]byte, 4096)
	eventstest.Wait(t, within, func() string {
		n, err := l.res.Body.Read(buf)
		require.NoError(t, err)
		if string(buf[:n]) != ": keep-alive\n\n" {
			return fmt.Sprintf("a keep-alive, not %q", buf[:n])
		}
		return ""
	})
	require.NoError(t, r.appendAccount(t.Context(), "tester", events.AccountDeleted, events.AccountData{}))
	_, err := l.Next()
	require.ErrorContains(t, err, "EOF")
}

// A gateway that stops ends its streams in order and at once; the client goes on at another one.
func TestFeedEndsWithItsGateway(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r, other := s.gateway(func(g *Gateway) { g.times.stopGrace = within }), s.gateway()
	r.token = other.token // of the account's newest
	l := r.mustListen("/1.0/events", "")
	s.say("a", events.Gateway, events.Created, events.CreatedData{})
	l.next(t)
	begun := time.Now()
	require.NoError(t, r.stop())
	require.Less(t, time.Since(begun), r.times.stopGrace/2)
	_, err := l.Next()
	require.ErrorContains(t, err, "EOF")
	require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
	missed := s.say("a", events.Gateway, events.Joined, events.JoinedData{})
	require.Equal(t, missed, other.mustListen("/1.0/events", l.LastID()).next(t).Sequence)
}

func TestFeedPreflight(t *testing.T) {
	t.Parallel()
	r := newStack(t).gateway()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, r.url+"/1.0/events", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", "https://app.example.net")
	req.Header.Set("Access-Control-Request-Headers", "authorization,last-event-id")
	res, err := noFollow.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, res.Header.Get("Access-Control-Allow-Headers"), "Last-Event-ID")
}

// One that does not read is cut off, without harm to others, and finds everything when it comes back.
func TestFeedCutsOffWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway(func(g *Gateway) { g.times.writeWait = 100 * time.Millisecond })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.url[len("http://"):])
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	tcp, ok := conn.(*net.TCPConn)
	require.True(t, ok)
	require.NoError(t, tcp.SetReadBuffer(4096))
	_, err = fmt.Fprintf(conn, "GET /1.0/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Macaroon root=%s\r\n\r\n", r.token)
	require.NoError(t, err)
	eventstest.Wait(t, within, func() string {
		if r.feeds.Load() == 0 {
			return "the stream"
		}
		return ""
	})
	text := strings.Repeat("x", 200<<10)
	count := 0
	eventstest.Wait(t, 3*within, func() string {
		s.say("a", events.Agent, events.Failed, events.FailedData{Reason: text})
		count++
		if r.feeds.Load() > 0 {
			return fmt.Sprintf("the end of the stream after %d events of 200 KiB", count)
		}
		return ""
	})
	// A test with the race detector may be too slow for that limit as well, and goes on where it was cut off.
	for read, end := 0, time.Now().Add(3*within); read < count; {
		require.True(t, time.Now().Before(end), "only %d of %d events come", read, count)
		l := r.mustListen("/1.0/events?limit=1", strconv.Itoa(read))
		for e, err := l.try(); err == nil; e, err = l.try() {
			read++
			require.Equal(t, events.Seq(read), e.Sequence)
			if read == count {
				break
			}
		}
		l.close()
	}
}

// More streams than a gateway serves are refused, and those that there are go on.
func TestFeedsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	r.feeds.Store(int32(limit.Default().Feeds) - 1)
	l := r.mustListen("/1.0/events", "")
	a := r.do(http.MethodGet, "/1.0/events", "", "Accept", "text/event-stream")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Equal(t, "1", a.Header.Get("Retry-After"))
	seq := s.say("a", events.Gateway, events.Created, events.CreatedData{})
	require.Equal(t, seq, l.next(t).Sequence)
}

// The property of the streams: however often a connection is cut, and at whatever gateway it goes on, what was read, put
// together, is what the log holds of the query: every event once, in order. Events come all the while, faster than the
// hub's queue at times. Not parallel: it changes rapid's flag.
func TestFeedsCutAnywhereAddUp(t *testing.T) {
	defer quickly(t, feedSchedules)()
	s := newStack(t)
	a, b := s.gateway(), s.gateway()
	a.token = b.token
	replicas := []*replica{a, b}
	var appended atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		id := events.SessionID(fmt.Sprintf("s-%d", appended.Add(1)))
		path := rapid.SampledFrom([]string{
			"/1.0/events?session=" + string(id), "/1.0/sessions/" + string(id) + "/events", "/1.0/events?type=joined,created&session=" + string(id),
			"/1.0/events?type=gateway.joined&session=" + string(id), "/1.0/events",
		}).Draw(rt, "path")
		total := rapid.IntRange(1, 2*socketQueue).Draw(rt, "events")
		from := s.say(id, events.Gateway, events.Created, events.CreatedData{}) - 1
		writing := make(chan error, 1)
		go func() { writing <- write(t.Context(), s.log, id, total) }()
		defer func() {
			if err := <-writing; err != nil {
				rt.Fatal(err)
			}
		}()
		last, got := fmt.Sprint(from), []events.Event{}
		for done := false; !done; {
			r := replicas[rapid.IntRange(0, 1).Draw(rt, "gateway")]
			l, err := r.listen(t.Context(), path, last)
			if err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(0, 300).Draw(rt, "read before the cut") {
				e, err := l.try()
				if err != nil {
					rt.Fatal(err)
				}
				got = append(got, e)
				if done = e.Session == id && e.Is(events.Gateway, events.Joined) && count(t, e) == total; done {
					break
				}
			}
			last = l.LastID()
			if last == "" {
				last = fmt.Sprint(from)
				if len(got) > 0 {
					last = fmt.Sprint(got[len(got)-1].Sequence)
				}
			}
			l.close()
		}
		var want []events.Seq
		query := mustQuery(rt, path, id)
		eventstest.Wait(t, within, func() string {
			want = nil
			err := s.log.Read(t.Context(), events.SessionsStream, "", from+1, func(e events.Event) error {
				if query.match(e) && len(got) > 0 && e.Sequence <= got[len(got)-1].Sequence {
					want = append(want, e.Sequence)
				}
				return nil
			})
			if err != nil {
				return "the log: " + err.Error() // on a busy machine
			}
			return ""
		})
		var seqs []events.Seq
		for _, e := range got {
			seqs = append(seqs, e.Sequence)
		}
		require.Equal(rt, want, seqs)
	})
}

// feedSchedules is how many random schedules of cuts are played; each takes a second or two.
const feedSchedules = 10

// quickly sets how many cases rapid plays, until the function that it returns is called.
func quickly(t testing.TB, n int) func() {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	old := f.Value.String()
	require.NoError(t, f.Value.Set(strconv.Itoa(n)))
	return func() { _ = f.Value.Set(old) } // it was accepted before
}

// write appends n joined events, numbered from 1, as fast as it can.
func write(ctx context.Context, log *events.Log, id events.SessionID, n int) error {
	for i := range n {
		d := events.NewDraft(region, id, events.Gateway, events.Joined, events.JoinedData{Generation: i + 1})
		if _, err := log.Append(ctx, d); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	return nil
}

func count(t testing.TB, e events.Event) int {
	t.Helper()
	var d events.JoinedData
	if err := e.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d.Generation
}

// mustQuery is what a path of the test above asks for.
func mustQuery(t require.TestingT, path string, id events.SessionID) eventQuery {
	var q eventQuery
	switch path {
	case "/1.0/events":
		return q
	case "/1.0/events?type=joined,created&session=" + string(id):
		q.types = []events.Choice{{Filter: events.Filter{Name: events.Joined}}, {Filter: events.Filter{Name: events.Created}}}
	case "/1.0/events?type=gateway.joined&session=" + string(id):
		q.types = []events.Choice{{Filter: events.Filter{Name: events.Joined}}}
	}
	require.NotEmpty(t, id)
	q.session = id
	return q
}
