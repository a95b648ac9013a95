package events_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// readQuality reads the samples of a filter; sound are those that are to be believed.
func readQuality(t *testing.T, l *events.Log, filter string) (sound []events.QualitySample, refused []string) {
	t.Helper()
	err := l.Read(t.Context(), events.QualityStream, filter, 0, func(e events.Event) error {
		if e.Session != "" || e.Name != "" {
			t.Errorf("a sample passes for an event of a session: %+v", e)
		}
		switch s, err := e.Quality(); {
		case errors.Is(err, events.ErrQuality):
			refused = append(refused, err.Error())
		case err != nil:
			t.Error(err)
		default:
			sound = append(sound, s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sound, refused
}

func TestQualitySamples(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	rtt := 1.25
	want := events.QualityData{Peer: "p", IntervalMs: 2001, FPS: 29.97, RTTMs: &rtt, Keyframes: map[string]uint64{"pli": 2}, Missed: 3}
	for _, id := range []events.SessionID{session, "another", session} {
		if _, err := l.Append(t.Context(), events.NewQualityDraft(region, id, want)); err != nil {
			t.Fatal(err)
		}
	}
	got, refused := readQuality(t, l, events.QualityFilter(region, session))
	if len(got) != 2 || len(refused) != 0 {
		t.Fatalf("%+v, %v", got, refused)
	}
	s := got[1]
	if s.Region != region || s.Session != session || s.Sequence != 3 || time.Since(s.Time) > within {
		t.Errorf("%+v", s)
	}
	if *s.RTTMs != rtt || s.Keyframes["pli"] != 2 || s.FPS != want.FPS || s.Missed != 3 || s.EncodeMs != nil {
		t.Errorf("%+v", s.QualityData)
	}
	if all, _ := readQuality(t, l, events.AllQuality); len(all) != 3 {
		t.Errorf("%d samples of all sessions", len(all))
	}
	for _, id := range []events.SessionID{"", "a.b", "*", ">"} {
		if seq, err := l.Append(t.Context(), events.NewQualityDraft(region, id, want)); err == nil {
			t.Errorf("a sample of session %q was stored as %d", id, seq)
		}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	decision := events.DecisionData{UnixMs: time.Now().UnixMilli(), Kind: "target", Cause: "delay", TargetKbps: 800, FPS: 20}
	many := make([]events.DecisionData, events.MaxDecisions+1)
	for _, d := range []events.Draft{
		events.NewDecisionsDraft(region, session, events.DecisionsData{Peer: "p", List: []events.DecisionData{decision}, Omitted: 3}),
		events.NewDecisionsDraft(region, session, events.DecisionsData{Peer: "p", List: many}),
		events.NewQualityDraft(region, session, events.QualityData{Peer: "p"}),
	} {
		if _, err := l.Append(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	var sound []events.QualityDecisions
	refused := 0
	err := l.Read(t.Context(), events.QualityStream, events.QualityFilter(region, session), 0, func(e events.Event) error {
		switch d, err := e.Decisions(); {
		case errors.Is(err, events.ErrQuality):
			refused++
		case err != nil:
			t.Error(err)
		default:
			sound = append(sound, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sound) != 1 || refused != 2 {
		t.Fatalf("%+v, %d refused", sound, refused)
	}
	if d := sound[0]; d.Region != region || d.Session != session || d.Peer != "p" || d.Omitted != 3 || len(d.List) != 1 || d.List[0] != decision {
		t.Errorf("%+v", d)
	}
	if samples, _ := readQuality(t, l, events.AllQuality); len(samples) != 1 {
		t.Errorf("%d samples: decisions are none", len(samples))
	}
}

// Whose a sample is says its subject; one whose envelope is another's, or none, is not believed.
func TestForgedQualitySamples(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	draft := events.NewQualityDraft(region, session, events.QualityData{FPS: 1})
	for _, change := range []func(*events.Draft){
		func(d *events.Draft) { d.Source = events.SourceOf(events.Client) },
		func(d *events.Draft) { d.Type = events.TypeOf(events.Connected) },
		func(d *events.Draft) { d.Type = "streamstack.quality.sample.v99" },
		func(d *events.Draft) { d.Data = "no object" },
		func(d *events.Draft) { d.Subject = "quality.Local." + string(session) },
	} {
		d := draft
		change(&d)
		if _, err := l.Append(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	m := nats.NewMsg(draft.Subject)
	m.Data = []byte(`{"fps":1}`)
	if _, err := l.JetStream().PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	sound, refused := readQuality(t, l, events.AllQuality)
	if len(sound) != 0 || len(refused) != 6 {
		t.Errorf("believed %+v, refused %s", sound, strings.Join(refused, "\n"))
	}
}

func TestQualityStream(t *testing.T) {
	t.Parallel()
	nc := eventstest.Conn(t)
	l := eventstest.NewLog(t, nc, events.StreamsConfig{QualityRetention: 3 * time.Hour})
	s, err := l.JetStream().Stream(t.Context(), events.QualityStream)
	if err != nil {
		t.Fatal(err)
	}
	if c := s.CachedInfo().Config; c.MaxAge != 3*time.Hour || c.RePublish != nil || c.AllowMsgTTL || c.Compression != jetstream.S2Compression {
		t.Errorf("%+v", c)
	}
	live, err := l.Conn().SubscribeSync("live.>")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), events.NewQualityDraft(region, session, events.QualityData{})); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, created(session))
	if m, err := live.NextMsg(within); err != nil || !strings.HasPrefix(m.Subject, "live.sessions.") {
		t.Errorf("republished first: %v, %v", m, err)
	}
}
