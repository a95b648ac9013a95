package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
)

const connectedV1, connectedV2 = "streamstack.session.connected.v1", "streamstack.session.connected.v2"

// ofVersion is an event of the streamer as a program of another version appends it.
func ofVersion(ceType string, n events.Name, data any) events.Draft {
	d := events.NewDraft(region, session, events.Streamer, n, data)
	d.Type = ceType
	return d
}

// wantUpcast is what the event of connectedData is read as.
var wantUpcast = events.ConnectedData{Peer: "p1", Codec: "h264", Encoder: "x264enc", ConnectMs: 87, Pair: events.PairData{
	Local: events.CandidateEnd{Kind: "host"}, Remote: events.CandidateEnd{Kind: "prflx"}, Protocol: "udp",
}}

func checkUpcast(t *testing.T, e events.Event) {
	t.Helper()
	if e.Type != connectedV2 || e.Appended != connectedV1 || e.Schema != events.SchemaURI(connectedV2) || !e.Is(events.Streamer, events.Connected) {
		t.Errorf("read as %+v", e)
	}
	var d events.ConnectedData
	if err := e.Decode(&d); err != nil || !reflect.DeepEqual(d, wantUpcast) {
		t.Errorf("data %s: %+v, %v", e.Data, d, err)
	}
}

// What an older program appended is read as the newest version by every reader, and says what it was.
func TestOldVersionIsUpcastByEveryReader(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	tailed, live, _ := tailing(t, l, 0)
	<-live
	mustAppend(t, l, ofVersion(connectedV1, events.Connected, events.ConnectedDataV1{
		Peer: "p1", Codec: "h264", Encoder: "x264enc", Local: "host", Remote: "prflx", Protocol: "udp", ConnectMs: 87,
	}))
	awaitOne(t, tailed)
	followed := newCollector()
	spawn(t, func(ctx context.Context) error {
		return l.Follow(ctx, events.SessionsStream, nil, events.Start{}, followed.add, nil)
	})
	awaitOne(t, followed)
	for reader, got := range map[string][]events.Event{"Read": stored(t, l), "Tail": tailed.events(), "Follow": followed.events(), "Decode": {consumed(t, l)}} {
		t.Run(reader, func(t *testing.T) {
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			checkUpcast(t, got[0])
		})
	}
}

func awaitOne(t *testing.T, c *collector) {
	t.Helper()
	eventstest.Wait(t, within, func() string {
		if c.last() == 0 {
			return "the event"
		}
		return ""
	})
}

