package guard

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/trust"
)

func TestParse(t *testing.T) {
	for subject, want := range map[string]string{
		"guard.agent.r.a1.STREAM.INFO.SESSIONS":              "STREAM.INFO.SESSIONS",
		"guard.operator.INFO":                                "INFO",
		"guard.analytics.CONSUMER.CREATE.SESSIONS.an-x":      "CONSUMER.CREATE.SESSIONS.an-x",
		"guard.analytics-sdp.CONSUMER.CREATE.SESSIONS.sdp-x": "CONSUMER.CREATE.SESSIONS.sdp-x",
	} {
		_, call, ok := parse(subject)
		require.True(t, ok, subject)
		require.Equal(t, want, strings.Join(call, "."))
	}
	for _, subject := range []string{"", "guard", "guard.agent", "guard.agent.r", "guard.agent.r.a1", "guard.agent.R.a1.INFO", "guard.agent..a1.INFO", "guard.gateway.INFO",
		"guard.streamer.r.s.INFO", "other.operator.INFO", "guard.operator"} {
		_, _, ok := parse(subject)
		require.False(t, ok, subject)
	}
}

func TestAnswersGoToTheAsker(t *testing.T) {
	for _, x := range []struct {
		subject, reply string
		want           bool
	}{
		{"guard.agent.r.a1.STREAM.INFO.SESSIONS", "_INBOX_agent.r.a1.x", true},
		{"guard.agent.r.a1.STREAM.INFO.SESSIONS", "_INBOX_agent.r.a11.x", false},
		{"guard.agent.r.a1.STREAM.INFO.SESSIONS", "_INBOX_agent.r.a1", false},
		{"guard.agent.r.a1.STREAM.INFO.SESSIONS", "work.r.app", false},
		{"guard.agent.r.a1.STREAM.INFO.SESSIONS", "", false},
		{"guard.agent.r.a1.ACK.WORK.x.1", "", true},
		{"guard.operator.INFO", "_INBOX_operator.x", true},
		{"guard.operator.INFO", "_INBOX_operators.x", false},
		{"guard.operator.INFO", "live.sessions.x", false},
		{"guard.analytics.INFO", "_R_.abc.def", true},
		{"guard.analytics.INFO", "_INBOX_analytics.x", false},
	} {
		who, call, ok := parse(x.subject)
		require.True(t, ok)
		require.Equal(t, x.want, who.mayAnswerOn(x.reply, call), "%s answers on %q", x.subject, x.reply)
	}
}

func TestNarrow(t *testing.T) {
	all, err := lifecycle(nil)
	require.NoError(t, err)
	require.Len(t, all, len(events.Lifecycle()))
	for filter, want := range map[string]string{
		"sessions.r.s.gateway.created": "sessions.r.s.gateway.created",
		"sessions.*.*.*.failed":        "sessions.*.*.agent.failed",
		"*.r.*.agent.failed":           "sessions.r.*.agent.failed",
	} {
		got, err := narrow(filter)
		require.NoError(t, err, filter)
		require.Equal(t, []string{want}, got)
	}
	for _, filter := range []string{"", "sessions", "sessions.*", "sessions.r.s.gateway", "agents.>", "sessions.*.*.*.offer", "sessions.*.*.gateway.extra_data",
		"sessions.*.*.client.message", "sessions.*.*.agent.created", "sessions.*.*.*.unknown", "sessions.a.b.c.d.e"} {
		got, err := narrow(filter)
		require.ErrorIs(t, err, errNotAllowed, "%s: %v", filter, got)
	}
}

// Whatever is asked for, what comes of it is lifecycle events and no more than that.
func TestNarrowedFiltersTakeNothingPersonal(t *testing.T) {
	token := rapid.OneOf(rapid.SampledFrom([]string{"*", ">", "sessions", "client", "gateway", "streamer", "offer", "candidate", "created", "extra_data", ""}), rapid.StringMatching(`[a-z*>]{0,4}`))
	rapid.Check(t, func(t *rapid.T) {
		filter := strings.Join(rapid.SliceOfN(token, 0, 7).Draw(t, "tokens"), ".")
		got, err := narrow(filter)
		if err != nil {
			return
		}
		for _, f := range got {
			parts := strings.Split(f, ".")
			if len(parts) != 5 || parts[0] != "sessions" || !events.Known(events.Name(parts[4])) || events.ShortLived(events.Name(parts[4])) {
				t.Fatalf("%q became %q", filter, f)
			}
		}
	})
}

