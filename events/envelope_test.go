package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// at is the time of all golden events: that of cli.md's example.
var at = time.Date(2026, 11, 22, 6, 27, 9, 493_000_000, time.UTC)

func ptr[T any](v T) *T { return &v }

// samples has one event of each type and actor, with every field filled in.
func samples() []events.Draft {
	screen := events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 160}
	of := func(a events.Actor, n events.Name, data any) events.Draft {
		return events.NewDraft(region, session, a, n, data)
	}
	sdp := events.SDPData{Peer: "p1", SDP: "v=0\r\n", DataChannels: []string{"control"}}
	ice := events.CandidateData{Peer: "p1", Candidate: "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", SDPMid: ptr("0"), SDPMLineIndex: ptr(uint16(0))}
	failed := events.FailedData{Agent: "a1", Attempt: 1, Part: "application", Reason: "it ended with status 3", ExitCode: ptr(3), Signal: "", LogTail: "bye\n"}
	ended := events.EndedData{Agent: "a1", Attempt: 1, Reason: "asked to"}
	return []events.Draft{
		of(events.Gateway, events.Created, events.CreatedData{App: "testcard", AppVersion: 1, Joinable: true, IdleTimeMin: ptr(5), Ephemeral: true, Screen: screen, Account: "alice"}),
		of(events.Gateway, events.ExtraData, events.ExtraDataData{ExtraData: events.Raw(`"any"`)}),
		of(events.Gateway, events.Joined, events.JoinedData{Peer: "p1", Generation: 1, Role: "slave", Screen: &screen, Account: "alice"}),
		of(events.Gateway, events.Shared, events.SharedData{ID: events.ShareID(session) + "-00c0ffee", Type: "adb", Description: "for Kim", ExpiryAt: 1795242429, Account: "alice"}),
		of(events.Gateway, events.ShareRevoked, events.ShareRevokedData{ID: events.ShareID(session) + "-00c0ffee", Reason: events.ShareDeleted, Account: "alice"}),
		of(events.Gateway, events.Terminating, events.TerminatingData{By: "account:alice", Reason: "deleted"}),
		of(events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "claim released"}),
		of(events.Gateway, events.Expired, ended),
		of(events.Gateway, events.AgentLost, ended),
		of(events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1, Driver: "process"}),
		of(events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 1, Instance: "i1"}),
		of(events.Agent, events.AttemptFailed, failed),
		of(events.Agent, events.Terminated, ended),
		of(events.Agent, events.Failed, failed),
		of(events.Streamer, events.Ready, events.ReadyData{Encoders: []events.EncoderData{{Codec: "h264", Element: "x264enc"}}, Codecs: []string{"h264"},
			Screen: screen, Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: 30, Capabilities: []string{"audio"}}, ADB: true}),
		of(events.Streamer, events.Connected, events.ConnectedData{Peer: "p1", Codec: "h264", Encoder: "x264enc", ConnectMs: 87,
			Pair: events.PairData{Local: events.CandidateEnd{Kind: "host", Family: "ipv4"}, Remote: events.CandidateEnd{Kind: "prflx", Family: "ipv6"}, Protocol: "udp"}}),
		of(events.Streamer, events.Resized, events.ResizedData{Peer: "p1", Screen: screen}),
		of(events.Streamer, events.EncoderChanged, events.EncoderChangedData{Peer: "p1", Codec: "h264", From: "nvh264enc", To: "x264enc", Reason: "no device"}),
		of(events.Streamer, events.Disconnected, events.DisconnectedData{Peer: "p1", Reason: events.ReasonLeft, Message: "bye", Connected: true, InputDropped: 2}),
		of(events.Streamer, events.Offer, sdp), of(events.Streamer, events.Answer, sdp), of(events.Streamer, events.Candidate, ice),
		of(events.Client, events.Attached, events.AttachedData{Peer: "p1", Role: events.RoleClient, Resumed: ptr(events.Seq(7))}),
		of(events.Client, events.Settings, events.SettingsData{Peer: "p1", Settings: events.Raw(`{"type":"settings"}`)}),
		of(events.Client, events.Message, events.MessageData{Peer: "p1", Message: events.Raw(`{"type":"new"}`)}),
		of(events.Client, events.Detached, events.DetachedData{Peer: "p1", Code: 1000, Reason: "done"}),
		of(events.Client, events.Offer, sdp), of(events.Client, events.Answer, sdp), of(events.Client, events.Candidate, ice),
		of(events.Gateway, events.ShareOpened, events.ShareOpenedData{ID: events.ShareID(session) + "-00c0ffee", Connection: "c1"}),
		of(events.Gateway, events.ShareClosed, events.ShareClosedData{ID: events.ShareID(session) + "-00c0ffee", Connection: "c1", Reason: "closed by its user", BytesUp: 24, BytesDown: 1 << 20}),
		of(events.Streamer, events.FileTransferred, events.FileTransferredData{Peer: "p1", Direction: events.FileIn, Name: "holiday.jpg", Bytes: 3 << 20, Result: events.FileDone}),
		of(events.Streamer, events.DeviceChanged, events.DeviceChangedData{Peer: "p1", Device: events.DeviceCamera, State: events.DeviceUnavailable, Reason: "no v4l2loopback device"}),
		of(events.Agent, events.Pulling, events.PullingData{Agent: "a1", Attempt: 1, Image: "registry.example/streamstack:1", Done: 1 << 20, Total: 300 << 20}),
	}
}