// consumed reads the first event of the log as a streamer does.
func consumed(t *testing.T, l *events.Log) events.Event {
	t.Helper()
	c, err := l.JetStream().CreateConsumer(t.Context(), events.SessionsStream, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Next(jetstream.FetchMaxWait(within))
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := events.Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// What an older program printed, kept from then as a golden file, is read as the newest version, and printed as such.
func TestOldVersionInAFile(t *testing.T) {
	old, err := os.ReadFile("testdata/streamer.connected.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var e events.Event
	if err := json.Unmarshal(old, &e); err != nil {
		t.Fatal(err)
	}
	checkUpcast(t, e)
	out, err := json.Marshal(e)
	if err != nil || !bytes.Contains(out, []byte(`"appendedtype":"`+connectedV1+`"`)) {
		t.Errorf("%s, %v", out, err)
	}
	var again events.Event
	if err := json.Unmarshal(out, &again); err != nil {
		t.Fatal(err)
	}
	checkUpcast(t, again)
}

// A version that is newer than this program is carried as it is, and nobody takes it for one that he knows.
func TestNewerVersionIsCarriedAndNotFolded(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	const data = `{"peer":["p1"],"pair":7}`
	mustAppend(t, l, ofVersion("streamstack.session.connected.v3", events.Connected, events.Raw(data)))
	got := stored(t, l)
	if len(got) != 1 || got[0].Quarantine != "" || string(got[0].Data) != data || got[0].Type != "streamstack.session.connected.v3" || got[0].Appended != "" {
		t.Fatalf("%+v", got)
	}
	if e := got[0]; e.Sound() || e.Is(events.Streamer, events.Connected) || e.Schema != "" {
		t.Errorf("an event of version 3 is taken for one of version 2: %+v", e)
	}
	if out, err := json.Marshal(got[0]); err != nil || !bytes.Contains(out, []byte(`"data":`+data)) {
		t.Errorf("%s, %v", out, err)
	}
}

// Data that is not what its version says stays as it is, and is not folded.
func TestMalformedOldVersionStaysAsItIs(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	bad := []string{`[]`, `null`, `"x"`, `{"local":7}`, `{"protocol":{}}`}
	for _, data := range bad {
		mustAppend(t, l, ofVersion(connectedV1, events.Connected, events.Raw(data)))
	}
	for i, e := range stored(t, l) {
		if e.Type != connectedV1 || string(e.Data) != bad[i] || e.Appended != "" || e.Sound() || e.Quarantine != "" {
			t.Errorf("%s became %+v", bad[i], e)
		}
	}
}

// Every version that was ever appended reaches the newest one's Go type, with nothing left over.
func TestEveryOldVersionReachesTheNewest(t *testing.T) {
	latest, old := map[events.Name]events.Type{}, 0
	for _, k := range events.Types() {
		if k.Stream == events.SessionsStream && k.Newest {
			latest[k.Name] = k
		}
	}
	for _, k := range events.Types() {
		if k.Newest {
			continue
		}
		old++
		data, err := json.Marshal(k.Data)
		if err != nil {
			t.Fatal(err)
		}
		e := jsonEventOf(t, k, data)
		into := reflect.New(reflect.TypeOf(latest[k.Name].Data))
		dec := json.NewDecoder(bytes.NewReader(e.Data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(into.Interface()); err != nil || e.Type != latest[k.Name].CEType || e.Appended != k.CEType {
			t.Errorf("%s is read as %s %s: %v", k.CEType, e.Type, e.Data, err)
		}
	}
	if old == 0 {
		t.Error("there is no old version to prove it with")
	}
}

// jsonEventOf makes an event of a type as it would have been printed and reads it.
func jsonEventOf(t testing.TB, k events.Type, data []byte) (e events.Event) {
	t.Helper()
	out, err := json.Marshal(events.EventJSON{SpecVersion: "1.0", ID: "1", Source: events.SourceOf(k.Actors[0]), Type: k.CEType, Time: "2026-11-22T06:27:09Z",
		Subject: events.Subject{Region: region, Session: session, Actor: k.Actors[0], Name: k.Name}.String(), ContentType: "application/json", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// Whatever else an old event carries survives, and what it says of the pair is found again.
func TestUpcastKeepsWhatItDoesNotKnow(t *testing.T) {
	v1 := events.Type{CEType: connectedV1, Name: events.Connected, Actors: []events.Actor{events.Streamer}}
	rapid.Check(t, func(r *rapid.T) {
		known := map[string]any{"peer": "p", "local": rapid.String().Draw(r, "local"), "remote": rapid.String().Draw(r, "remote"), "protocol": "udp", "connect_ms": 1}
		in := map[string]any{}
		for k, v := range known {
			if rapid.Bool().Draw(r, "has "+k) {
				in[k] = v
			}
		}
		extra := rapid.MapOf(rapid.StringMatching(`x[a-z_]{0,8}`), rapid.String()).Draw(r, "extra")
		for k, v := range extra {
			in[k] = v
		}
		data, err := json.Marshal(in)
		if err != nil {
			r.Fatal(err)
		}
		e := jsonEventOf(t, v1, data)
		var d events.ConnectedData
		if err := e.Decode(&d); err != nil || e.Type != connectedV2 {
			r.Fatalf("%s: %v", e.Data, err)
		}
		if got := []any{d.Pair.Local.Kind, d.Pair.Remote.Kind, d.Pair.Protocol}; !reflect.DeepEqual(got, []any{or(in["local"]), or(in["remote"]), or(in["protocol"])}) {
			r.Fatalf("%s became %s", data, e.Data)
		}
		out := map[string]any{}
		if err := e.Decode(&out); err != nil {
			r.Fatal(err)
		}
		for k, v := range extra {
			if out[k] != v {
				r.Fatalf("%s is lost: %s became %s", k, data, e.Data)
			}
		}
		for k := range out {
			if strings.HasPrefix(k, "l") || k == "remote" || k == "protocol" {
				r.Fatalf("%s is still there: %s", k, e.Data)
			}
		}
	})
}

func or(v any) any {
	if v == nil {
		return ""
	}
	return v
}

// Whatever stands in the data of an old version, it is either brought to the newest, in valid JSON, or left as it is.
func FuzzUpcast(f *testing.F) {
	for _, data := range []string{`{}`, `{"local":"host","remote":"relay","protocol":"udp"}`, `{"local":null,"pair":7}`, `[]`, `null`, `{"local":{}}`, `{"x":1e999}`} {
		f.Add([]byte(data))
	}
	v1 := events.Type{CEType: connectedV1, Name: events.Connected, Actors: []events.Actor{events.Streamer}}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return // such an event is quarantined
		}
		e := jsonEventOf(t, v1, data)
		if !json.Valid(e.Data) || e.Sound() != (e.Type == connectedV2) || (e.Appended != "") != e.Sound() {
			t.Errorf("%q became %+v", data, e)
		}
		var d events.ConnectedData
		if e.Sound() && strings.HasPrefix(string(e.Data), "{") && e.Decode(&d) == nil && d.Pair.Local.Family != "" {
			t.Errorf("%q tells the family of an address: %s", data, e.Data)
		}
	})
}
