package events_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"streamstack/events"
)

func TestFilterSubject(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]events.Filter{
		"sessions.>":              {},
		"sessions.eu.*.>":         {Region: "eu"},
		"sessions.*.s.>":          {Session: "s"},
		"sessions.*.*.*.created":  {Name: events.Created},
		"sessions.*.s.*.ready":    {Session: "s", Name: events.Ready},
		"sessions.eu.*.agent.bye": {Region: "eu", Actor: events.Agent, Name: "bye"},
	} {
		if got := f.Subject(); got != want {
			t.Errorf("%+v: %s, not %s", f, got, want)
		}
	}
}

// A filter that covers another takes whatever that takes.
func TestFilterCovers(t *testing.T) {
	t.Parallel()
	part := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(append(values, "")) }
	gen := rapid.Custom(func(t *rapid.T) events.Filter {
		return events.Filter{Region: events.Region(part("a", "b").Draw(t, "region")), Session: events.SessionID(part("a", "b").Draw(t, "session")),
			Actor: events.Actor(part("agent", "client").Draw(t, "actor")), Name: events.Name(part("ready", "offer").Draw(t, "name"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		f, g, e := gen.Draw(t, "f"), gen.Draw(t, "g"), gen.Draw(t, "e")
		if f.Covers(g) && g.Covers(e) && !f.Covers(e) {
			t.Fatalf("%+v covers %+v, which covers %+v", f, g, e)
		}
	})
}

func TestParseChoice(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]events.Choice{
		"failed":                         {Filter: events.Filter{Name: events.Failed}},
		"agent.failed":                   {Filter: events.Filter{Actor: events.Agent, Name: events.Failed}},
		"streamstack.session.failed.v1":  {Filter: events.Filter{Name: events.Failed}, Type: "streamstack.session.failed.v1"},
		"a_newer_one":                    {Filter: events.Filter{Name: "a_newer_one"}},
		"streamer.a_newer_one":           {Filter: events.Filter{Actor: events.Streamer, Name: "a_newer_one"}},
		"streamstack.session.failed.v22": {Filter: events.Filter{Name: events.Failed}, Type: "streamstack.session.failed.v22"},
	} {
		if got, err := events.ParseChoice(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ".", "*", ">", "Failed", "agent.created", "nobody.failed", "agent.", ".failed", "a.b.c",
		"streamstack.session.failed.v0", "streamstack.session.failed", strings.Repeat("x", 64), "fai led"} {
		if got, err := events.ParseChoice(text); !errors.Is(err, events.ErrChoice) || got != (events.Choice{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func FuzzParseChoice(f *testing.F) {
	f.Add("agent.failed")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := events.ParseChoice(text)
		if err == nil && strings.Count(c.Subject(), ".") != 4 {
			t.Fatalf("%q became %s", text, c.Subject())
		}
	})
}
