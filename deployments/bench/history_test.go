package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// fillAhead is how many publishes may wait for their acknowledgement.
const fillAhead = 4096

// filler appends whole lives of sessions, many at a time in flight, as fast as the server takes them. It writes
// messages rather than drafts, since [events.Log] waits for every append; the envelope is the same.
type filler struct {
	tb   testing.TB
	js   jetstream.JetStream
	sent int
	now  string
	ttl  string // of what expires
}

func newFiller(tb testing.TB, nc *nats.Conn) *filler {
	tb.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(fillAhead))
	require.NoError(tb, err)
	return &filler{tb: tb, js: js, now: time.Now().UTC().Format(time.RFC3339Nano), ttl: "86400s"}
}

// append publishes one event of a session.
func (f *filler) append(id events.SessionID, a events.Actor, n events.Name, data any) {
	f.tb.Helper()
	body, err := json.Marshal(data)
	require.NoError(f.tb, err)
	eventID := uuid.NewString()
	m := &nats.Msg{
		Subject: events.Subject{Region: "local", Session: id, Actor: a, Name: n}.String(), Data: body,
		Header: nats.Header{
			"ce-specversion": {"1.0"}, "ce-id": {eventID}, "ce-source": {events.SourceOf(a)}, "ce-type": {events.TypeOf(n)},
			"ce-time": {f.now}, "ce-datacontenttype": {"application/json"}, "Nats-Msg-Id": {eventID},
		},
	}
	if uri := events.SchemaURI(events.TypeOf(n)); uri != "" {
		m.Header["ce-dataschema"] = []string{uri}
	}
	if events.ShortLived(n) {
		m.Header["Nats-TTL"] = []string{f.ttl}
	}
	_, err = f.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
	require.NoError(f.tb, err)
	f.sent++
}

// wait returns when all is acknowledged, and checks that the stream has it.
func (f *filler) wait() {
	select {
	case <-f.js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		require.Fail(f.tb, "the last appends were not acknowledged within a minute")
	}
	s, err := f.js.Stream(f.tb.Context(), events.SessionsStream)
	require.NoError(f.tb, err)
	require.EqualValues(f.tb, f.sent, s.CachedInfo().State.LastSeq)
}

// fillLives appends at least n events of whole sessions, of which inFlight live at any time.
func (f *filler) fillLives(n, inFlight int) {
	running := make([]*life, inFlight)
	for from := f.sent; f.sent-from < n; {
		i := rand.IntN(inFlight)
		if running[i] == nil {
			running[i] = newLife()
		}
		if running[i].step(f) {
			running[i] = nil
		}
	}
	f.wait()
}

// fillEach appends the events of n whole sessions, one after another.
func (f *filler) fillEach(n int) {
	for range n {
		for l := newLife(); !l.step(f); {
			continue
		}
	}
	f.wait()
}

// fillEnded appends the shortest life that there is: created, and expired in the queue. A whole one has ten that are kept, and so
// takes five times as much of the server; the read model knows no difference.
func (f *filler) fillEnded() {
	l := newLife()
	f.append(l.id, events.Gateway, events.Created, events.CreatedData{App: "testcard", Ephemeral: true, Account: "local"})
	f.append(l.id, events.Gateway, events.Expired, events.EndedData{Reason: "no agent took the session within 5 minutes"})
}

// lifeEvents are a life's events, lifeLasting those of them that last: all but offer, answer and candidates.
const lifeEvents, lifeLasting = 17, 12

// life is a session on its way through all that an ordinary one has.
type life struct {
	id   events.SessionID
	peer events.PeerID
	at   int
}

func newLife() *life {
	return &life{id: events.SessionID(uuid.NewString()), peer: events.PeerID(uuid.NewString())}
}

const hostCandidate = "candidate:2999745851 1 udp 2122260223 192.168.56.%d 49203 typ host generation 0 ufrag gqKT network-id 1 network-cost 10"

// step appends the next event of the life; done tells that it was the last.
func (l *life) step(f *filler) (done bool) {
	screen := events.Screen{Width: 1280, Height: 720, FPS: 60, Density: 160}
	mid, line := "0", uint16(0)
	candidate := func(n int) events.CandidateData {
		return events.CandidateData{Peer: l.peer, Candidate: fmt.Sprintf(hostCandidate, n), SDPMid: &mid, SDPMLineIndex: &line}
	}
	steps := []struct {
		actor events.Actor
		name  events.Name
		data  any
	}{
		{events.Gateway, events.Created, events.CreatedData{App: "testcard", Ephemeral: true, Screen: screen, Account: "local"}},
		{events.Gateway, events.Joined, events.JoinedData{Peer: l.peer, Generation: 1, Role: "slave", Account: "local"}},
		{events.Agent, events.Claimed, events.ClaimedData{Agent: "machine-1", Attempt: 1, Driver: "process"}},
		{events.Client, events.Attached, events.AttachedData{Peer: l.peer}},
		{events.Agent, events.Launched, events.LaunchedData{Agent: "machine-1", Attempt: 1, Instance: string(l.id[:13])}},
		{events.Streamer, events.Ready, events.ReadyData{Screen: screen, Codecs: []string{"H264", "VP8", "VP9"},
			Encoders: []events.EncoderData{{Codec: "H264", Element: "x264enc"}, {Codec: "VP8", Element: "vp8enc"}, {Codec: "VP9", Element: "vp9enc"}},
			Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: 60, Capabilities: []string{"resize", "ime"}}}},
		{events.Client, events.Settings, events.SettingsData{Peer: l.peer, Settings: events.Raw(`{"display":{"width":1280,"height":720,"fps":60},"audio":true,"codecs":["VP8","H264"]}`)}},
		{events.Streamer, events.Offer, events.SDPData{Peer: l.peer, SDP: offerSDP}},
		{events.Streamer, events.Candidate, candidate(2)},
		{events.Client, events.Answer, events.SDPData{Peer: l.peer, SDP: answerSDP}},
		{events.Client, events.Candidate, candidate(3)},
		{events.Client, events.Candidate, candidate(4)},
		{events.Streamer, events.Connected, events.ConnectedData{Peer: l.peer, Codec: "H264", Encoder: "x264enc", ConnectMs: 212,
			Pair: events.PairData{Local: events.CandidateEnd{Kind: "host", Family: events.FamilyIPv4}, Remote: events.CandidateEnd{Kind: "host", Family: events.FamilyIPv4}, Protocol: "udp"}}},
		{events.Client, events.Detached, events.DetachedData{Peer: l.peer, Code: 1000}},
		{events.Streamer, events.Disconnected, events.DisconnectedData{Peer: l.peer, Reason: events.ReasonLeft, Connected: true}},
		{events.Gateway, events.Terminating, events.TerminatingData{By: "client_left", Reason: "its client has left"}},
		{events.Agent, events.Terminated, events.EndedData{Agent: "machine-1", Attempt: 1, Reason: "its client has left"}},
	}
	s := steps[l.at]
	f.append(l.id, s.actor, s.name, s.data)
	l.at++
	return l.at == len(steps)
}

var offerSDP, answerSDP = sdp(45), sdp(30)

// sdp is a description of about as many lines as a browser's.
func sdp(lines int) string {
	return "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
		strings.Repeat("a=rtcp-fb:102 transport-cc\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n", lines/2)
}
