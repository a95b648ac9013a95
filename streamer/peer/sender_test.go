package peer

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// wire is a track's way out that keeps the packets.
type wire struct{ packets []*rtp.Packet }

func (w *wire) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	w.packets = append(w.packets, &rtp.Packet{Header: header.Clone(), Payload: payload})
	return len(payload), nil
}

func (w *wire) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// binding is pion's side of Bind.
type binding struct {
	codecs []webrtc.RTPCodecParameters
	wire   *wire
}

func (b binding) CodecParameters() []webrtc.RTPCodecParameters { return b.codecs }
func (b binding) HeaderExtensions() []webrtc.RTPHeaderExtensionParameter {
	return []webrtc.RTPHeaderExtensionParameter{{URI: playoutDelayURI, ID: 1}, {URI: absCaptureTimeURI, ID: 2}}
}
func (b binding) SSRC() webrtc.SSRC                    { return 7 }
func (b binding) WriteStream() webrtc.TrackLocalWriter { return b.wire }
func (b binding) ID() string                           { return "test" }
func (b binding) RTCPReader() interceptor.RTCPReader   { return nil }

// newTestSender makes a sender that runs only when the test says so.
func newTestSender(t *testing.T) (s *sender, causes *[]KeyframeCause, video, audio *wire) {
	t.Helper()
	causes, video, audio = &[]KeyframeCause{}, &wire{}, &wire{}
	gate := newKeyframeGate(func(c KeyframeCause) { *causes = append(*causes, c) })
	t.Cleanup(gate.close)
	counters := &counters{}
	display := &track{kind: webrtc.RTPCodecTypeVideo, counter: &counters.video,
		choose: func(common []webrtc.RTPCodecParameters) (webrtc.RTPCodecParameters, error) {
			return chooseVideo(common, []frame.Codec{frame.VP8}, false)
		}}
	speaker := &track{kind: webrtc.RTPCodecTypeAudio, counter: &counters.audio}
	_, err := display.Bind(binding{videoParameters([]frame.Codec{frame.VP8}), video})
	require.NoError(t, err)
	_, err = speaker.Bind(binding{[]webrtc.RTPCodecParameters{opusParameters()}, audio})
	require.NoError(t, err)
	return newSender(testLog(), counters, gate, newFreezeMeter(30), display, speaker), causes, video, audio
}

func TestOverflowDropsToTheNextKeyframe(t *testing.T) {
	t.Parallel()
	s, causes, _, _ := newTestSender(t)
	s.start()
	s.writeVideo(picture(frame.VP8, 0, true))
	for n := 1; n < maxVideoQueue; n++ {
		s.writeVideo(picture(frame.VP8, n, false))
	}
	require.Empty(t, *causes)
	s.writeVideo(picture(frame.VP8, maxVideoQueue, false)) // one too many
	require.Equal(t, []KeyframeCause{KeyframeOverflow}, *causes)
	s.writeVideo(picture(frame.VP8, maxVideoQueue+1, false))
	require.Empty(t, s.pictures)
	require.Equal(t, uint64(maxVideoQueue+2), s.counters.dropped.Load())
	s.writeVideo(picture(frame.VP8, maxVideoQueue+2, true))
	require.Len(t, s.pictures, 1)
}

func TestSoundDropsTheOldest(t *testing.T) {
	t.Parallel()
	s, _, _, audio := newTestSender(t)
	s.writeAudio(frame.Audio{Data: []byte{99}}) // before the connection
	s.start()
	for n := range byte(maxAudioQueue + 3) {
		s.writeAudio(frame.Audio{Data: []byte{n}})
	}
	s.sendSound()
	require.Len(t, audio.packets, maxAudioQueue)
	require.Equal(t, []byte{3}, audio.packets[0].Payload)
}

func TestSoundPassesALargePicture(t *testing.T) {
	t.Parallel()
	s, _, video, audio := newTestSender(t)
	s.start()
	s.writeVideo(picture(frame.VP8, 0, true))
	p := s.video.packetizer()
	between := 0
	require.NoError(t, p.write(s.pictures[0].Data, 0, time.Time{}, func() {
		between++
		s.writeAudio(frame.Audio{Data: []byte{byte(between)}})
		s.sendSound()
	}))
	require.Len(t, video.packets, 5)
	require.Len(t, audio.packets, 5)
}

func TestStoppedSenderStaysStopped(t *testing.T) {
	t.Parallel()
	s, _, _, _ := newTestSender(t)
	s.stop()
	s.start() // a connection that came up while closing
	s.writeVideo(picture(frame.VP8, 0, true))
	require.Empty(t, s.pictures)
}

func TestTicksDoNotOverflow(t *testing.T) {
	t.Parallel()
	require.Equal(t, uint32(90_000), ticks(time.Second, videoClock))
	require.Equal(t, uint32(1500), ticks(time.Second/60, videoClock)+1) // 16.666666 ms is a little short of it
	rapid.Check(t, func(t *rapid.T) {
		at := time.Duration(rapid.Int64Range(0, int64(100*365*24*time.Hour)).Draw(t, "pts"))
		if step := ticks(at+time.Second, videoClock) - ticks(at, videoClock); step < videoClock-1 || step > videoClock+1 {
			t.Fatalf("a second is %d ticks", step)
		}
	})
}

// x264 begins an access unit with a long start code and goes on with short ones.
func TestH264PayloaderCutsMixedStartCodes(t *testing.T) {
	t.Parallel()
	unit := []byte{0, 0, 0, 1, 9, 0x10, 0, 0, 1, 6, 5, 1, 0x80, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4, 5, 0, 0, 1, 0x65, 6}
	payloads := (&h264Payloader{}).Payload(1200, unit)
	require.Equal(t, [][]byte{
		{6, 5, 1, 0x80},
		{0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3}, // parameter sets in one packet (RFC 6184, section 5.7.1)
		{0x65, 4, 5},
		{0x65, 6},
	}, payloads)
	require.Empty(t, (&h264Payloader{}).Payload(1200, nil))
	require.Empty(t, (&h264Payloader{}).Payload(1200, []byte{0, 0, 0, 1}))
}

func FuzzH264Payloader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3})
	f.Fuzz(func(t *testing.T, unit []byte) {
		for _, payload := range (&h264Payloader{}).Payload(100, unit) {
			if len(payload) == 0 || len(payload) > 100 {
				t.Fatalf("payload of %d bytes", len(payload))
			}
		}
	})
}

func TestVP8HasPictureIDs(t *testing.T) {
	t.Parallel()
	s, _, video, _ := newTestSender(t)
	for n := range 3 {
		require.NoError(t, s.video.packetizer().write(picture(frame.VP8, n, n == 0).Data, 0, time.Time{}, func() {}))
	}
	ids := map[uint16]bool{}
	for _, packet := range video.packets {
		var vp8 codecs.VP8Packet
		_, err := vp8.Unmarshal(packet.Payload)
		require.NoError(t, err)
		ids[vp8.PictureID] = true
	}
	require.Len(t, ids, 3)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	report := rtcp.ReceptionReport{LastSenderReport: compactNTP(now.Add(-300 * time.Millisecond)), Delay: 65536 / 10}
	rtt, ok := roundTrip(now, report)
	require.True(t, ok)
	require.InDelta(t, 200*time.Millisecond, rtt, float64(time.Millisecond))
	_, ok = roundTrip(now, rtcp.ReceptionReport{})
	require.False(t, ok, "no sender report was seen")
	_, ok = roundTrip(now, rtcp.ReceptionReport{LastSenderReport: compactNTP(now), Delay: 65536})
	require.False(t, ok, "a report from the future")
}
