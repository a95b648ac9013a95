package gateway

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// Every message of signalling.md, section 2, as the SDK sends it.
func TestReadClient(t *testing.T) {
	t.Parallel()
	mid, index := "0", uint16(0)
	for frame, want := range map[string]said{
		`{"type":"discover"}`: {discover: true},
		`{"type":"settings","api_version":2}`: {name: events.Settings,
			data: events.SettingsData{Peer: "p", Settings: events.Raw(`{"type":"settings","api_version":2}`)}},
		`{"type":"offer","sdp":"dj0wDQo=","dataChannels":["chat"]}`: {name: events.Offer,
			data: events.SDPData{Peer: "p", SDP: "v=0\r\n", DataChannels: []string{"chat"}}},
		`{"type":"answer","sdp":"dj0wDQo"}`: {name: events.Answer, data: events.SDPData{Peer: "p", SDP: "v=0\r\n"}},
		`{"type":"candidate","candidate":"Y2FuZGlkYXRlOjE=","sdpMid":"0","sdpMLineIndex":0}`: {name: events.Candidate,
			data: events.CandidateData{Peer: "p", Candidate: "candidate:1", SDPMid: &mid, SDPMLineIndex: &index}},
		// The end of candidates, which the SDK does not send and others do.
		`{"type":"candidate","candidate":"","sdpMid":null}`: {name: events.Candidate, data: events.CandidateData{Peer: "p"}},
		`{"type":"candidate","candidate":null}`:             {name: events.Candidate, data: events.CandidateData{Peer: "p"}},
		`{"type":"new","x":1}`: {name: events.Message,
			data: events.MessageData{Peer: "p", Message: events.Raw(`{"type":"new","x":1}`)}},
		`{"type":"offer"}`:                     {refusal: "offer: sdp is not the base64 of an SDP"},
		`{"type":"answer","sdp":"dj0wDQo_"}`:   {refusal: "answer: sdp is not the base64 of an SDP"}, // the URL-safe alphabet
		`{"type":"candidate","candidate":"§"}`: {},
		`{"type":7}`:                           {},
		`[]`:                                   {},
		``:                                     {},
		"{\"type\":\"\xff\"}":                  {},
		`{"type":"discover"} {"type":"discover"}`: {},
	} {
		require.Equal(t, want, readClient([]byte(frame), "p"), frame)
	}
}

// FuzzClientMessage: whatever a client sends, it is an event that the log takes, about this client and no other, or nothing.
func FuzzClientMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"discover"}`, `{"type":"settings","api_version":2,"data_channels":["chat"],"enable_speaker":true}`,
		`{"type":"offer","sdp":"dj0wDQo=","dataChannels":["control"]}`, `{"type":"answer","sdp":"dj0wDQo"}`, `{"type":"answer","sdp":"//79"}`,
		`{"type":"candidate","candidate":"Y2FuZGlkYXRlOjE=","sdpMid":"0","sdpMLineIndex":0}`, `{"type":"candidate","sdpMLineIndex":-1}`,
		`{"type":"message","peer":"another"}`, `{"TYPE":"offer"}`, `[`, "\x00", `{"type":"error","code":5,"message":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		s := readClient(frame, "me")
		if s.data == nil {
			return
		}
		if s.refusal != "" || s.discover {
			t.Fatalf("two things at once: %+v", s)
		}
		if !events.Allowed(events.Client, s.name) || s.name == events.Attached || s.name == events.Detached {
			t.Fatalf("a client may not say %s", s.name)
		}
		data, err := json.Marshal(s.data)
		if err != nil || !utf8.Valid(data) {
			t.Fatalf("%q: %v", frame, err)
		}
		var back struct {
			Peer events.PeerID `json:"peer"`
		}
		if err := json.Unmarshal(data, &back); err != nil || back.Peer != "me" {
			t.Fatalf("%s is said by %q: %v", data, back.Peer, err)
		}
	})
}

// FuzzStreamerMessage: whatever a streamer says, a client gets a whole message of the contract, meant for it, or nothing.
func FuzzStreamerMessage(f *testing.F) {
	for _, seed := range []string{
		`{"peer":"me","sdp":"v=0\r\n"}`, `{"peer":"me","candidate":"candidate:1","sdp_mid":"0","sdp_mline_index":0}`, `{"peer":"me","candidate":""}`,
		`{"peer":"me","reason":"refused","message":"no codec in common"}`, `{"peer":"another","sdp":"v=0"}`, `{"peer":7}`, `null`, ``,
		`{"peer":"me","sdp":"é\u0000\ud800"}`,
	} {
		for _, n := range []events.Name{events.Offer, events.Answer, events.Candidate, events.Disconnected, events.Connected} {
			f.Add(string(n), []byte(seed), uint64(len(seed)))
		}
	}
	types := map[string]bool{"offer": true, "answer": true, "candidate": true, "error": true}
	f.Fuzz(func(t *testing.T, name string, data []byte, seq uint64) {
		e := events.Event{Actor: events.Streamer, Name: events.Name(name), Data: data, Sequence: events.Seq(seq)}
		e.Type = events.TypeOf(e.Name)
		m := readStreamer(e, "me", e.Sequence)
		if m == nil {
			return
		}
		if e.Peer() != "me" {
			t.Fatalf("%s was meant for %q", data, e.Peer())
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var got message
		if err := json.Unmarshal(text, &got); err != nil || !types[got.Type] || strings.ContainsAny(got.SDP+got.Candidate, "-_ \r\n") {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
