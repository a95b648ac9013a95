package peer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// patience bounds every wait of the tests; nothing here takes a tenth of it on an idle machine.
const patience = 30 * time.Second

// until polls why until it returns "", and fails with what was missing.
func until(t *testing.T, why func() string) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for missing := why(); missing != ""; missing = why() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("still missing after %s: %s", patience, missing)
		}
	}
}

// testLog writes to the test's output with PEER_TEST_LOG set, else nowhere.
func testLog() *slog.Logger {
	out := io.Discard
	if os.Getenv("PEER_TEST_LOG") != "" {
		out = os.Stderr
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// record is everything a peer told, in order, as short words.
type record struct {
	mu         sync.Mutex
	words      []string
	connection Connection
	candidates func(webrtc.ICECandidateInit)
	targets    []Target
	decisions  []Decision
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words = append(r.words, fmt.Sprintf(format, args...))
}

func (r *record) count(word string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, w := range r.words {
		if w == word {
			n++
		}
	}
	return n
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.words...)
}

func (r *record) missing(word string) func() string {
	return func() string {
		if r.count(word) > 0 {
			return ""
		}
		return fmt.Sprintf("%q in %v", word, r.all())
	}
}

func (r *record) handlers() Handlers {
	return Handlers{
		Candidate: func(c webrtc.ICECandidateInit) {
			r.mu.Lock()
			pass := r.candidates
			r.mu.Unlock()
			if pass != nil {
				pass(c)
			}
		},
		CodecChosen: func(c frame.Codec) { r.add("codec %s", c) },
		Connected: func(c Connection) {
			r.mu.Lock()
			r.connection = c
			r.mu.Unlock()
			r.add("connected")
		},
		Disconnected: func(e Ending) { r.add("disconnected %s", e) },
		Keyframe:     func(c KeyframeCause) { r.add("keyframe %s", c) },
		Target:       func(to Target) { r.mu.Lock(); r.targets = append(r.targets, to); r.mu.Unlock() },
		Decision:     func(d Decision) { r.mu.Lock(); r.decisions = append(r.decisions, d); r.mu.Unlock() },
		ChannelOpen:  func(label string) { r.add("open %s", label) },
		Message:      func(label string, data []byte, text bool) { r.add("message %s %s %v", label, data, text) },
		Track:        func(remote *webrtc.TrackRemote) { r.add("track %s", remote.Kind()) },
	}
}

// quickNetwork gives up on silent clients within a second.
func quickNetwork(t *testing.T) *Network {
	t.Helper()
	n, err := NewNetwork(NetworkConfig{Disconnected: 400 * time.Millisecond, Failed: 400 * time.Millisecond, Log: testLog()})
	require.NoError(t, err)
	return n
}

func defaultSettings() Settings {
	return Settings{APIVersion: 2, EnableSpeaker: true, EnableVideo: true, DataChannels: []string{"chat"}}
}

// newPeer makes a peer that is closed with the test.
func newPeer(t *testing.T, change func(*Config)) (*Peer, *record) {
	t.Helper()
	r := &record{}
	cfg := Config{
		ID: "test", Settings: defaultSettings(), Codecs: []frame.Codec{frame.H264, frame.VP8},
		Log: testLog(), Handlers: r.handlers(),
	}
	if change != nil {
		change(&cfg)
	}
	p, err := New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(Gone) })
	return p, r
}

// unhurried gives a peer whose ICE notices nothing while a test waits: what it does notice, it was told.
func unhurried(t *testing.T) func(*Config) {
	t.Helper()
	n, err := NewNetwork(NetworkConfig{Disconnected: 2 * patience, Failed: 2 * patience, Log: testLog()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return func(c *Config) { c.Network = n }
}

// trickle passes candidates both ways, those of the peer only once the client can take them.
func trickle(t *testing.T, p *Peer, r *record, c *client) (described func()) {
	t.Helper()
	var mu sync.Mutex
	var early []webrtc.ICECandidateInit
	ready := false
	add := func(candidate webrtc.ICECandidateInit) {
		if err := c.pc.AddICECandidate(candidate); err != nil && c.pc.ConnectionState() != webrtc.PeerConnectionStateClosed {
			t.Errorf("the client cannot take %q: %v", candidate.Candidate, err)
		}
	}
	r.mu.Lock()
	r.candidates = func(candidate webrtc.ICECandidateInit) {
		mu.Lock()
		defer mu.Unlock()
		if !ready {
			early = append(early, candidate)
			return
		}
		add(candidate)
	}
	r.mu.Unlock()
	c.pc.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate != nil {
			if err := p.AddCandidate(candidate.ToJSON()); err != nil {
				r.add("refused %v", err)
			}
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ready = true
		for _, candidate := range early {
			add(candidate)
		}
	}
}

// negotiate runs version 2 to the end of the descriptions.
func negotiate(ctx context.Context, t *testing.T, p *Peer, r *record, c *client) error {
	t.Helper()
	described := trickle(t, p, r, c)
	offer, err := p.Offer(ctx)
	require.NoError(t, err)
	require.NoError(t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	answer, err := c.pc.CreateAnswer(nil)
	require.NoError(t, err)
	require.NoError(t, c.pc.SetLocalDescription(answer))
	described()
	return p.AcceptAnswer(ctx, answer.SDP)
}

// connect runs version 2 up to the connection and its control channel.
func connect(t *testing.T, p *Peer, r *record, c *client) {
	t.Helper()
	require.NoError(t, negotiate(t.Context(), t, p, r, c))
	until(t, r.missing("connected"))
	until(t, r.missing("open "+ControlChannel))
}

// picture is a frame of the codec, large enough for several packets.
func picture(codec frame.Codec, n int, keyframe bool) frame.Video {
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i%250) + 1
	}
	if codec == frame.H264 {
		unit := []byte{0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 5, 6, 0, 0, 1, 0x65}
		if !keyframe {
			unit = []byte{0, 0, 0, 1, 0x61}
		}
		data = append(unit, data...)
	}
	pts := time.Duration(n) * 20 * time.Millisecond
	return frame.Video{Data: data, Keyframe: keyframe, PTS: pts, CapturedAt: time.Unix(1_700_000_000, 0).Add(pts)}
}
