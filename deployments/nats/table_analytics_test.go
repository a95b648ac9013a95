package natsd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/trust"
)

func TestAnalyticsReadsLifecycleEvents(t *testing.T) {
	h := newHouse(t)
	a := h.analytics()
	for _, stream := range trust.AnalystStreams() {
		s, err := a.JetStream().Stream(t.Context(), stream)
		require.NoError(t, err, stream)
		require.Equal(t, stream, s.CachedInfo().Config.Name)
	}
	// A durable that survives the analyst: pulled from, acknowledged, and gone on with by another connection.
	c, err := a.makes("SESSIONS", jetstream.ConsumerConfig{Durable: "an-report", AckPolicy: jetstream.AckExplicitPolicy})
	require.NoError(t, err)
	m, err := c.Next(jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	require.Contains(t, m.Subject(), ".gateway.created")
	require.NoError(t, m.DoubleAck(t.Context()))
	a.nc.Close()
	a = h.analytics()
	c, err = a.JetStream().Consumer(t.Context(), "SESSIONS", "an-report")
	require.NoError(t, err)
	second, err := c.Next(jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	require.NotEqual(t, m.Subject(), second.Subject())
	// What comes later reaches a consumer that waits; what is not for analysts does not.
	it, err := c.Messages()
	require.NoError(t, err)
	t.Cleanup(it.Stop)
	for _, n := range []events.Name{events.Offer, events.Detached} {
		_, err = h.gw.Append(t.Context(), events.NewDraft(here, mine, events.Client, n, nil))
		require.NoError(t, err)
	}
	live, err := it.Next(jetstream.NextMaxWait(patience))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(live.Subject(), ".client.detached"), live.Subject())

	// The other streams, and the ordered consumer of the client library.
	_, err = h.gw.JetStream().Publish(t.Context(), "work.here.testcard", nil)
	require.NoError(t, err)
	h.streamer(here, mine).publishes("quality.here." + string(mine))
	q, err := a.makes("QUALITY", jetstream.ConsumerConfig{Name: "an-q", FilterSubject: "quality.here.*"})
	require.NoError(t, err)
	_, err = q.Next(jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	o, err := a.JetStream().OrderedConsumer(t.Context(), "SESSIONS", jetstream.OrderedConsumerConfig{
		NamePrefix: "an-ordered", FilterSubjects: []string{"sessions.*.*.gateway.created", "sessions.*.*.client.detached"}})
	require.NoError(t, err)
	for i := range 3 {
		_, err := o.Next(jetstream.FetchMaxWait(patience))
		require.NoError(t, err, "message %d", i)
	}
	require.NoError(t, a.JetStream().DeleteConsumer(t.Context(), "SESSIONS", "an-report"))
}

func TestAnalyticsPublishesNothing(t *testing.T) {
	h := newHouse(t)
	a := h.analytics()
	a.maynotPublish("sessions.here."+string(mine)+".gateway.created", "live.sessions.here."+string(mine)+".gateway.created", "agents.here.a1.online",
		"quality.here."+string(mine), "work.here.testcard", "deadlines.due.x", "accounts.x.created", "$KV.HEARTBEATS.agent.here.a1", "replay.x", "x",
		"guard.analytics.STREAM.INFO.SESSIONS", "guard.operator.INFO", "_INBOX_gateway.x")
	a.maynotSubscribe(">", "live.>", "sessions.>", "_INBOX.>", "_INBOX_gateway.>", "guard.>", "$SYS.>", "$JS.EVENT.>")

	// Nor by an answer that goes elsewhere: it does not leave the analysts' account.
	before := h.lastSeq("WORK")
	require.NoError(t, a.nc.PublishRequest("$JS.API.STREAM.INFO.SESSIONS", "work.here.testcard", nil))
	require.NoError(t, a.nc.PublishRequest("$JS.API.CONSUMER.CREATE.SESSIONS.an-x", "work.here.testcard", nil))
	require.NotEmpty(t, a.asks("$JS.API.STREAM.INFO.SESSIONS", "")) // and those before it are done
	require.Equal(t, before, h.lastSeq("WORK"))
}

func TestAnalyticsConsumersAreTheirOwn(t *testing.T) {
	h := newHouse(t)
	a := h.analytics()
	h.sessionConsumer(here, mine)
	for name, x := range map[string]struct {
		stream string
		config jetstream.ConsumerConfig
		want   string
	}{
		"another name":        {"SESSIONS", jetstream.ConsumerConfig{Name: "report"}, "name the consumer an-"},
		"a streamer's":        {"SESSIONS", jetstream.ConsumerConfig{Durable: events.SessionConsumer(mine), FilterSubject: "sessions.*.*.gateway.created"}, "name the consumer an-"},
		"a gateway's":         {"SESSIONS", jetstream.ConsumerConfig{Durable: "gateway-dispatch"}, "name the consumer an-"},
		"granted ones'":       {"SESSIONS", jetstream.ConsumerConfig{Durable: "sdp-x"}, "--with-sdp"},
		"session description": {"SESSIONS", jetstream.ConsumerConfig{Name: "an-x", FilterSubject: "sessions.*.*.client.offer"}, "takes no event"},
		"candidates":          {"SESSIONS", jetstream.ConsumerConfig{Name: "an-x", FilterSubjects: []string{"sessions.*.*.gateway.created", "sessions.*.*.*.candidate"}}, "takes no event"},
		"extra data":          {"SESSIONS", jetstream.ConsumerConfig{Name: "an-x", FilterSubject: "sessions.*.*.gateway.extra_data"}, "takes no event"},
	} {
		_, err := a.makes(x.stream, x.config)
		require.ErrorContains(t, err, x.want, name)
	}
	for _, stream := range []string{"WORK", "ACCOUNTS", "DEADLINES", "KV_HEARTBEATS"} {
		a.maynotPublish("$JS.API.CONSUMER.CREATE."+stream+".an-x", "$JS.API.STREAM.INFO."+stream)
	}
	// A push consumer would deliver to any subject.
	for _, config := range []string{`"deliver_subject":"work.here.testcard"`, `"deliver_subject":"_INBOX_analytics.x"`, `"deliver_subject":"x","deliver_subject":"live.x"`} {
		got := a.asks("$JS.API.CONSUMER.CREATE.SESSIONS.an-x", `{"stream_name":"SESSIONS","config":{"name":"an-x",`+config+`}}`)
		require.Contains(t, got, "make a pull consumer")
	}
	// The subject and the body must be of one mind.
	require.Contains(t, a.asks("$JS.API.CONSUMER.CREATE.SESSIONS.an-x", `{"stream_name":"WORK","config":{"name":"an-x"}}`), "the request WORK")
	require.Contains(t, a.asks("$JS.API.CONSUMER.CREATE.SESSIONS.an-x", `{"stream_name":"SESSIONS","config":{"durable_name":"s-1"}}`), "s-1")
	// Nor is anything done with the consumers of others.
	for _, call := range []string{"CONSUMER.MSG.NEXT", "CONSUMER.INFO", "CONSUMER.DELETE"} {
		a.maynotPublish("$JS.API." + call + ".SESSIONS." + events.SessionConsumer(mine))
	}
	_, err := h.gw.JetStream().Consumer(t.Context(), "SESSIONS", events.SessionConsumer(mine))
	require.NoError(t, err)
	// Reading without a consumer is not for analysts: the filter would be in the body.
	for _, call := range []string{"DIRECT.GET.SESSIONS", "STREAM.MSG.GET.SESSIONS", "STREAM.NAMES", "STREAM.PURGE.SESSIONS", "STREAM.DELETE.SESSIONS", "STREAM.UPDATE.SESSIONS",
		"STREAM.MSG.DELETE.SESSIONS", "STREAM.SNAPSHOT.SESSIONS", "CONSUMER.NAMES.SESSIONS", "CONSUMER.CREATE.SESSIONS", "CONSUMER.PAUSE.SESSIONS.an-x", "CONSUMER.CREATE.WORK.an-x"} {
		a.maynotPublish("$JS.API." + call)
	}
	// Nor is a message of theirs answered: one of the answers asks for the next.
	a.maynotPublish("$JS.ACK.SESSIONS."+events.SessionConsumer(mine)+".1.1.1.1.0", "named.s-1.JS.API.CONSUMER.INFO.SESSIONS."+events.SessionConsumer(mine), "named.an-.JS.API.CONSUMER.INFO.SESSIONS.an-x")
}

// A wide filter is narrowed to what may be read.
func TestAnalyticsFiltersAreNarrowed(t *testing.T) {
	h := newHouse(t)
	a := h.analytics()
	for name, filters := range map[string][]string{
		"none": nil, "all": {"sessions.>"}, "one session": {fmt.Sprintf("sessions.*.%s.>", mine)}, "one actor": {"sessions.here.*.client.*"},
	} {
		c, err := a.makes("SESSIONS", jetstream.ConsumerConfig{Name: "an-" + strings.ReplaceAll(name, " ", "-"), FilterSubjects: filters})
		require.NoError(t, err, name)
		got := c.CachedInfo().Config.FilterSubjects
		if f := c.CachedInfo().Config.FilterSubject; f != "" {
			got = append(got, f)
		}
		require.NotEmpty(t, got)
		for _, f := range got {
			tokens := strings.Split(f, ".")
			require.Len(t, tokens, 5)
			require.True(t, events.Known(events.Name(tokens[4])), f)
			require.False(t, events.ShortLived(events.Name(tokens[4])), f)
		}
	}
}

// With the grant all of SESSIONS is read, through consumers of their own that others cannot reach.
func TestAnalyticsWithSDP(t *testing.T) {
	h := newHouse(t)
	granted := h.user(trust.Identity{Role: trust.AnalyticsSDP})
	c, err := granted.makes("SESSIONS", jetstream.ConsumerConfig{Durable: "sdp-x", FilterSubject: "sessions.*.*.client.offer"})
	require.NoError(t, err)
	m, err := c.Next(jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	require.Contains(t, string(m.Data()), "ice-pwd")
	_, err = granted.makes("SESSIONS", jetstream.ConsumerConfig{Durable: "an-x", FilterSubject: "sessions.*.*.client.offer"})
	require.ErrorContains(t, err, "sdp-…", "others could read it")
	_, err = granted.makes("SESSIONS", jetstream.ConsumerConfig{Durable: "an-x"})
	require.NoError(t, err)

	plain := h.analytics()
	plain.maynotPublish("$JS.API.CONSUMER.MSG.NEXT.SESSIONS.sdp-x", "$JS.API.CONSUMER.INFO.SESSIONS.sdp-x", "$JS.ACK.SESSIONS.sdp-x.1.1.1.1.0")
	require.NotEmpty(t, plain.asks("$JS.API.CONSUMER.INFO.SESSIONS.an-x", ""))
	granted.maynotPublish("sessions.here."+string(mine)+".gateway.created", "x")
}

// sessionConsumer makes a streamer's durable, as its agent does.
func (h *house) sessionConsumer(r events.Region, id events.SessionID) {
	h.t.Helper()
	_, err := h.agent(r, "maker").makes("SESSIONS", jetstream.ConsumerConfig{
		Durable: events.SessionConsumer(id), FilterSubject: events.SessionFilter(r, id), AckPolicy: jetstream.AckExplicitPolicy, InactiveThreshold: time.Hour})
	require.NoError(h.t, err)
}

func (h *house) lastSeq(stream string) uint64 {
	h.t.Helper()
	s, err := h.gw.JetStream().Stream(h.t.Context(), stream)
	require.NoError(h.t, err)
	return s.CachedInfo().State.LastSeq
}
