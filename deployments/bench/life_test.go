package bench

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"streamstack/events"
)

// Sizes of what a browser and a streamer say to each other, as seen in real sessions.
const (
	offerBytes, answerBytes = 5 << 10, 4 << 10
	candidates              = 6 // of each side
)

// wholeLife is a session's whole life: what is kept, and what expires.
func wholeLife(id events.SessionID) []events.Draft {
	const region events.Region = "local"
	peer := events.PeerID(uuid.NewString())
	screen := events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 96}
	step := func(a events.Actor, n events.Name, data any) events.Draft {
		return events.NewDraft(region, id, a, n, data)
	}
	list := []events.Draft{
		step(events.Gateway, events.Created, events.CreatedData{App: "testcard", Joinable: true, Ephemeral: true, Screen: screen, Account: "local"}),
		step(events.Gateway, events.Joined, events.JoinedData{Peer: peer, Generation: 1, Role: "slave", Account: "local"}),
		step(events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1, Driver: "process"}),
		step(events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 1, Instance: uuid.NewString()}),
		step(events.Streamer, events.Ready, events.ReadyData{
			Encoders: []events.EncoderData{{Codec: "H264", Element: "x264enc"}, {Codec: "VP8", Element: "vp8enc"}, {Codec: "VP9", Element: "vp9enc"}},
			Codecs:   []string{"H264", "VP8", "VP9"}, Screen: screen, Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: 30}}),
		step(events.Client, events.Attached, events.AttachedData{Peer: peer}),
		step(events.Client, events.Settings, events.SettingsData{Peer: peer,
			Settings: events.Raw(`{"type":"settings","api_version":2,"enable_speaker":true,"video":{"preferred_decoder_codecs":["H264","VP8"]}}`)}),
		step(events.Streamer, events.Offer, events.SDPData{Peer: peer, SDP: strings.Repeat("a=line of it\r\n", offerBytes/14)}),
		step(events.Client, events.Answer, events.SDPData{Peer: peer, SDP: strings.Repeat("a=line of it\r\n", answerBytes/14)}),
	}
	for i := range candidates {
		for _, a := range []events.Actor{events.Client, events.Streamer} {
			list = append(list, step(a, events.Candidate, events.CandidateData{Peer: peer,
				Candidate: fmt.Sprintf("candidate:%d 1 udp 2130706431 192.0.2.7 %d typ host generation 0 ufrag abcd network-cost 999", i, 50000+i)}))
		}
	}
	return append(list,
		step(events.Streamer, events.Connected, events.ConnectedData{Peer: peer, Codec: "H264", Encoder: "x264enc", Pair: events.PairData{Local: events.CandidateEnd{Kind: "host"}, Remote: events.CandidateEnd{Kind: "host"}, Protocol: "udp"}, ConnectMs: 192}),
		step(events.Client, events.Detached, events.DetachedData{Peer: peer, Code: 1000}),
		step(events.Streamer, events.Disconnected, events.DisconnectedData{Peer: peer, Reason: events.ReasonLeft, Connected: true}),
		step(events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "the client left"}),
	)
}
