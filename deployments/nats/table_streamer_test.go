package natsd

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/trust"
)

func TestStreamerServesItsSession(t *testing.T) {
	h := newHouse(t)
	h.sessionConsumer(here, mine)
	s := h.streamer(here, mine)
	require.Equal(t, "_INBOX_s-"+string(mine), s.nc.Opts.InboxPrefix)

	// The past, through the durable, to its end.
	c, err := s.JetStream().Consumer(t.Context(), events.SessionsStream, events.SessionConsumer(mine))
	require.NoError(t, err)
	it, err := c.Messages()
	require.NoError(t, err)
	t.Cleanup(it.Stop)
	for _, want := range []events.Name{events.Created, events.Offer} {
		m, err := it.Next(jetstream.NextMaxWait(patience))
		require.NoError(t, err)
		e, _, err := events.Decode(m)
		require.NoError(t, err)
		require.Equal(t, want, e.Name)
		require.NoError(t, m.DoubleAck(t.Context()))
	}
	// What it says, and what it hears.
	live, err := s.nc.SubscribeSync("live.sessions.here." + string(mine) + ".>")
	require.NoError(t, err)
	require.NoError(t, s.nc.Flush())
	_, err = s.Append(t.Context(), events.NewDraft(here, mine, events.Streamer, events.Ready, events.ReadyData{}))
	require.NoError(t, err)
	m, err := live.NextMsg(patience)
	require.NoError(t, err)
	require.Equal(t, "live.sessions.here."+string(mine)+".streamer.ready", m.Subject)
	_, err = s.JetStream().Publish(t.Context(), "quality.here."+string(mine), []byte("{}"))
	require.NoError(t, err)
	_, err = s.JetStream().PublishMsg(t.Context(), nats.NewMsg("$KV.HEARTBEATS.streamer.here."+string(mine)), jetstream.WithMsgTTL(events.HeartbeatTTL))
	require.NoError(t, err)
}

func TestStreamerPublishesForNobodyElse(t *testing.T) {
	h := newHouse(t)
	s := h.streamer(here, mine)
	var others []string
	for _, actor := range []events.Actor{events.Gateway, events.Agent, events.Client} {
		others = append(others, fmt.Sprintf("sessions.here.%s.%s.x", mine, actor))
	}
	s.maynotPublish(append(others,
		"sessions.here."+string(theirs)+".streamer.ready", "sessions.there."+string(mine)+".streamer.ready", "sessions.here."+string(mine)+".streamer",
		"live.sessions.here."+string(mine)+".streamer.ready", "quality.here."+string(theirs), "quality.there."+string(mine),
		"agents.here.a1.online", "work.here.testcard", "deadlines.due.x", "accounts.x.created", "replay.x", "x", "guard.agent.here.a1.STREAM.INFO.SESSIONS",
		"$KV.HEARTBEATS.agent.here.a1", "$KV.HEARTBEATS.streamer.here."+string(theirs), "$KV.HEARTBEATS.streamer.there."+string(mine), "$KV.OTHER.x", "$O.x")...)
}

func TestStreamerReadsNothingElse(t *testing.T) {
	h := newHouse(t)
	h.sessionConsumer(there, theirs)
	s := h.streamer(here, mine)
	s.maynotSubscribe(">", "live.>", "live.sessions.here.>", "live.sessions.here."+string(theirs)+".>", "live.sessions.there."+string(mine)+".>",
		"sessions.>", "work.>", "$KV.>", "_INBOX.>", "_INBOX_gateway.>", "_INBOX_s-"+string(theirs)+".>", "_INBOX_agent.>", "quality.>", "guard.>", "$JS.>", "$SYS.>")
	for _, call := range []string{
		"INFO", "STREAM.INFO.SESSIONS", "STREAM.NAMES", "STREAM.LIST", "STREAM.CREATE.X", "STREAM.UPDATE.SESSIONS", "STREAM.DELETE.SESSIONS", "STREAM.PURGE.SESSIONS",
		"STREAM.MSG.GET.SESSIONS", "STREAM.MSG.DELETE.SESSIONS", "DIRECT.GET.SESSIONS", "DIRECT.GET.SESSIONS.sessions.here." + string(mine) + ".gateway.created",
		"DIRECT.GET.KV_HEARTBEATS", "STREAM.SNAPSHOT.SESSIONS",
		// A consumer of its own, a durable of its own made anew, one with another filter, an old call.
		"CONSUMER.CREATE.SESSIONS", "CONSUMER.CREATE.SESSIONS.x", "CONSUMER.CREATE.SESSIONS.s-" + string(mine), "CONSUMER.CREATE.SESSIONS.s-" + string(theirs),
		"CONSUMER.CREATE.SESSIONS.s-" + string(mine) + ".sessions.>", "CONSUMER.DURABLE.CREATE.SESSIONS.s-" + string(mine),
		"CONSUMER.DELETE.SESSIONS.s-" + string(mine), "CONSUMER.NAMES.SESSIONS", "CONSUMER.LIST.SESSIONS",
		// Another's durable.
		"CONSUMER.INFO.SESSIONS.s-" + string(theirs), "CONSUMER.MSG.NEXT.SESSIONS.s-" + string(theirs), "CONSUMER.MSG.NEXT.WORK.work-here_testcard",
	} {
		s.maynotPublish("$JS.API." + call)
	}
	s.maynotPublish("$JS.ACK.SESSIONS.s-"+string(theirs)+".1.1.1.1.0", "$JS.ACK.WORK.work-here_testcard.1.1.1.1.0")
}

