package eventstest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"streamstack/events"
)

// Forgery is a message that a dishonest or broken publisher, with the right to this subject, got into the stream.
type Forgery struct {
	Name    string
	Subject string
	Change  func(nats.Header)
	Raw     string // the whole block of headers, in place of Change
	Data    string
	Want    string // part of the reason why it is quarantined
}

const (
	forgedVictim = "sessions.local.forgedVictim.gateway.created"
	// ForgedReady is the subject of most forgeries, an event of [ForgedSession].
	ForgedReady = "sessions.local." + string(ForgedSession) + ".streamer.ready"
	// ForgedSession is whose events the forgeries say they are.
	ForgedSession events.SessionID = "0192f1c2-7d4e-4b53-9a52-0d8ce3a5a0f1"
	// own are values of the server's headers that would pass this event off as another one.
	own = "Nats-Stream: SESSIONS\r\nNats-Subject: " + forgedVictim + "\r\nNats-Sequence: 4711\r\nNats-Time-Stamp: 2020-01-01T00:00:00Z\r\n" +
		"Nats-Num-Pending: 0\r\nNats-Last-Sequence: 0\r\n"
	ceOK = "ce-specversion: 1.0\r\nce-id: x\r\nce-source: streamstack/streamer\r\nce-type: streamstack.session.ready.v1\r\nce-time: 2026-11-22T06:27:09Z\r\n"
)

