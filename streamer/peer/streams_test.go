package peer

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/transport/v2/packetio"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// made is how many streams there are.
func (s *streams) made() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rtp + s.rtcp
}

// reports names streams from first on that are nobody's.
func reports(first uint32) *rtcp.ReceiverReport {
	report := &rtcp.ReceiverReport{SSRC: 9}
	for n := range uint32(31) {
		report.Reports = append(report.Reports, rtcp.ReceptionReport{SSRC: first + n})
	}
	return report
}

// A client that names streams without end has its connection ended, and memory for a few of them only.
func TestStreamsWithoutEndInRTCP(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, unhurried(t))
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	first, sent := uint32(100), 0
	name := func() {
		report := reports(first)
		first += 31
		sent += report.MarshalSize()
		require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{report}))
	}
	until(t, func() string {
		for range 10 {
			name()
		}
		if r.count("disconnected left") == 0 {
			return fmt.Sprintf("the end of a client that named %d streams, of which there are %d", first-100, p.streams.made())
		}
		return ""
	})
	for range 200 { // whose owner has not closed it yet
		name()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.LessOrEqual(t, p.streams.made(), maxStreams+2, "one of RTP and one of RTCP wait for the end")
	t.Logf("%d streams named in %d bytes: %d made, %d bytes kept (all tests that run)", first-100, sent, p.streams.made(), int64(after.HeapAlloc)-int64(before.HeapAlloc))
	begun := time.Now()
	p.Close(Ended)
	t.Logf("closed in %s", time.Since(begun))
	select {
	case <-p.dispatcher.done:
	default:
		t.Fatal("Close gave up waiting")
	}
}

// source is a track that sends as whatever stream it is told to.
type source struct {
	*webrtc.TrackLocalStaticRTP
	bound chan webrtc.TrackLocalWriter
}

func (s source) Bind(to webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	s.bound <- to.WriteStream()
	return s.TrackLocalStaticRTP.Bind(to) //nolint:wrapcheck // pion's own, to pion
}

// What a client sends in streams without end is dropped before pion makes them, and it is served on.
func TestStreamsWithoutEndInRTP(t *testing.T) {
	t.Parallel()
	network := unhurried(t)
	p, r := newPeer(t, func(cfg *Config) {
		network(cfg)
		cfg.Settings.EnableMicrophone = true
	})
	c := newClient(t, clientOptions{})
	static, err := webrtc.NewTrackLocalStaticRTP(opusParameters().RTPCodecCapability, "microphone", "microphone")
	require.NoError(t, err)
	microphone := source{static, make(chan webrtc.TrackLocalWriter, 1)}
	_, err = c.pc.AddTrack(microphone)
	require.NoError(t, err)
	connect(t, p, r, c)
	writer := <-microphone.bound
	first := uint32(100)
	until(t, func() string {
		for range 10 {
			first++
			_, err := writer.WriteRTP(&rtp.Header{Version: 2, SSRC: first, PayloadType: uint8(opusParameters().PayloadType)}, make([]byte, 1000))
			require.NoError(t, err)
		}
		if strays := p.Stats().StraysDropped; strays < 1000 {
			return fmt.Sprintf("%d packets dropped of %d", strays, first-100)
		}
		return ""
	})
	t.Logf("%d streams sent, %d made", first-100, p.streams.made())
	require.LessOrEqual(t, p.streams.made(), 2*gateStreams+rtcpStreams, "one for each stream's RTCP too")
	require.Zero(t, r.count("disconnected left"))
	p.Close(Ended)
	select {
	case <-p.dispatcher.done:
	default:
		t.Fatal("Close gave up waiting")
	}
}

// What names some streams that are nobody's is served on.
func TestStreamsOfNobody(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, func(cfg *Config) { cfg.Codecs = []frame.Codec{frame.VP8} })
	c := newClient(t, clientOptions{codecs: []frame.Codec{frame.VP8}})
	connect(t, p, r, c)
	p.WriteVideo(picture(frame.VP8, 0, true))
	until(t, func() string {
		if len(c.packets(true)) == 0 {
			return "a picture"
		}
		return ""
	})
	require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{reports(100)}))
	until(t, func() string {
		if made := p.streams.made(); made < 31 {
			return fmt.Sprintf("%d streams", made)
		}
		return ""
	})
	ssrc := c.packets(true)[0].SSRC
	until(t, func() string {
		require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}))
		if p.Stats().PLIs == 0 {
			return "a request for a key frame"
		}
		return ""
	})
	require.Zero(t, r.count("disconnected left"))
}

// The first streams keep what comes, up to a size; the rest forget it.
func TestBuffersOfStreams(t *testing.T) {
	t.Parallel()
	s := newStreams()
	for kind, most := range map[packetio.BufferPacketType]int{packetio.RTPBufferPacket: rtpStreams, packetio.RTCPBufferPacket: rtcpStreams} {
		for n := range most + 10 {
			b := s.buffer(kind, uint32(n))
			if _, keeps := b.(*packetio.Buffer); keeps != (n < most) {
				t.Fatalf("buffer %d of kind %d keeps what comes: %v", n, kind, keeps)
			}
		}
	}
	b := s.buffer(packetio.RTCPBufferPacket, 7)
	n, err := b.Write(make([]byte, 100))
	require.NoError(t, err)
	require.Equal(t, 100, n)
	read := make(chan error, 1)
	go func() {
		_, err := b.Read(make([]byte, 100))
		read <- err
	}()
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	require.ErrorIs(t, <-read, io.EOF)
}
