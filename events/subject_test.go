package events_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func TestParseSubject(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		in   string
		want events.Subject
		ok   bool
	}{
		{"sessions.local.s1.gateway.created", events.Subject{Region: "local", Session: "s1", Actor: "gateway", Name: "created"}, true},
		{"sessions.eu-1.s1.streamer.encoder_changed", events.Subject{Region: "eu-1", Session: "s1", Actor: "streamer", Name: "encoder_changed"}, true},
		{"sessions.local.s1.client.not_yet_known", events.Subject{Region: "local", Session: "s1", Actor: "client", Name: "not_yet_known"}, true},
		{in: ""}, {in: "sessions"}, {in: "sessions.local.s1.gateway"}, {in: "sessions.local.s1.gateway.created.more"},
		{in: "session.local.s1.gateway.created"}, {in: "live.sessions.local.s1.gateway"},
		{in: "sessions.Local.s1.gateway.created"}, {in: "sessions.local.S1.gateway.created"},
		{in: "sessions..s1.gateway.created"}, {in: "sessions.local..gateway.created"}, {in: "sessions.local.s1..created"}, {in: "sessions.local.s1.gateway."},
		{in: "sessions.*.s1.gateway.created"}, {in: "sessions.local.s1.gateway.*"}, {in: "sessions.local.s1.gateway.>"}, {in: "sessions.local.s1.*.created"},
		{in: "sessions.local.s1.gateway.a b"}, {in: "sessions.local.s1.gateway.a\r\n"}, {in: "sessions.l_l.s1.gateway.created"},
		{in: "sessions." + long + ".s1.gateway.created"}, {in: "sessions.local." + long + ".gateway.created"},
	} {
		got, err := events.ParseSubject(c.in)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%q: %+v, %v", c.in, got, err)
		}
		if err != nil && !errors.Is(err, events.ErrSubject) {
			t.Errorf("%q: %v is not ErrSubject", c.in, err)
		}
	}
}

func TestSubjectRoundTrip(t *testing.T) {
	token, word := rapid.StringMatching(`[a-z0-9-]{1,63}`), rapid.StringMatching(`[a-z][a-z_]{0,30}`)
	rapid.Check(t, func(t *rapid.T) {
		in := events.Subject{Region: events.Region(token.Draw(t, "region")), Session: events.SessionID(token.Draw(t, "session")),
			Actor: events.Actor(word.Draw(t, "actor")), Name: events.Name(word.Draw(t, "name"))}
		out, err := events.ParseSubject(in.String())
		if err != nil || out != in {
			t.Fatalf("%+v became %+v, %v", in, out, err)
		}
	})
}

func FuzzParseSubject(f *testing.F) {
	f.Add("sessions.local.s1.gateway.created")
	f.Add("sessions.local.s1.gateway.>")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := events.ParseSubject(in)
		if err != nil {
			return
		}
		if s.String() != in {
			t.Fatalf("%q became %q", in, s.String())
		}
		if strings.ContainsAny(in, "*> \r\n\t") {
			t.Fatalf("%q was taken for the subject of an event", in)
		}
	})
}

func FuzzParseType(f *testing.F) {
	f.Add("streamstack.session.offer.v1")
	f.Add("streamstack.session..v0")
	f.Fuzz(func(t *testing.T, in string) {
		n, v, ok := events.ParseType(in)
		if ok && (n == "" || v < 1) {
			t.Fatalf("%q: name %q, version %d", in, n, v)
		}
	})
}

func TestParseType(t *testing.T) {
	for in, want := range map[string]struct {
		name    events.Name
		version int
		ok      bool
	}{
		"streamstack.session.offer.v1":   {"offer", 1, true},
		"streamstack.session.offer.v12":  {"offer", 12, true},
		"streamstack.session.a.vb.v2":    {"a.vb", 2, true},
		"streamstack.session.offer":      {},
		"streamstack.session.offer.v0":   {},
		"streamstack.session.offer.v-1":  {},
		"streamstack.session..v1":        {},
		"streamstack.agent.online.v1":    {},
		"streamstack.session.offer.vone": {},
	} {
		n, v, ok := events.ParseType(in)
		if n != want.name || v != want.version || ok != want.ok {
			t.Errorf("%q: %q, %d, %v", in, n, v, ok)
		}
	}
}

func TestFilters(t *testing.T) {
	for got, want := range map[string]string{
		events.SessionFilter("local", "s1"):                       "sessions.local.s1.>",
		events.EventFilter("", events.Gateway, events.Created):    "sessions.*.*.gateway.created",
		events.EventFilter("eu", events.Gateway, events.Created):  "sessions.eu.*.gateway.created",
		events.WorkSubject("local", "xterm"):                      "work.local.xterm",
		events.WorkConsumer("local", "xterm"):                     "work-local_xterm",
		events.SessionConsumer("s1"):                              "s-s1",
		events.HeartbeatKey("local", "a1"):                        "agent.local.a1",
		events.NewAgentDraft("local", "a1", "online", 0).Subject:  "agents.local.a1.online",
		events.NewAccountDraft("alice", "created", 0).Subject:     "accounts.alice.created",
		events.NewDraft("local", "s1", "client", "offer", 0).Type: "streamstack.session.offer.v1",
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// A wildcard that gets into the address of one session must not open the others.
func TestAddressesAreChecked(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	mustAppend(t, l, created(session))
	fn := func(events.Event) error { t.Error("an event was handed on"); return nil }
	for _, c := range []struct {
		r  events.Region
		id events.SessionID
	}{{"*", "*"}, {region, "*"}, {region, ">"}, {"", session}, {region, ""}, {region, "a.b"}} {
		if err := l.History(t.Context(), c.r, c.id, 0, fn); !errors.Is(err, events.ErrSubject) {
			t.Errorf("history of %q %q: %v", c.r, c.id, err)
		}
		if _, err := l.LastSeq(t.Context(), c.r, c.id); !errors.Is(err, events.ErrSubject) {
			t.Errorf("last sequence of %q %q: %v", c.r, c.id, err)
		}
		d := events.NewDraft(c.r, c.id, events.Gateway, events.Created, nil)
		if _, err := l.Append(t.Context(), d); !errors.Is(err, events.ErrSubject) {
			t.Errorf("append to %q: %v", d.Subject, err)
		}
		if _, err := l.AppendExpecting(t.Context(), d, 0); !errors.Is(err, events.ErrSubject) {
			t.Errorf("append to %q, expecting: %v", d.Subject, err)
		}
	}
	if _, err := l.Append(t.Context(), events.NewAgentDraft("*", "a", events.AgentOnline, nil)); err == nil {
		t.Error("an agent's event was appended to a wildcard")
	}
	if _, err := l.Append(t.Context(), events.NewDraft(region, session, events.Client, events.Created, nil)); err == nil {
		t.Error("a client created a session")
	}
	if r, err := l.FindRegion(t.Context(), "*"); r != "" || err != nil {
		t.Errorf("region of a wildcard: %q, %v", r, err)
	}
}
