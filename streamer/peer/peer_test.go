package peer

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

func TestConnectVersion2(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{channels: []string{"chat"}})
	connect(t, p, r, c)
	until(t, r.missing("open chat"))
	until(t, r.missing("keyframe start"))

	words := r.all()
	require.Less(t, slices.Index(words, "codec H264"), slices.Index(words, "connected"))
	require.Equal(t, frame.H264, r.connection.Codec)
	require.Equal(t, "udp", r.connection.Protocol)
	require.Contains(t, []string{"host", "prflx"}, r.connection.LocalType)
	require.Contains(t, []string{"ipv4", "ipv6"}, r.connection.LocalFamily)
	require.Contains(t, []string{"host", "prflx"}, r.connection.RemoteType)
	require.Positive(t, r.connection.Duration)

	require.NoError(t, c.control.SendText(`{"type":"hello"}`))
	until(t, r.missing(`message control {"type":"hello"} true`))
	require.NoError(t, p.Send(ControlChannel, []byte("welcome")))
	until(t, c.missing("control welcome"))
	require.NoError(t, p.SendBinary("chat", []byte("bytes")))
	until(t, c.missing("chat bytes"))
	require.Empty(t, slices.DeleteFunc(r.all(), func(w string) bool { return !strings.HasPrefix(w, "refused") }))
}

func TestConnectVersion1(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, func(cfg *Config) { cfg.Settings.APIVersion = 1 })
	c := newClient(t, clientOptions{v1: true})
	described := trickle(t, p, r, c)
	offer, err := c.pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, c.pc.SetLocalDescription(offer))
	answer, err := p.AcceptOffer(t.Context(), offer.SDP, nil)
	require.NoError(t, err)
	require.NoError(t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	described()
	until(t, r.missing("connected"))
	until(t, r.missing("open control"))
	// The client lists VP8 first, as browsers do; where the client offers, our order counts.
	require.Equal(t, frame.H264, r.connection.Codec)

	p.WriteVideo(picture(frame.H264, 0, true))
	p.WriteAudio(frame.Audio{Data: []byte{1, 2, 3}})
	until(t, func() string {
		if len(c.packets(true)) > 0 && len(c.packets(false)) > 0 {
			return ""
		}
		return "video and audio packets"
	})
	_, err = p.AcceptOffer(t.Context(), offer.SDP, nil)
	require.ErrorIs(t, err, ErrState)
}

func TestCodecIsTheAnswers(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{codecs: []frame.Codec{frame.VP8}})
	connect(t, p, r, c)
	require.Equal(t, frame.VP8, r.connection.Codec)
}

func TestNoCommonCodec(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{codecs: []frame.Codec{frame.AV1}})
	require.ErrorIs(t, negotiate(t.Context(), t, p, r, c), ErrNoCommonCodec)
}

func TestFramesArrive(t *testing.T) {
	t.Parallel()
	for _, codec := range []frame.Codec{frame.H264, frame.VP8} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			p, r := newPeer(t, func(cfg *Config) { cfg.Codecs = []frame.Codec{codec} })
			c := newClient(t, clientOptions{codecs: []frame.Codec{codec}})
			connect(t, p, r, c)
			p.WriteVideo(picture(codec, 0, false)) // nobody could decode it
			const frames = 20
			for n := range frames {
				p.WriteVideo(picture(codec, n, n == 0))
				p.WriteAudio(frame.Audio{Data: []byte{1, 2, 3}, PTS: time.Duration(n) * 10 * time.Millisecond})
				until(t, func() string {
					if s := p.Stats(); s.Video.Frames == uint64(n+1) && s.Audio.Frames == uint64(n+1) {
						return ""
					}
					return fmt.Sprintf("frame %d sent", n)
				})
			}
			until(t, func() string {
				if marked := countMarked(c.packets(true)); marked < frames {
					return fmt.Sprintf("%d of %d pictures", marked, frames)
				}
				if sound := len(c.packets(false)); sound < frames {
					return fmt.Sprintf("%d of %d sounds", sound, frames)
				}
				return ""
			})
			requireStream(t, c, frames)
			require.Equal(t, uint64(1), p.Stats().FramesDropped)
			require.Greater(t, p.Stats().Video.Packets, uint64(4*frames))
		})
	}
}

