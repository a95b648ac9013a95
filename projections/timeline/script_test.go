package timeline

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-5d3e-7000-8000-00000000abcd"
	peer1   events.PeerID    = "1a2b3c4d-0000-4000-8000-000000000001"
	peer2   events.PeerID    = "5e6f7a8b-0000-4000-8000-000000000002"
)

// script writes a history: each step some time after the one before.
type script struct {
	t    testing.TB
	now  time.Time
	list []events.Event
}

func newScript(t testing.TB) *script {
	return &script{t: t, now: time.Date(2026, 11, 22, 6, 27, 9, 493e6, time.UTC)}
}

func (s *script) step(after time.Duration, a events.Actor, n events.Name, data any) *script {
	s.t.Helper()
	s.now = s.now.Add(after)
	text, err := json.Marshal(data)
	require.NoError(s.t, err)
	seq := len(s.list) + 11
	s.list = append(s.list, events.Event{
		ID: fmt.Sprintf("id-%d", seq), Source: events.SourceOf(a), Type: events.TypeOf(n), Time: s.now, Stored: s.now,
		Subject:  events.Subject{Region: region, Session: session, Actor: a, Name: n}.String(),
		Sequence: events.Seq(seq), ContentType: "application/json", Data: text,
		Region: region, Session: session, Actor: a, Name: n,
	})
	return s
}

func (s *script) quarantine(why string) *script {
	s.list[len(s.list)-1].Quarantine = why
	return s
}

var hd = events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 240}

func (s *script) created() *script {
	return s.step(0, events.Gateway, events.Created, events.CreatedData{App: "testcard", Joinable: true, Ephemeral: true, Screen: hd, Account: "admin"}).
		joined(peer1, 1)
}

func (s *script) joined(p events.PeerID, generation int) *script {
	return s.step(time.Millisecond, events.Gateway, events.Joined, events.JoinedData{Peer: p, Generation: generation, Role: "slave", Account: "admin"})
}

func (s *script) claimed(attempt int) *script {
	return s.step(4*time.Millisecond, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: attempt, Driver: "process"})
}

func (s *script) launched(attempt int) *script {
	return s.claimed(attempt).step(310*time.Millisecond, events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: attempt, Instance: "i-7"})
}

func (s *script) ready() *script {
	return s.launched(1).step(420*time.Millisecond, events.Streamer, events.Ready, events.ReadyData{
		Encoders: []events.EncoderData{{Codec: "H264", Element: "x264enc"}, {Codec: "VP8", Element: "vp8enc"}},
		Codecs:   []string{"H264", "VP8"}, Screen: hd, Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: 30},
	})
}

func (s *script) attached(p events.PeerID) *script {
	return s.step(12*time.Millisecond, events.Client, events.Attached, events.AttachedData{Peer: p})
}

// negotiated is everything between a socket's opening and the connection, with the candidates' lines of each side.
func (s *script) negotiated(p events.PeerID, client, streamer []string) *script {
	s.attached(p).
		step(3*time.Millisecond, events.Client, events.Settings, events.SettingsData{Peer: p,
			Settings: events.Raw(`{"type":"settings","api_version":2,"enable_speaker":true,"video":{"preferred_decoder_codecs":["H264","VP8"]}}`)}).
		step(35*time.Millisecond, events.Streamer, events.Offer, events.SDPData{Peer: p,
			SDP: "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"}).
		step(60*time.Millisecond, events.Client, events.Answer, events.SDPData{Peer: p, SDP: "v=0\r\nm=audio 9\r\nm=video 9\r\nm=application 9\r\n"})
	for i := range max(len(client), len(streamer)) {
		if i < len(client) {
			s.step(time.Millisecond, events.Client, events.Candidate, events.CandidateData{Peer: p, Candidate: client[i]})
		}
		if i < len(streamer) {
			s.step(time.Millisecond, events.Streamer, events.Candidate, events.CandidateData{Peer: p, Candidate: streamer[i]})
		}
	}
	return s
}

const (
	hostLine  = "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host"
	srflxLine = "candidate:2 1 udp 1694498815 198.51.100.7 50001 typ srflx raddr 192.0.2.7 rport 50000"
	relayLine = "candidate:3 1 udp 16777215 203.0.113.7 50002 typ relay raddr 198.51.100.7 rport 50001"
)

func (s *script) connected(p events.PeerID, local, remote string) *script {
	return s.step(90*time.Millisecond, events.Streamer, events.Connected, events.ConnectedData{
		Peer: p, Codec: "H264", Encoder: "x264enc", ConnectMs: 192,
		Pair:  events.PairData{Local: events.CandidateEnd{Kind: local}, Remote: events.CandidateEnd{Kind: remote}, Protocol: "udp"},
		Tried: []events.TriedData{{Local: "host", Remote: "host", Protocol: "udp", Count: 3, Answered: 1}, {Local: "host", Remote: "relay", Protocol: "udp", Count: 1}},
	}).step(2*time.Millisecond, events.Client, events.Detached, events.DetachedData{Peer: p, Code: 1000})
}

func (s *script) disconnected(after time.Duration, p events.PeerID, reason string) *script {
	return s.step(after, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: p, Reason: reason, Connected: true})
}
