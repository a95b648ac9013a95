package natsd

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/trust"
	"streamstack/gateway/guard"
)

// Who is who in the tests of the table: two regions, each with an agent and a session.
const (
	here, there          = events.Region("here"), events.Region("there")
	mine, theirs         = events.SessionID("11111111-1111-4111-8111-111111111111"), events.SessionID("22222222-2222-4222-8222-222222222222")
	agentMine, agentElse = events.AgentID("a1"), events.AgentID("a2")
	app                  = "testcard"
)

// house is a server with all streams, a gateway's guard, and two sessions in two regions.
type house struct {
	t    *testing.T
	s    *Server
	keys *trust.Authority
	gw   *user
}

// user is a connection of one role.
type user struct {
	t  *testing.T
	nc *nats.Conn
	*events.Log
}

func newHouse(t *testing.T) *house {
	t.Helper()
	store := filepath.Join(t.TempDir(), "nats")
	keys := keysBeside(t, store)
	for _, r := range []events.Region{here, there} {
		added, err := keys.AddRegion(r)
		require.NoError(t, err)
		require.True(t, added)
	}
	h := &house{t: t, keys: keys, s: start(t, Config{StoreDir: store, Trust: keys})}
	h.gw = h.user(trust.Identity{Role: trust.Gateway})
	require.NoError(t, events.CreateStreams(t.Context(), h.gw.JetStream(), events.StreamsConfig{}))
	h.guard()
	for r, id := range map[events.Region]events.SessionID{here: mine, there: theirs} {
		_, err := h.gw.Append(t.Context(), events.NewDraft(r, id, events.Gateway, events.Created, events.CreatedData{App: app}))
		require.NoError(t, err)
		_, err = h.gw.Append(t.Context(), events.NewDraft(r, id, events.Client, events.Offer, events.SDPData{SDP: "v=0 ice-pwd"}))
		require.NoError(t, err)
	}
	return h
}

// guard runs a gateway's guard until the test ends.
func (h *house) guard() {
	ctx, cancel := context.WithCancel(h.t.Context())
	log, _ := testLog(h.t)
	var wg sync.WaitGroup
	wg.Go(func() { _ = guard.Serve(ctx, h.gw.nc, log) }) // ends with its context
	h.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	await(h.t, func() string {
		// Anything that is answered will do: it is there.
		if _, err := h.operator().JetStream().Stream(h.t.Context(), events.SessionsStream); err != nil {
			return "the guard: " + err.Error()
		}
		return ""
	})
}

// user connects as somebody.
func (h *house) user(i trust.Identity) *user {
	h.t.Helper()
	c, err := h.keys.Credentials(i, time.Hour)
	require.NoError(h.t, err)
	return h.with(c)
}

func (h *house) with(c trust.Credentials) *user {
	h.t.Helper()
	nc, err := nats.Connect(h.s.ClientURL(), append(c.Options(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	require.NoError(h.t, err)
	h.t.Cleanup(nc.Close)
	log, _ := testLog(h.t)
	l, err := events.New(nc, log, c.Identity.LogOptions()...)
	require.NoError(h.t, err)
	return &user{h.t, nc, l}
}

func (h *house) operator() *user  { return h.user(trust.Identity{Role: trust.Operator}) }
func (h *house) analytics() *user { return h.user(trust.Identity{Role: trust.Analytics}) }
func (h *house) agent(r events.Region, id events.AgentID) *user {
	return h.user(trust.Identity{Role: trust.Agent, Region: r, Agent: id})
}

// streamer connects with credentials that the agent of its region made.
func (h *house) streamer(r events.Region, id events.SessionID) *user {
	h.t.Helper()
	c, err := h.keys.Credentials(trust.Identity{Role: trust.Agent, Region: r, Agent: "a"}, time.Hour)
	require.NoError(h.t, err)
	text, err := c.Text()
	require.NoError(h.t, err)
	parsed, err := trust.Parse(text)
	require.NoError(h.t, err)
	m, err := parsed.Minter()
	require.NoError(h.t, err)
	s, err := m.Streamer(id, time.Hour)
	require.NoError(h.t, err)
	return h.with(s)
}

// violation is the server's word on a subject: empty when it was not refused. Where an account maps subjects, the server
// names what it mapped this one to, of which the first token differs.
func (u *user) violation(subject string) string {
	u.t.Helper()
	require.NoError(u.t, u.nc.FlushTimeout(patience)) // a refusal comes before the answer to the flush
	rest := strings.TrimPrefix(subject, "$")
	if first, after, ok := strings.Cut(subject, "."); ok && first != "$JS" {
		rest = after
	}
	if err := u.nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.HasSuffix(err.Error(), rest+`"`) {
		return err.Error()
	}
	return ""
}

func (u *user) publishes(subjects ...string) {
	u.t.Helper()
	for _, s := range subjects {
		require.NoError(u.t, u.nc.Publish(s, nil))
		require.Empty(u.t, u.violation(s), s)
	}
}

func (u *user) maynotPublish(subjects ...string) {
	u.t.Helper()
	for _, s := range subjects {
		require.NoError(u.t, u.nc.Publish(s, nil))
		require.NotEmpty(u.t, u.violation(s), "published on %s", s)
	}
}

func (u *user) subscribes(subjects ...string) {
	u.t.Helper()
	for _, s := range subjects {
		sub, err := u.nc.SubscribeSync(s)
		require.NoError(u.t, err)
		require.Empty(u.t, u.violation(s), s)
		require.NoError(u.t, sub.Unsubscribe())
	}
}

func (u *user) maynotSubscribe(subjects ...string) {
	u.t.Helper()
	for _, s := range subjects {
		_, err := u.nc.SubscribeSync(s)
		require.NoError(u.t, err)
		require.NotEmpty(u.t, u.violation(s), "subscribed to %s", s)
	}
}

// makes has a consumer made the way a client library does.
func (u *user) makes(stream string, c jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*time.Second)
	defer cancel()
	return u.JetStream().CreateOrUpdateConsumer(ctx, stream, c) //nolint:wrapcheck // a test looks at it
}

// asks sends a request anywhere and returns the answer, or nothing.
func (u *user) asks(subject, body string) string {
	m, err := u.nc.Request(subject, []byte(body), 5*time.Second)
	if err != nil {
		return ""
	}
	return m.Header.Get("Status") + string(m.Data)
}

// await polls until missing says that nothing is missing any more.
func await(t *testing.T, missing func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("still missing: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