func countMarked(packets []*rtp.Packet) (n int) {
	for _, packet := range packets {
		if packet.Marker {
			n++
		}
	}
	return n
}

// requireStream checks times, sizes and extensions of the pictures received.
func requireStream(t *testing.T, c *client, frames int) {
	t.Helper()
	ids := map[string]uint8{}
	for _, receiver := range c.pc.GetReceivers() {
		for _, extension := range receiver.GetParameters().HeaderExtensions {
			ids[extension.URI] = uint8(extension.ID)
		}
	}
	packets := c.packets(true)
	slices.SortFunc(packets, func(a, b *rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
	for i := range packets[1:] {
		require.Equal(t, packets[i].SequenceNumber+1, packets[i+1].SequenceNumber)
	}
	packets = slices.DeleteFunc(packets, func(p *rtp.Packet) bool { return p.Padding && len(p.Payload) == 0 }) // of probes
	stamps := map[uint32]int{}
	for i, packet := range packets {
		stamps[packet.Timestamp]++
		require.Equal(t, []byte{0, 0, 0}, packet.GetExtension(ids[playoutDelayURI]), "playout delay")
		require.Len(t, packet.GetExtension(ids[absSendTimeURI]), 3, "send time")
		require.LessOrEqual(t, packet.MarshalSize(), mtu)
		if i == 0 {
			continue
		}
		step := packet.Timestamp - packets[i-1].Timestamp
		if packets[i-1].Marker {
			require.Equal(t, uint32(1800), step, "20 ms")
			require.Len(t, packet.GetExtension(ids[absCaptureTimeURI]), 8, "capture time")
		} else {
			require.Zero(t, step, "within a picture")
		}
	}
	require.Len(t, stamps, frames)
	for _, sound := range c.packets(false) {
		require.Nil(t, sound.GetExtension(ids[playoutDelayURI]), "sound has no playout delay")
	}
}

func TestPictureLossAsksForOneKeyframe(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	until(t, r.missing("keyframe start"))
	p.WriteVideo(picture(frame.H264, 0, true))
	until(t, func() string {
		if len(c.packets(true)) > 0 {
			return ""
		}
		return "video"
	})
	var ssrc uint32
	for _, packet := range c.packets(true) {
		ssrc = packet.SSRC
	}
	start := time.Now()
	for range 20 {
		require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}))
	}
	require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{&rtcp.FullIntraRequest{
		MediaSSRC: ssrc, FIR: []rtcp.FIREntry{{SSRC: ssrc, SequenceNumber: 1}},
	}}))
	until(t, r.missing("keyframe pli"))
	require.Greater(t, time.Since(start), keyframeInterval/2, "the key frame just sent counts")
	until(t, func() string {
		if s := p.Stats(); s.PLIs == 20 && s.FIRs == 1 {
			return ""
		}
		return "20 PLI and a FIR"
	})
	require.Equal(t, 1, r.count("keyframe pli"))
}

func TestRepeatsLostPackets(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{muteable: true})
	connect(t, p, r, c)
	p.WriteVideo(picture(frame.H264, 0, true))
	until(t, func() string {
		if countMarked(c.packets(true)) > 0 {
			return ""
		}
		return "a picture"
	})
	c.socket.loseNext(3)
	// A receiver sees a gap by what follows it, and pion's asks only for what is some packets old.
	for n := 1; n <= 5; n++ {
		p.WriteVideo(picture(frame.H264, n, false))
	}
	until(t, func() string {
		stats := p.Stats()
		if got := uint64(len(c.packets(true))); stats.Video.Frames < 6 || got < stats.Video.Packets {
			return fmt.Sprintf("%d of %d packets", got, stats.Video.Packets)
		}
		if stats.NACKs < 3 { // counted after they were answered; and padding counts among what has come
			return fmt.Sprintf("3 packets asked for again, %d were", stats.NACKs)
		}
		return ""
	})
}

