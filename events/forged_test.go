package events_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/events/eventstest"
)

const (
	victim = "sessions.local.victim.gateway.created"
	ready  = eventstest.ForgedReady
)

// Each forgery lies between two sound events. Whoever reads, in whatever way, gets all of them in order, each with the
// subject and sequence it really has, the forged ones quarantined, and goes on to what follows.
func TestForgedEventsMisleadNobody(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	// The client library reports each malformed block to this handler; that is all it may come to.
	nc := s.Connect(t, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	l := eventstest.NewLog(t, nc, events.StreamsConfig{})
	liveTail, live, stopLive := tailing(t, l, 0)
	liveFollow := newCollector()
	stopFollow := spawn(t, follow(l, nil, events.Start{}, liveFollow))
	<-live

	var subjects, wants, names []string
	for _, f := range eventstest.Forgeries() {
		mustAppend(t, l, created(session))
		subjects, wants, names = append(subjects, created(session).Subject), append(wants, ""), append(names, "sound")
		subjects, wants, names = append(subjects, f.Publish(t, s, nc)), append(wants, f.Want), append(names, f.Name)
		end := events.Seq(len(subjects))
		eventstest.Wait(t, within, func() string {
			if got, err := l.LastSeq(t.Context(), region, session); err != nil || got != end {
				return f.Name + ": to be the session's last event"
			}
			return ""
		})
	}
	end := mustAppend(t, l, created(session))
	subjects, wants, names = append(subjects, created(session).Subject), append(wants, ""), append(names, "sound")

	pastTail, _, stopPast := tailing(t, l, 0)
	pastFollow, history := newCollector(), newCollector()
	stopPastFollow := spawn(t, follow(l, []string{events.AllSessions}, events.Start{}, pastFollow))
	if err := l.History(t.Context(), region, session, 0, history.add); err != nil {
		t.Fatal(err)
	}
	through, singly, each := newCollector(), newCollector(), newCollector()
	if err := l.ReadThrough(t.Context(), events.SessionsStream, "", 0, end, through.add); err != nil {
		t.Fatal(err)
	}
	for seq := events.Seq(1); seq <= end; seq++ {
		for way, c := range map[string]*collector{"next": singly, "event at": each} {
			read := l.Next
			if c == each {
				read = l.EventAt
			}
			e, found, err := read(t.Context(), events.SessionsStream, seq)
			if err != nil || !found {
				t.Fatalf("%s %d: %v, %v", way, seq, found, err)
			}
			_ = c.add(e) // it fails never
		}
	}
	var verdicts []string
	for way, c := range map[string]*collector{"history": history, "live tail": liveTail, "past tail": pastTail, "live follow": liveFollow, "past follow": pastFollow,
		"through": through, "next": singly, "event at": each} {
		eventstest.Wait(t, within, func() string {
			if c.last() < end {
				return way + ": the last event"
			}
			return ""
		})
		got := c.events()
		if len(got) != len(subjects) {
			t.Fatalf("%s: %d events of %d: %v", way, len(got), len(subjects), c.seqs())
		}
		var seen []string
		for i, e := range got {
			if e.Sequence != events.Seq(i+1) || e.Subject != subjects[i] || e.Stored.Year() < 2021 {
				t.Errorf("%s: %s: is %s at %d, is said to be %s at %d (%s)", way, names[i], subjects[i], i+1, e.Subject, e.Sequence, e.Stored)
			}
			if (e.Quarantine == "") != (wants[i] == "") || !strings.Contains(e.Quarantine, wants[i]) {
				t.Errorf("%s: %s: quarantined for %q", way, names[i], e.Quarantine)
			}
			out, err := json.Marshal(e)
			if err != nil {
				t.Errorf("%s: %s: cannot be shown: %v", way, names[i], err)
			}
			seen = append(seen, string(out))
		}
		if verdicts == nil {
			verdicts = seen
		}
		for i := range seen {
			if seen[i] != verdicts[i] {
				t.Errorf("%s: %s: shown as\n%s, elsewhere as\n%s", way, names[i], seen[i], verdicts[i])
			}
		}
	}
	if r, err := l.FindRegion(t.Context(), session); err != nil || r != region {
		t.Errorf("region %q, %v", r, err)
	}
	for _, stop := range []func(){stopLive, stopFollow, stopPast, stopPastFollow} {
		stop()
	}
}

// What the streamer and the workers read through durable consumers of the client library.
func TestForgedEventsOfADurableConsumer(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	nc := s.Connect(t)
	l := eventstest.NewLog(t, nc, events.StreamsConfig{})
	f := eventstest.Forgeries()[3]
	f.Publish(t, s, nc)
	cons, err := l.JetStream().CreateConsumer(t.Context(), events.SessionsStream, jetstream.ConsumerConfig{
		Durable: events.SessionConsumer(session), FilterSubject: events.SessionFilter(region, session)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := cons.Next()
	if err != nil {
		t.Fatal(err)
	}
	e, pending, err := events.Decode(m)
	if err != nil || pending != 0 || e.Sequence != 1 || e.Subject != ready || !strings.Contains(e.Quarantine, f.Want) {
		t.Errorf("%+v, %d, %v", e, pending, err)
	}
}

// Somebody who may write to the live subjects cannot push the tail past what is stored.
func TestTailAsksTheStreamBeforeItBelievesAGap(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	mustAppend(t, l, created(session))
	c, live, stop := tailing(t, l, 0)
	<-live
	m := nats.NewMsg("live." + victim)
	for k, v := range map[string]string{"Nats-Stream": "SESSIONS", "Nats-Subject": victim, "Nats-Sequence": "4711", "Nats-Time-Stamp": "2026-01-01T00:00:00Z"} {
		m.Header.Set(k, v)
	}
	if err := l.Conn().PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	end := mustAppend(t, l, created(session))
	eventstest.Wait(t, within, func() string {
		if c.last() < end {
			return "the event after the forged one"
		}
		return ""
	})
	stop()
	contiguous(t, c.seqs(), 1, 2)
}
