package console

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
	"github.com/stretchr/testify/require"

	"streamstack/gateway/console/browsertest"
)

const (
	pictureWidth, pictureHeight = 1280, 720
	frameTime                   = time.Second / 30
	// soundTime is the length of one Opus packet.
	soundTime = 20 * time.Millisecond
)

// silence is an Opus packet of 20 ms of silence (RFC 6716, section 3.1: CELT, fullband, one frame).
var silence = []byte{0xf8, 0xff, 0xfe}

// frames are two seconds of a VP8 test picture, one frame each, encoded once by GStreamer.
var frames = sync.OnceValues(func() ([][]byte, error) {
	folder, err := os.MkdirTemp("", "console-frames-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // in the temporary folder anyway
	if out, err := exec.Command("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=60", "!",
		"video/x-raw,width=1280,height=720,framerate=30/1", "!", "vp8enc", "deadline=1", "cpu-used=8", "keyframe-max-dist=15",
		"target-bitrate=2000000", "!", "multifilesink", "location="+filepath.Join(folder, "%03d")).CombinedOutput(); err != nil {
		return nil, &exec.Error{Name: "gst-launch-1.0 (are the GStreamer tools and good plugins installed?): " + string(out), Err: err}
	}
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return nil, err
	}
	all := make([][]byte, 0, len(names))
	for _, name := range names {
		frame, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, frame)
	}
	return all, nil
})

// peer is a streamer's WebRTC side: it offers a picture, sound and an application line, and keeps what arrives on `control`.
type peer struct {
	t    *testing.T
	pc   *webrtc.PeerConnection
	send func(message)

	mu       sync.Mutex
	settings message
	control  []string
	answered bool
	early    []webrtc.ICECandidateInit
	recorded map[webrtc.RTPCodecType]int // bytes of the user's devices
	channel  *webrtc.DataChannel         // `control`, once it is there
}

// newPeer makes a peer that streams until the test ends. One that takes the user's devices offers lines for them: the
// camera's is the first of its kind, the microphone's is the sound's (signalling contract, section 5).
func newPeer(t *testing.T, devices bool, send func(message)) *peer {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	p := &peer{t: t, pc: pc, send: send}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
		_ = pc.Close() // it may have been closed by the test
	})
	pictures, err := frames()
	require.NoError(t, err)
	sound := webrtc.RTPTransceiverDirectionSendonly
	if devices {
		sound = webrtc.RTPTransceiverDirectionSendrecv
		_, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		require.NoError(t, err)
		pc.OnTrack(p.record)
	}
	p.addTrack(ctx, &running, webrtc.MimeTypeOpus, "audio", sound, soundTime, [][]byte{silence})
	p.addTrack(ctx, &running, webrtc.MimeTypeVP8, "video", webrtc.RTPTransceiverDirectionSendonly, frameTime, pictures)
	// An answer cannot add lines: this makes the application line be offered.
	_, err = pc.CreateDataChannel("unused", nil)
	require.NoError(t, err)
	pc.OnDataChannel(func(channel *webrtc.DataChannel) {
		if channel.Label() == "control" {
			p.mu.Lock()
			p.channel = channel
			p.mu.Unlock()
		}
		channel.OnMessage(func(m webrtc.DataChannelMessage) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.control = append(p.control, channel.Label()+" "+string(m.Data))
		})
	})
	pc.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate != nil {
			init := candidate.ToJSON()
			send(message{"type": "candidate", "candidate": encode(init.Candidate), "sdpMid": init.SDPMid, "sdpMLineIndex": init.SDPMLineIndex})
		}
	})
	return p
}

// addTrack plays samples over and over. All of its tracks say that they are of one stream: the page must keep them apart.
func (p *peer) addTrack(ctx context.Context, running *sync.WaitGroup, mime, name string, direction webrtc.RTPTransceiverDirection, every time.Duration, samples [][]byte) {
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, name, "stream")
	require.NoError(p.t, err)
	_, err = p.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: direction})
	require.NoError(p.t, err)
	running.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if p.pc.ConnectionState() != webrtc.PeerConnectionStateConnected {
				i = -1 // begin with the first frame, which is a key frame
				continue
			}
			_ = track.WriteSample(media.Sample{Data: samples[i%len(samples)], Duration: every}) // the connection may just be closing
		}
	})
}

// receive handles a message of the page. Duplicates are ignored, as the contract with the console has it.
func (p *peer) receive(m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m["type"] {
	case "settings":
		if p.settings != nil {
			return
		}
		p.settings = m
		offer, err := p.pc.CreateOffer(nil)
		if p.check(err) && p.check(p.pc.SetLocalDescription(offer)) {
			go p.send(message{"type": "offer", "sdp": encode(offer.SDP)})
		}
	case "answer":
		if p.answered {
			return
		}
		p.answered = true
		p.check(p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: p.decode(m["sdp"])}))
		for _, candidate := range p.early {
			p.check(p.pc.AddICECandidate(candidate))
		}
	case "candidate":
		encoded, err := json.Marshal(m)
		p.check(err)
		var candidate webrtc.ICECandidateInit
		p.check(json.Unmarshal(encoded, &candidate))
		candidate.Candidate = p.decode(candidate.Candidate)
		if p.answered {
			p.check(p.pc.AddICECandidate(candidate))
		} else {
			p.early = append(p.early, candidate)
		}
	}
}

// say sends a message on the page's control channel.
func (p *peer) say(text string) {
	p.t.Helper()
	p.mu.Lock()
	channel := p.channel
	p.mu.Unlock()
	require.NotNil(p.t, channel)
	require.NoError(p.t, channel.SendText(text))
}

// record counts what a device of the user sends, which ends with the connection.
func (p *peer) record(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.recorded == nil {
			p.recorded = map[webrtc.RTPCodecType]int{}
		}
		p.recorded[track.Kind()] += len(packet.Payload)
		p.mu.Unlock()
	}
}

// hears waits until a device of the user sends.
func (p *peer) hears(b *browsertest.Browser, kind webrtc.RTPCodecType) {
	p.t.Helper()
	const least = 2000 // bytes: beyond what a placeholder may send
	b.Eventually(func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.recorded[kind] > least
	}, "what the user's "+kind.String()+" device records")
}

// received is what came on the page's channels so far, each with the channel's label before it.
func (p *peer) received() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.control)
}

func (p *peer) check(err error) bool {
	if err != nil {
		p.t.Errorf("peer: %v", err)
	}
	return err == nil
}

func (p *peer) decode(value any) string {
	text, _ := value.(string)
	decoded, err := base64.StdEncoding.DecodeString(text)
	p.check(err)
	return string(decoded)
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