func TestChannelsRefused(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{channels: []string{"chat", "shell"}})
	twice := c.channel(t, "chat")
	connect(t, p, r, c)
	until(t, r.missing("open chat"))
	until(t, c.missing("shell closed"))
	until(t, func() string {
		if twice.ReadyState() == webrtc.DataChannelStateClosed || c.got("chat closed") {
			return ""
		}
		return "the second chat closed"
	})
	require.Equal(t, 1, r.count("open chat"))
	require.Zero(t, r.count("open shell"))
	require.ErrorIs(t, p.Send("shell", nil), ErrNoChannel)
	require.ErrorIs(t, p.Send(ControlChannel, make([]byte, MaxMessage+1)), ErrTooLarge)

	large := strings.Repeat("x", MaxMessage)
	require.NoError(t, c.control.SendText(large))
	until(t, r.missing("message control "+large+" true"))
}

// A client that makes channels without end is one that has left: what pion keeps of each would fill the memory.
func TestChannelsWithoutEnd(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	until(t, r.missing("open control"))
	p.channels.mu.Lock()
	p.channels.made = maxMade - 1
	p.channels.mu.Unlock()
	c.channel(t, "one")
	until(t, c.missing("one closed"))
	require.Zero(t, r.count("disconnected left"))
	c.channel(t, "another")
	until(t, r.missing("disconnected left"))
}

func TestLeft(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, unhurried(t))
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	require.NoError(t, c.pc.Close())
	until(t, r.missing("disconnected left"))
}

func TestLeftByAbort(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	require.NoError(t, abort(c.pc.SCTP(), Ended))
	until(t, r.missing("disconnected left"))
}

func TestLost(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, func(cfg *Config) { cfg.Network = quickNetwork(t) })
	c := newClient(t, clientOptions{muteable: true})
	connect(t, p, r, c)
	c.socket.mute()
	until(t, r.missing("disconnected lost"))
	p.WriteVideo(picture(frame.H264, 0, true))
	require.Zero(t, p.Stats().Video.Frames, "nothing is sent to nobody")
	require.Zero(t, r.count("disconnected left"))
}

func TestCloseAborts(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckAbort())
	for _, reason := range []Reason{Displaced, Ended} {
		p, r := newPeer(t, nil)
		c := newClient(t, clientOptions{})
		connect(t, p, r, c)
		p.Close(reason)
		until(t, func() string {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, err := range c.ended {
				// pion names the cause by its text: "User Initiated Abort" is code 12 (RFC 9260).
				if strings.Contains(err.Error(), "User Initiated Abort: "+string(reason)) {
					return ""
				}
			}
			return fmt.Sprintf("an abort for %q in %v", reason, c.ended)
		})
		require.Zero(t, r.count("disconnected left"), "a closed peer is silent")
	}
}

func TestCloseIsFinal(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	p.Close(Displaced)
	before := r.all()
	p.Close(Ended)
	p.WriteVideo(picture(frame.H264, 0, true))
	p.WriteAudio(frame.Audio{Data: []byte{1}})
	require.Error(t, p.Send(ControlChannel, []byte("late")))
	require.ErrorIs(t, p.AddCandidate(webrtc.ICECandidateInit{Candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host"}), ErrState)
	_, err := p.Offer(t.Context())
	require.ErrorIs(t, err, ErrState)
	require.Equal(t, before, r.all())
}

func TestManyPeersLeakNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for n := range 50 {
		p, _ := newPeer(t, nil)
		if n%2 == 0 {
			_, err := p.Offer(t.Context())
			require.NoError(t, err)
		}
		p.Close(Displaced)
	}
	for range 3 { // in the middle of connecting
		p, r := newPeer(t, nil)
		c := newClient(t, clientOptions{})
		require.NoError(t, negotiate(t.Context(), t, p, r, c))
		p.Close(Displaced)
		_ = c.pc.GracefulClose() // as below
	}
	for range 3 { // connected ones cost more
		p, r := newPeer(t, nil)
		c := newClient(t, clientOptions{})
		connect(t, p, r, c)
		p.Close(Displaced)
		_ = c.pc.GracefulClose() // says that the peer ended it first
	}
	until(t, func() string {
		if now := runtime.NumGoroutine(); now > before {
			stacks := make([]byte, 1<<20)
			return fmt.Sprintf("%d goroutines to end:\n%s", now-before, stacks[:runtime.Stack(stacks, true)])
		}
		return ""
	})
}