// Forgeries are those we know of; all but those with a Subject are published as [ForgedReady].
func Forgeries() []Forgery {
	set := func(kv ...string) func(nats.Header) {
		return func(h nats.Header) {
			for i := 0; i < len(kv); i += 2 {
				h.Set(kv[i], kv[i+1])
			}
		}
	}
	// 300 lines without the space after the colon: as many bytes less than they seem to be.
	squeezed := strings.Repeat("a:b\r\n", 300)
	return []Forgery{
		{Name: "own subject", Change: set("Nats-Subject", forgedVictim), Data: "{}", Want: "Nats-Subject"},
		{Name: "own sequence", Change: set("Nats-Sequence", "4711"), Data: "{}", Want: "Nats-Sequence"},
		{Name: "own time", Change: set("Nats-Time-Stamp", "2020-01-01T00:00:00Z"), Data: "{}", Want: "Nats-Time-Stamp"},
		{Name: "all own", Change: set("Nats-Subject", forgedVictim, "Nats-Sequence", "1", "Nats-Time-Stamp", "x", "Nats-Num-Pending", "0"), Data: "{}", Want: "brought its own"},
		{Name: "ttl", Change: set("Nats-TTL", "1h"), Data: "{}", Want: "time to live"},
		{Name: "ttl never", Change: set("Nats-TTL", "never"), Data: "{}", Want: "time to live"},
		{Name: "type", Change: set("ce-type", "streamstack.session.claimed.v1"), Data: "{}", Want: "ce-type"},
		{Name: "source", Change: set("ce-source", "streamstack/gateway"), Data: "{}", Want: "ce-source"},
		{Name: "wrong actor", Subject: "sessions.local." + string(ForgedSession) + ".streamer.created", Data: "{}", Want: "may not append"},
		{Name: "longer subject", Subject: ForgedReady + ".more", Data: "{}", Want: "subject"},
		{Name: "not JSON", Data: "{", Want: "not JSON"},
		{Name: "not UTF-8", Data: "\"\xff\"", Want: "not JSON"},
		{Name: "nothing sound", Change: set("ce-specversion", "9"), Data: "\xff", Want: "not JSON"},
		{Name: "no specversion", Change: func(h nats.Header) { h.Del("ce-specversion") }, Data: "{}", Want: "ce-specversion"},
		{Name: "no id", Change: func(h nats.Header) { h.Del("ce-id") }, Data: "{}", Want: "ce-id"},
		{Name: "no time", Change: func(h nats.Header) { h.Del("ce-time") }, Data: "{}", Want: "ce-time"},
		{Name: "far time", Change: set("ce-time", "0000-01-01T00:00:00+23:59"), Data: "{}", Want: "ce-time"},
		{Name: "no headers", Change: func(h nats.Header) { clear(h) }, Data: "{}", Want: "ce-"},
		{Name: "status 404", Change: set("Status", "404"), Want: "not JSON"},
		{Name: "status 204", Change: set("Status", "204", "Nats-Num-Pending", "0"), Want: "not JSON"},
		{Name: "status 409", Change: set("Status", "409", "Description", "Consumer Deleted"), Want: "not JSON"},
		{Name: "status 100", Change: set("Status", "100", "Nats-Last-Consumer", "9"), Want: "not JSON"},
		{Name: "status 503", Change: set("Status", "503"), Want: "not JSON"},
		{Name: "raw status", Raw: "NATS/1.0 404 Message Not Found\r\n" + ceOK + "\r\n", Want: "not JSON"},
		{Name: "no header at all", Raw: "NATS/1.0\r\n\r\n", Data: "{}", Want: "ce-"},
		{Name: "no colon", Raw: "NATS/1.0\r\nnothing\r\n\r\n", Data: "{}", Want: "malformed"},
		{Name: "no colon, no data", Raw: "NATS/1.0\r\nnothing\r\n\r\n", Want: "malformed"},
		{Name: "rubbish", Raw: "rubbish", Data: "{}", Want: "malformed"},
		{Name: "hidden server headers", Raw: "NATS/1.0\r\n" + ceOK + own + "\r\n\r\n", Data: "{}", Want: "malformed"},
		{Name: "hidden, without data", Raw: "NATS/1.0\r\nStatus: 404\r\n\r\n\r\n", Want: "malformed"},
		{Name: "hidden time to live", Raw: "NATS/1.0\r\n" + ceOK + "\r\nNats-TTL: 1h\r\n\r\n", Data: "{}", Want: "malformed"},
		{Name: "hidden and squeezed", Raw: "NATS/1.0\r\n" + ceOK + own + squeezed + "\r\n\r\n", Data: "{}", Want: "malformed"},
		{Name: "too many", Raw: "NATS/1.0\r\n" + ceOK + strings.Repeat("a: b\r\n", 12) + "\r\n", Data: "{}", Want: "malformed"},
		{Name: "bare line feeds", Raw: "NATS/1.0\n" + strings.ReplaceAll(ceOK+own, "\r", "") + "\n\n", Data: "{}", Want: "malformed"},
	}
}

// Publish gets the forgery into the stream of s, by nc where a client can, and returns its subject.
func (f Forgery) Publish(t testing.TB, s *Server, nc *nats.Conn) string {
	t.Helper()
	subject := f.Subject
	if subject == "" {
		subject = ForgedReady
	}
	if f.Raw != "" {
		publishRaw(t, s, subject, f.Raw, f.Data)
		return subject
	}
	m := nats.NewMsg(subject)
	m.Data = []byte(f.Data)
	for k, v := range map[string]string{"ce-specversion": "1.0", "ce-id": uuid.NewString(), "ce-source": "streamstack/streamer",
		"ce-type": "streamstack.session.ready.v1", "ce-time": "2026-11-22T06:27:09Z", "ce-datacontenttype": "application/json"} {
		m.Header.Set(k, v)
	}
	if f.Change != nil {
		f.Change(m.Header)
	}
	if err := nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return subject
}

// publishRaw writes a message with this very header block to the server's socket, as no client library would.
func publishRaw(t testing.TB, s *Server, subject, headers, data string) {
	t.Helper()
	c, err := net.Dial("tcp4", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(readyWithin)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(c, "CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB %s %d %d\r\n%s%s\r\nPING\r\n",
		subject, len(headers), len(headers)+len(data), headers, data)
	if err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "PONG\r\n" {
			return
		}
	}
}