// Every event is appended to a real log, read back, and shown as cli.md says; what cannot be foreseen is made constant.
func TestGolden(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t, events.WithClock(func() time.Time { return at }))
	for _, d := range samples() {
		mustAppend(t, l, d)
	}
	ids, names := map[string]bool{}, map[events.Name]bool{}
	got := stored(t, l)
	if len(got) != len(samples()) {
		t.Fatalf("%d events of %d", len(got), len(samples()))
	}
	for i, e := range got {
		if e.Quarantine != "" || e.Sequence != events.Seq(i+1) || ids[e.ID] || len(e.ID) != 36 || e.Stored.IsZero() {
			t.Fatalf("event %d: %+v", i+1, e)
		}
		ids[e.ID], names[e.Name] = true, true
		e.ID = "0192f1c2-0000-4000-8000-000000000000"
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", string(e.Actor)+"."+string(e.Name)+".json"), append(out, '\n'))
		var back events.Event
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, out) {
			t.Errorf("read back and written: %s, %v", again, err)
		}
		if back.Region != region || back.Session != session || back.Actor != e.Actor || back.Name != e.Name || !back.Is(e.Actor, e.Name) {
			t.Errorf("read back: %+v", back)
		}
	}
	if len(names) != 31 || !events.Known(got[0].Name) {
		t.Errorf("%d event types have a golden file", len(names))
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %swant %s", file, got, want)
	}
}

// The example of cli.md, to the letter: names, their order, types.
func TestJSONFormOfTheSpecification(t *testing.T) {
	const want = `{"specversion":"1.0","id":"0192","source":"streamstack/streamer","type":"streamstack.session.offer.v1",` +
		`"time":"2026-11-22T06:27:09.493Z","subject":"sessions.local.0192f1c2.streamer.offer","sequence":17,` +
		`"datacontenttype":"application/json","data":{"peer":"p","sdp":"v=0"}}`
	var e events.Event
	if err := json.Unmarshal([]byte(want), &e); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(e); err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	var data events.SDPData
	if err := e.Decode(&data); err != nil || data.SDP != "v=0" || e.Peer() != "p" {
		t.Errorf("%+v, %v", data, err)
	}
	for _, bad := range []string{`[]`, `{"time":"yesterday"}`, `{"sequence":"17"}`} {
		if err := json.Unmarshal([]byte(bad), &e); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// Whatever a publisher's data is, it comes back as it was.
func TestEnvelopeRoundTrip(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	rapid.Check(t, func(r *rapid.T) {
		in := map[string]string{"sdp": rapid.String().Draw(r, "sdp"), rapid.String().Draw(r, "key"): rapid.String().Draw(r, "value")}
		seq, err := l.Append(t.Context(), events.NewDraft(region, session, events.Client, events.Message, in))
		if err != nil {
			r.Fatal(err)
		}
		n := 0
		err = l.History(t.Context(), region, session, seq, func(e events.Event) error {
			n++
			out := map[string]string{}
			if err := e.Decode(&out); err != nil || e.Quarantine != "" || e.Sequence != seq {
				r.Fatalf("%+v, %v", e, err)
			}
			a, _ := json.Marshal(in) // of strings: cannot fail
			b, _ := json.Marshal(out)
			if !bytes.Equal(a, b) {
				r.Fatalf("%s became %s", a, b)
			}
			return nil
		})
		if err != nil || n != 1 {
			r.Fatalf("%d events, %v", n, err)
		}
	})
}

// An unknown name and unknown fields, of a newer component, are carried.
func TestNewerEventsAreCarried(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	mustAppend(t, l, events.NewDraft(region, session, events.Streamer, "from_the_future", map[string]any{"a": 1}))
	mustAppend(t, l, events.NewDraft(region, session, events.Agent, events.Claimed, map[string]any{"agent": "a1", "new": 1}))
	got := stored(t, l)
	if len(got) != 2 || got[0].Quarantine != "" || events.Known(got[0].Name) || string(got[0].Data) != `{"a":1}` {
		t.Fatalf("%+v", got)
	}
	var c events.ClaimedData
	if err := got[1].Decode(&c); err != nil || c.Agent != "a1" || !strings.Contains(string(got[1].Data), `"new":1`) {
		t.Errorf("%+v, %v", c, err)
	}
}

// An id that can be worked out lets one role append first, and the stream swallow the other's event as a duplicate.
func TestIDsAreRandom(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	for range 2 {
		mustAppend(t, l, created(session))
	}
	s, err := l.JetStream().Stream(t.Context(), events.SessionsStream)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seq := range uint64(2) {
		m, err := s.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatalf("the same draft twice is two events: %v", err)
		}
		id, err := uuid.Parse(m.Header.Get("ce-id"))
		if err != nil || id.Version() != 4 || m.Header.Get("Nats-Msg-Id") != id.String() || seen[id.String()] {
			t.Errorf("%v, %v", m.Header, err)
		}
		seen[id.String()] = true
	}
}

func TestMaxData(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	of := func(n int) events.Draft {
		return events.NewDraft(region, session, events.Client, events.Message, strings.Repeat("x", n-2)) // the quotes
	}
	mustAppend(t, l, of(events.MaxData))
	if _, err := l.Append(t.Context(), of(events.MaxData+1)); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
	got := stored(t, l)
	if len(got) != 1 || len(got[0].Data) != events.MaxData {
		t.Errorf("%d events", len(got))
	}
	if _, err := l.Append(t.Context(), events.NewDraft(region, session, events.Client, events.Message, func() {})); err == nil {
		t.Error("data that is no JSON was appended")
	}
}
