package events_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// forgery is a message that a dishonest or broken publisher, with the right to this subject, got into the stream.
type forgery struct {
	name    string
	subject string
	change  func(nats.Header)
	raw     string // the whole block of headers, in place of change
	data    string
	want    string // part of the reason why it is quarantined
}

const (
	victim = "sessions.local.victim.gateway.created"
	ready  = "sessions.local." + string(session) + ".streamer.ready"
	// own are values of the server's headers that would pass this event off as another one.
	own = "Nats-Stream: SESSIONS\r\nNats-Subject: " + victim + "\r\nNats-Sequence: 4711\r\nNats-Time-Stamp: 2020-01-01T00:00:00Z\r\n" +
		"Nats-Num-Pending: 0\r\nNats-Last-Sequence: 0\r\n"
	ceOK = "ce-specversion: 1.0\r\nce-id: x\r\nce-source: streamstack/streamer\r\nce-type: streamstack.session.ready.v1\r\nce-time: 2026-11-22T06:27:09Z\r\n"
)

func forgeries() []forgery {
	set := func(kv ...string) func(nats.Header) {
		return func(h nats.Header) {
			for i := 0; i < len(kv); i += 2 {
				h.Set(kv[i], kv[i+1])
			}
		}
	}
	// 300 lines without the space after the colon: as many bytes less than they seem to be.
	squeezed := strings.Repeat("a:b\r\n", 300)
	return []forgery{
		{name: "own subject", change: set("Nats-Subject", victim), data: "{}", want: "Nats-Subject"},
		{name: "own sequence", change: set("Nats-Sequence", "4711"), data: "{}", want: "Nats-Sequence"},
		{name: "own time", change: set("Nats-Time-Stamp", "2020-01-01T00:00:00Z"), data: "{}", want: "Nats-Time-Stamp"},
		{name: "all own", change: set("Nats-Subject", victim, "Nats-Sequence", "1", "Nats-Time-Stamp", "x", "Nats-Num-Pending", "0"), data: "{}", want: "brought its own"},
		{name: "ttl", change: set("Nats-TTL", "1h"), data: "{}", want: "time to live"},
		{name: "ttl never", change: set("Nats-TTL", "never"), data: "{}", want: "time to live"},
		{name: "type", change: set("ce-type", "streamstack.session.claimed.v1"), data: "{}", want: "ce-type"},
		{name: "source", change: set("ce-source", "streamstack/gateway"), data: "{}", want: "ce-source"},
		{name: "wrong actor", subject: "sessions.local." + string(session) + ".streamer.created", data: "{}", want: "may not append"},
		{name: "longer subject", subject: ready + ".more", data: "{}", want: "subject"},
		{name: "not JSON", data: "{", want: "not JSON"},
		{name: "not UTF-8", data: "\"\xff\"", want: "not JSON"},
		{name: "nothing sound", change: set("ce-specversion", "9"), data: "\xff", want: "not JSON"},
		{name: "no specversion", change: func(h nats.Header) { h.Del("ce-specversion") }, data: "{}", want: "ce-specversion"},
		{name: "no id", change: func(h nats.Header) { h.Del("ce-id") }, data: "{}", want: "ce-id"},
		{name: "no time", change: func(h nats.Header) { h.Del("ce-time") }, data: "{}", want: "ce-time"},
		{name: "far time", change: set("ce-time", "0000-01-01T00:00:00+23:59"), data: "{}", want: "ce-time"},
		{name: "no headers", change: func(h nats.Header) { clear(h) }, data: "{}", want: "ce-"},
		{name: "status 404", change: set("Status", "404"), want: "not JSON"},
		{name: "status 204", change: set("Status", "204", "Nats-Num-Pending", "0"), want: "not JSON"},
		{name: "status 409", change: set("Status", "409", "Description", "Consumer Deleted"), want: "not JSON"},
		{name: "status 100", change: set("Status", "100", "Nats-Last-Consumer", "9"), want: "not JSON"},
		{name: "status 503", change: set("Status", "503"), want: "not JSON"},
		{name: "raw status", raw: "NATS/1.0 404 Message Not Found\r\n" + ceOK + "\r\n", want: "not JSON"},
		{name: "no header at all", raw: "NATS/1.0\r\n\r\n", data: "{}", want: "ce-"},
		{name: "no colon", raw: "NATS/1.0\r\nnothing\r\n\r\n", data: "{}", want: "malformed"},
		{name: "no colon, no data", raw: "NATS/1.0\r\nnothing\r\n\r\n", want: "malformed"},
		{name: "rubbish", raw: "rubbish", data: "{}", want: "malformed"},
		{name: "hidden server headers", raw: "NATS/1.0\r\n" + ceOK + own + "\r\n\r\n", data: "{}", want: "malformed"},
		{name: "hidden, without data", raw: "NATS/1.0\r\nStatus: 404\r\n\r\n\r\n", want: "malformed"},
		{name: "hidden time to live", raw: "NATS/1.0\r\n" + ceOK + "\r\nNats-TTL: 1h\r\n\r\n", data: "{}", want: "malformed"},
		{name: "hidden and squeezed", raw: "NATS/1.0\r\n" + ceOK + own + squeezed + "\r\n\r\n", data: "{}", want: "malformed"},
		{name: "too many", raw: "NATS/1.0\r\n" + ceOK + strings.Repeat("a: b\r\n", 12) + "\r\n", data: "{}", want: "malformed"},
		{name: "bare line feeds", raw: "NATS/1.0\n" + strings.ReplaceAll(ceOK+own, "\r", "") + "\n\n", data: "{}", want: "malformed"},
	}
}

func (f forgery) publish(t *testing.T, s *eventstest.Server, nc *nats.Conn) string {
	t.Helper()
	subject := f.subject
	if subject == "" {
		subject = ready
	}
	if f.raw != "" {
		publishRaw(t, s, subject, f.raw, f.data)
		return subject
	}
	m := nats.NewMsg(subject)
	m.Data = []byte(f.data)
	for k, v := range map[string]string{"ce-specversion": "1.0", "ce-id": uuid.NewString(), "ce-source": "streamstack/streamer",
		"ce-type": "streamstack.session.ready.v1", "ce-time": "2026-11-22T06:27:09Z", "ce-datacontenttype": "application/json"} {
		m.Header.Set(k, v)
	}
	if f.change != nil {
		f.change(m.Header)
	}
	if err := nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return subject
}

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
	for _, f := range forgeries() {
		mustAppend(t, l, created(session))
		subjects, wants, names = append(subjects, created(session).Subject), append(wants, ""), append(names, "sound")
		subjects, wants, names = append(subjects, f.publish(t, s, nc)), append(wants, f.want), append(names, f.name)
		end := events.Seq(len(subjects))
		eventstest.Wait(t, within, func() string {
			if got, err := l.LastSeq(t.Context(), region, session); err != nil || got != end {
				return f.name + ": to be the session's last event"
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
	var verdicts []string
	for way, c := range map[string]*collector{"history": history, "live tail": liveTail, "past tail": pastTail, "live follow": liveFollow, "past follow": pastFollow} {
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
	f := forgeries()[3]
	f.publish(t, s, nc)
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
	if err != nil || pending != 0 || e.Sequence != 1 || e.Subject != ready || !strings.Contains(e.Quarantine, f.want) {
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
