package natsd

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
)

func workConsumer(r events.Region, app string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{Durable: events.WorkConsumer(r, app), FilterSubject: events.WorkSubject(r, app), AckPolicy: jetstream.AckExplicitPolicy}
}

func TestAgentRunsSessionsOfItsRegion(t *testing.T) {
	h := newHouse(t)
	a := h.agent(here, agentMine)
	require.NoError(t, a.WaitStreams(t.Context()))
	_, err := a.Append(t.Context(), events.NewAgentDraft(here, agentMine, events.AgentOnline, events.OnlineData{}))
	require.NoError(t, err)
	beat := nats.NewMsg("$KV.HEARTBEATS." + events.HeartbeatKey(here, agentMine))
	_, err = a.JetStream().PublishMsg(t.Context(), beat, jetstream.WithMsgTTL(events.HeartbeatTTL))
	require.NoError(t, err)

	// Work: pulled, put back, done.
	c, err := a.makes("WORK", workConsumer(here, app))
	require.NoError(t, err)
	_, err = h.gw.JetStream().Publish(t.Context(), events.WorkSubject(here, app), []byte("1"))
	require.NoError(t, err)
	m, err := c.Next(jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	require.NoError(t, a.Again(m, 0))
	m, err = c.Next(jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	require.NoError(t, a.Done(m))
	await(t, func() string {
		if s, err := h.gw.JetStream().Stream(t.Context(), "WORK"); err != nil || s.CachedInfo().State.Msgs != 0 {
			return "the end of the work message"
		}
		return ""
	})

	// The session: its history, a decision, its streamer's durable, what is said of it meanwhile.
	n := 0
	require.NoError(t, a.History(t.Context(), here, mine, 0, func(events.Event) error { n++; return nil }))
	require.Equal(t, 2, n)
	last, err := a.LastSeq(t.Context(), here, mine)
	require.NoError(t, err)
	_, err = a.AppendExpecting(t.Context(), events.NewDraft(here, mine, events.Agent, events.Claimed, events.ClaimedData{Agent: agentMine}), last)
	require.NoError(t, err)
	h.sessionConsumer(here, mine)
	stop := events.EventFilter(here, events.Gateway, events.Terminating)
	begun, told := make(chan struct{}, 1), make(chan events.Event, 1)
	done := make(chan error, 1)
	ended := assertError("told")
	go func() {
		done <- a.Follow(t.Context(), events.SessionsStream, []string{stop}, events.Start{New: true}, func(e events.Event) error {
			told <- e
			return ended
		}, func() {
			select {
			case begun <- struct{}{}:
			default:
			}
		})
	}()
	<-begun
	_, err = h.gw.Append(t.Context(), events.NewDraft(here, mine, events.Gateway, events.Terminating, nil))
	require.NoError(t, err)
	require.Equal(t, events.Terminating, (<-told).Name)
	require.ErrorIs(t, <-done, ended)
	require.NoError(t, a.JetStream().DeleteConsumer(t.Context(), events.SessionsStream, events.SessionConsumer(mine)))
}

type assertError string

func (e assertError) Error() string { return string(e) }

func TestAgentPublishesForItsRegionOnly(t *testing.T) {
	h := newHouse(t)
	a := h.agent(here, agentMine)
	a.maynotPublish("sessions.there."+string(theirs)+".agent.claimed", "sessions.here."+string(mine)+".gateway.created", "sessions.here."+string(mine)+".streamer.ready",
		"sessions.here."+string(mine)+".client.offer", "agents.there."+string(agentMine)+".online", "agents.here."+string(agentElse)+".online",
		"$KV.HEARTBEATS.agent.here."+string(agentElse), "$KV.HEARTBEATS.agent.there."+string(agentMine), "$KV.HEARTBEATS.streamer.here."+string(mine),
		"live.sessions.here."+string(mine)+".agent.claimed", "quality.here."+string(mine), "work.here.testcard", "deadlines.due.x", "accounts.x.created", "replay.x", "x",
		"guard.agent.there."+string(agentMine)+".STREAM.INFO.SESSIONS", "guard.agent.here."+string(agentElse)+".STREAM.INFO.SESSIONS", "guard.operator.INFO",
		"$JS.ACK.WORK.work-here_testcard.1.1.1.1.0", "$JS.ACK.SESSIONS.s-x.1.1.1.1.0")
	for _, call := range []string{"INFO", "STREAM.INFO.SESSIONS", "DIRECT.GET.SESSIONS", "STREAM.MSG.GET.SESSIONS", "CONSUMER.CREATE.SESSIONS.x",
		"CONSUMER.CREATE.SESSIONS.x.sessions.here.>", "CONSUMER.CREATE.WORK.work-here_testcard", "CONSUMER.MSG.NEXT.WORK.work-there_testcard", "STREAM.CREATE.X"} {
		a.maynotPublish("$JS.API." + call)
	}
	a.maynotSubscribe(">", "live.>", "live.sessions.there.>", "sessions.>", "work.>", "_INBOX_agent.>", "_INBOX_agent.here.>", "_INBOX_agent.here."+string(agentElse)+".>",
		"_INBOX_gateway.>", "guard.>", "$KV.>", "$JS.>")
	a.subscribes("live.sessions.here.>")
}

func TestAgentReadsItsRegionOnly(t *testing.T) {
	h := newHouse(t)
	a := h.agent(here, agentMine)
	none := func(events.Event) error { t.Error("an event of the other region"); return nil }
	require.Error(t, a.History(t.Context(), there, theirs, 0, none))
	require.Error(t, a.Read(t.Context(), events.SessionsStream, "", 0, none))
	require.Error(t, a.Read(t.Context(), events.SessionsStream, "sessions.>", 0, none))
	require.Error(t, a.Read(t.Context(), events.SessionsStream, "sessions.*.*.gateway.created", 0, none))
	require.Error(t, a.Read(t.Context(), events.AccountsStream, "accounts.>", 0, none))
	_, err := a.LastSeq(t.Context(), there, theirs)
	require.Error(t, err)
	_, err = a.FindRegion(t.Context(), theirs)
	require.Error(t, err)
	// Twice the same name in the body: what is handed on is what was looked at.
	guard := "guard.agent.here." + string(agentMine) + "."
	got := a.asks(guard+"DIRECT.GET.SESSIONS", `{"last_by_subj":"sessions.there.>","last_by_subj":"sessions.here.`+string(mine)+`.gateway.created"}`)
	require.NotContains(t, got, "there")
	require.Contains(t, a.asks(guard+"DIRECT.GET.SESSIONS", `{"multi_last":["sessions.there.>"]}`), "403")
	require.Contains(t, a.asks(guard+"STREAM.MSG.GET.SESSIONS", `{"seq":1}`), "403")
}

func TestAgentMakesConsumersOfItsRegionOnly(t *testing.T) {
	h := newHouse(t)
	h.sessionConsumer(there, theirs)
	other := h.agent(there, agentElse)
	_, err := other.makes("WORK", workConsumer(there, app))
	require.NoError(t, err)
	a := h.agent(here, agentMine)
	wrongWork, wrongSession := workConsumer(there, app), jetstream.ConsumerConfig{Durable: events.SessionConsumer(theirs), FilterSubject: events.SessionFilter(here, theirs)}
	for name, x := range map[string]struct {
		stream string
		config jetstream.ConsumerConfig
	}{
		"the other region's work":                 {"WORK", wrongWork},
		"its work under our name":                 {"WORK", jetstream.ConsumerConfig{Durable: events.WorkConsumer(here, app), FilterSubject: events.WorkSubject(there, app)}},
		"all work":                                {"WORK", jetstream.ConsumerConfig{Durable: events.WorkConsumer(here, app)}},
		"the other session's durable, our filter": {"SESSIONS", wrongSession},
		"our durable, the other's filter":         {"SESSIONS", jetstream.ConsumerConfig{Durable: events.SessionConsumer(mine), FilterSubject: events.SessionFilter(there, theirs)}},
		"a name of nobody's":                      {"SESSIONS", jetstream.ConsumerConfig{Name: "x", FilterSubject: "sessions.here.>"}},
		"a gateway's":                             {"SESSIONS", jetstream.ConsumerConfig{Durable: "gateway-dispatch", FilterSubject: "sessions.here.>"}},
		"own name, all sessions":                  {"SESSIONS", jetstream.ConsumerConfig{Name: "a_here_x"}},
		"own name, the other region":              {"SESSIONS", jetstream.ConsumerConfig{Name: "a_here_x", FilterSubject: "sessions.there.>"}},
		"the other region's name":                 {"SESSIONS", jetstream.ConsumerConfig{Name: "a_there_x", FilterSubject: "sessions.here.>"}},
		"another stream":                          {"ACCOUNTS", jetstream.ConsumerConfig{Name: "a_here_x"}},
	} {
		_, err := a.makes(x.stream, x.config)
		require.ErrorContains(t, err, "guard:", name)
	}
	guard := "guard.agent.here." + string(agentMine) + "."
	require.Contains(t, a.asks(guard+"CONSUMER.CREATE.SESSIONS.a_here_x", `{"stream_name":"SESSIONS","config":{"name":"a_here_x","filter_subject":"sessions.here.>","deliver_subject":"x"}}`), "pull consumer")
	// Nor does it use what others made.
	there, theirDurable := events.WorkConsumer(there, app), events.SessionConsumer(theirs)
	for _, call := range []string{"CONSUMER.MSG.NEXT.WORK." + there, "CONSUMER.INFO.WORK." + there, "CONSUMER.DELETE.WORK." + there, "CONSUMER.MSG.NEXT.SESSIONS.a_there_x",
		"CONSUMER.MSG.NEXT.SESSIONS." + theirDurable, "ACK.SESSIONS." + theirDurable + ".1.1.1.1.0", "CONSUMER.INFO.SESSIONS." + theirDurable, "CONSUMER.DELETE.SESSIONS." + theirDurable,
		"ACK.WORK." + there + ".1.1.1.1.0", "STREAM.INFO.ACCOUNTS", "STREAM.CREATE.X", "STREAM.DELETE.SESSIONS", "INFO"} {
		require.Contains(t, a.asks(guard+call, ""), "403", call)
	}
	require.Contains(t, a.asks(guard+"ACK.WORK."+events.WorkConsumer(here, app)+".1.1.1.1.0", "+NXT"), "403")
	// An answer of JetStream goes to the asker, or nowhere.
	before := h.lastSeq("WORK")
	require.NoError(t, a.nc.PublishRequest(guard+"STREAM.INFO.SESSIONS", "work.there.testcard", nil))
	require.NotEmpty(t, a.asks(guard+"STREAM.INFO.SESSIONS", ""))
	require.Equal(t, before, h.lastSeq("WORK"))
}

// Two regions of which one's name begins with the other's are two regions all the same.
func TestRegionsThatLookAlike(t *testing.T) {
	h := newHouse(t)
	_, err := h.keys.AddRegion("here-west")
	require.NoError(t, err)
	require.NoError(t, h.keys.Push(t.Context(), h.s.ClientURL()))
	west := h.agent("here-west", agentMine)
	_, err = west.makes("WORK", workConsumer("here-west", app))
	require.NoError(t, err)
	a := h.agent(here, agentMine)
	_, err = a.makes("WORK", jetstream.ConsumerConfig{Durable: strings.Replace(events.WorkConsumer("here-west", app), "_", "-", 1), FilterSubject: "work.here.west-testcard"})
	require.ErrorContains(t, err, "guard:")
	require.Contains(t, a.asks("guard.agent.here."+string(agentMine)+".CONSUMER.MSG.NEXT.WORK."+events.WorkConsumer("here-west", app), ""), "403")
	require.ErrorContains(t, a.Read(t.Context(), events.SessionsStream, "sessions.here-west.>", 0, func(events.Event) error { return nil }), "events:")
}