// FuzzAgent: whatever an agent asks, what is handed on reads its region, pulls, and names what the subject names.
func FuzzAgent(f *testing.F) {
	f.Add("DIRECT.GET.SESSIONS", `{"last_by_subj":"sessions.r.>"}`)
	f.Add("DIRECT.GET.SESSIONS", `{"next_by_subj":"sessions.r.*.*.*","NEXT_BY_SUBJ":"sessions.>","seq":1,"batch":10}`)
	f.Add("CONSUMER.CREATE.SESSIONS.a_r_x", `{"stream_name":"SESSIONS","config":{"name":"a_r_x","filter_subjects":["sessions.r.>"],"deliver_subject":"x"}}`)
	f.Add("CONSUMER.CREATE.SESSIONS.s-1.sessions.r.1.>", `{"stream_name":"SESSIONS","config":{"durable_name":"s-1","filter_subject":"sessions.r.1.>"}}`)
	f.Add("CONSUMER.CREATE.WORK.work-r_app", `{"stream_name":"WORK","config":{"durable_name":"work-r_app","filter_subject":"work.r.app"}}`)
	f.Add("ACK.WORK.work-r_app.1.2.3", "+ACK")
	f.Fuzz(func(t *testing.T, call, body string) {
		who, tokens, ok := parse("guard.agent.r.a1." + call)
		if !ok {
			return
		}
		o, err := who.check(tokens, []byte(body))
		if err != nil {
			return
		}
		if !strings.HasPrefix(o.subject, apiPrefix) && !strings.HasPrefix(o.subject, ackPrefix+"WORK.work-r_") && !strings.HasPrefix(o.subject, ackPrefix+"SESSIONS.a_r_") {
			t.Fatalf("handed on to %s", o.subject)
		}
		switch {
		case strings.Contains(o.subject, ".GET."):
			var q readRequest
			if err := json.Unmarshal(o.body, &q); err != nil {
				t.Fatal(err)
			}
			for _, filter := range []string{q.NextFor, q.LastFor} {
				if filter != "" && !strings.HasPrefix(filter, "sessions.r.") || q.NextFor+q.LastFor == "" {
					t.Fatalf("reads %q", o.body)
				}
			}
		case strings.Contains(o.subject, ".CREATE."):
			var q createRequest
			if err := json.Unmarshal(o.body, &q); err != nil {
				t.Fatal(err)
			}
			if q.Config.DeliverSubject != "" || q.Config.FilterSubject != "" || len(q.Config.FilterSubjects) == 0 ||
				o.subject != apiPrefix+"CONSUMER.CREATE."+q.Stream+"."+q.Config.Name {
				t.Fatalf("makes %s on %s", o.body, o.subject)
			}
			for _, filter := range q.Config.FilterSubjects {
				if !strings.HasPrefix(filter, "sessions.r.") && !strings.HasPrefix(filter, "work.r.") {
					t.Fatalf("filters %q", filter)
				}
			}
		}
	})
}

func TestRolesWithoutAGuardGetNothing(t *testing.T) {
	for _, r := range []trust.Role{trust.Analytics, trust.AnalyticsSDP} {
		who := asker{trust.Identity{Role: r}}
		for _, call := range []string{"INFO", "DIRECT.GET.SESSIONS", "STREAM.CREATE.X", "CONSUMER.MSG.NEXT.SESSIONS.an-x", "ACK.SESSIONS.an-x.1"} {
			_, err := who.check(strings.Split(call, "."), nil)
			require.ErrorIs(t, err, errNotAllowed, call)
		}
	}
}