// A wrong expected sequence on a session that is not its own stores nothing, and tells a streamer no more than a number.
func TestStreamerExpectedSequenceOfAnotherSession(t *testing.T) {
	h := newHouse(t)
	s := h.streamer(here, mine)
	before := h.lastSeq("SESSIONS")
	m := nats.NewMsg("sessions.here." + string(mine) + ".streamer.ready")
	_, err := s.JetStream().PublishMsg(t.Context(), m, jetstream.WithExpectLastSequenceForSubject(999, events.SessionFilter(there, theirs)))
	var api *jetstream.APIError
	require.ErrorAs(t, err, &api)
	require.Regexp(t, `^wrong last sequence: \d+$`, api.Description)
	require.Equal(t, before, h.lastSeq("SESSIONS"))
}

// A reply subject is under no permission. What the server says there is stored where it is the subject of a stream, and
// every reader sees that it is no event.
func TestStreamerForgesNothingByReply(t *testing.T) {
	h := newHouse(t)
	h.sessionConsumer(here, mine)
	s := h.streamer(here, mine)
	forged := events.Subject{Region: there, Session: theirs, Actor: events.Gateway, Name: events.Terminating}.String()
	before := h.lastSeq("SESSIONS")
	evil := nats.NewMsg("sessions.here." + string(mine) + ".streamer.ready")
	evil.Reply, evil.Data = forged, []byte(`{"by":"gateway"}`)
	evil.Header = nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"x"}, "ce-source": {"streamstack/gateway"}, "ce-type": {events.TypeOf(events.Terminating)}}
	require.NoError(t, s.nc.PublishMsg(evil))
	for _, call := range []string{"CONSUMER.INFO", "CONSUMER.MSG.NEXT"} {
		require.NoError(t, s.nc.PublishRequest("$JS.API."+call+".SESSIONS."+events.SessionConsumer(mine), forged, []byte("100")))
	}
	_, err := s.JetStream().Consumer(t.Context(), events.SessionsStream, events.SessionConsumer(mine)) // and those before it are done
	require.NoError(t, err)
	await(t, func() string { // the answers come one by one
		missing := "an answer that was stored: the server has become stricter, and this test proves nothing any more"
		err := h.gw.Read(t.Context(), events.SessionsStream, "", events.Seq(before)+1, func(e events.Event) error {
			if e.Subject == forged {
				missing = ""
				require.NotEmpty(t, e.Quarantine, "%+v", e)
			}
			return nil
		})
		if err != nil {
			return err.Error()
		}
		return missing
	})
}

// Credentials that an agent made say nothing that its key does not allow, whatever it writes into them.
func TestAgentsKeyMakesStreamersOfItsRegionOnly(t *testing.T) {
	h := newHouse(t)
	s := h.streamer(here, theirs) // a session of the other region
	s.maynotPublish("sessions.there."+string(theirs)+".streamer.ready", "quality.there."+string(theirs))
	s.maynotSubscribe("live.sessions.there." + string(theirs) + ".>")
	for _, id := range []events.SessionID{"*", ">", "a.b", "A", ""} {
		c, err := h.keys.Credentials(trust.Identity{Role: trust.Agent, Region: here, Agent: "a"}, 0)
		require.NoError(t, err)
		m, err := c.Minter()
		require.NoError(t, err)
		_, err = m.Streamer(id, 0)
		require.ErrorIs(t, err, trust.ErrIdentity)
	}
}
