package natsd

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/trust"
	"streamstack/projections/archive"
)

func TestOperatorReadsAllAndReplaysIntoSandboxes(t *testing.T) {
	h := newHouse(t)
	o := h.operator()
	n := 0
	count := func(events.Event) error { n++; return nil }
	require.NoError(t, o.History(t.Context(), there, theirs, 0, count))
	require.NoError(t, o.Read(t.Context(), events.SessionsStream, "", 0, count))
	require.Equal(t, 2+4, n)
	r, err := o.FindRegion(t.Context(), theirs)
	require.NoError(t, err)
	require.Equal(t, there, r)
	ended := assertError("seen")
	require.ErrorIs(t, o.Follow(t.Context(), events.SessionsStream, []string{events.EventFilter("", events.Client, events.Offer)}, events.Start{},
		func(events.Event) error { return ended }, nil), ended)
	o.subscribes("live.>", "sessions.>", "agents.>", "quality.>")
	for _, call := range []string{"STREAM.LIST", "STREAM.INFO.WORK", "CONSUMER.LIST.SESSIONS", "DIRECT.GET.SESSIONS"} { // as the nats CLI does it
		require.NotEmpty(t, o.asks("$JS.API."+call, `{"seq":1}`), call)
	}

	require.NoError(t, o.CreateSandbox(t.Context(), "rehearsal"))
	require.NoError(t, o.History(t.Context(), here, mine, 0, func(e events.Event) error {
		_, err := o.AppendReplay(t.Context(), "rehearsal", e)
		return err
	}))
	require.EqualValues(t, 2, h.lastSeq("rehearsal"))

	// The archive's files, which a gateway wrote.
	objects, err := h.gw.JetStream().CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: archive.Bucket})
	require.NoError(t, err)
	big := strings.Repeat("x", 1<<20)
	_, err = objects.PutString(t.Context(), "segment", big)
	require.NoError(t, err)
	mineToo, err := o.JetStream().ObjectStore(t.Context(), archive.Bucket)
	require.NoError(t, err)
	got, err := mineToo.GetString(t.Context(), "segment")
	require.NoError(t, err)
	require.Equal(t, big, got)
	require.NoError(t, objects.Delete(t.Context(), "segment"))
}

func TestOperatorChangesNothingElse(t *testing.T) {
	h := newHouse(t)
	h.sessionConsumer(here, mine)
	o := h.operator()
	o.maynotPublish("sessions.here."+string(mine)+".gateway.terminating", "live.sessions.here."+string(mine)+".gateway.terminating", "work.here.testcard", "agents.here.a1.online",
		"deadlines.due.x", "accounts.x.created", "quality.here."+string(mine), "$KV.HEARTBEATS.agent.here.a1", "x", "guard.agent.here.a1.STREAM.INFO.SESSIONS")
	o.maynotSubscribe(">", "_INBOX.>", "_INBOX_gateway.>", "_INBOX_agent.>", "guard.>", "$JS.API.>", "$SYS.>")
	for _, call := range []string{"STREAM.CREATE.X", "STREAM.UPDATE.SESSIONS", "STREAM.DELETE.SESSIONS", "STREAM.PURGE.WORK", "STREAM.MSG.DELETE.WORK", "STREAM.RESTORE.X",
		"CONSUMER.CREATE.SESSIONS.x", "CONSUMER.DELETE.SESSIONS.s-" + string(mine), "CONSUMER.MSG.NEXT.SESSIONS.s-" + string(mine)} {
		o.maynotPublish("$JS.API." + call)
	}
	for name, c := range map[string]jetstream.ConsumerConfig{
		"one that pushes": {Name: "op_x", DeliverSubject: o.nc.NewInbox()},
		"a streamer's":    {Durable: events.SessionConsumer(mine)}, "a durable": {Durable: "op_x"}, "any name": {Name: "x"},
	} {
		_, err := o.makes("SESSIONS", c)
		require.ErrorContains(t, err, "guard:", name)
	}
	for name, c := range map[string]jetstream.StreamConfig{
		"other subjects": {Subjects: []string{"live.>"}},
		"more subjects":  {Subjects: []string{"replay.x", "foo"}},
		"none":           {},
		"sends on":       {Subjects: []string{"replay.x"}, RePublish: &jetstream.RePublish{Source: "replay.x", Destination: "sessions.here.x.gateway.created"}},
		"takes in":       {Subjects: []string{"replay.x"}, Sources: []*jetstream.StreamSource{{Name: "SESSIONS"}}},
		"mirrors":        {Mirror: &jetstream.StreamSource{Name: "SESSIONS"}},
		"schedules":      {Subjects: []string{"replay.x"}, AllowMsgSchedules: true},
	} {
		c.Name = "SANDBOX"
		_, err := o.JetStream().CreateStream(t.Context(), c)
		require.ErrorContains(t, err, "guard:", name)
	}
	for _, to := range []string{"work.here.testcard", "live.sessions.here.x.gateway.created", "_INBOX_gateway.x"} {
		got := o.asks("guard.operator.CONSUMER.CREATE."+trust.ArchiveObjects+".x", `{"stream_name":"OBJ_ARCHIVE","config":{"name":"x","deliver_subject":"`+to+`"}}`)
		require.Contains(t, got, "pull consumer", to)
	}
	for _, call := range []string{"STREAM.DELETE.SESSIONS", "STREAM.UPDATE.SESSIONS", "STREAM.PURGE.WORK", "CONSUMER.MSG.NEXT.SESSIONS.s-" + string(mine), "CONSUMER.DELETE.SESSIONS.s-" + string(mine)} {
		require.Contains(t, o.asks("guard.operator."+call, ""), "403", call)
	}
}

// The gateway publishes as itself and for its clients, and as nobody else.
func TestGatewayIsNoAgentAndNoStreamer(t *testing.T) {
	h := newHouse(t)
	h.gw.publishes("sessions.here."+string(mine)+".gateway.x", "sessions.here."+string(mine)+".client.x", "work.here.testcard", "deadlines.at.x", "accounts.x.created")
	h.gw.subscribes(">")
	h.gw.maynotPublish("sessions.here."+string(mine)+".agent.claimed", "sessions.here."+string(mine)+".streamer.ready", "agents.here.a1.online", "quality.here."+string(mine),
		"live.sessions.here."+string(mine)+".gateway.created", "$KV.HEARTBEATS.agent.here.a1", "replay.x", "x", "_INBOX_analytics.x",
		"$JS.API.STREAM.DELETE.SESSIONS", "$JS.API.STREAM.PURGE.SESSIONS", "$JS.API.STREAM.MSG.DELETE.SESSIONS", "$JS.API.STREAM.RESTORE.SESSIONS", "$SYS.REQ.CLAIMS.UPDATE")
}
