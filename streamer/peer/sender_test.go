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
	"streamstack/streamer/pacer"
	"streamstack/streamer/rate"
	"streamstack/streamer/rate/linktest"
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
	path, err := newEstimator(&Config{MinBitrate: megabit, StartBitrate: 4 * megabit, MaxBitrate: 8 * megabit})
	require.NoError(t, err)
	s = newSender(testLog(), counters, gate, newFreezeMeter(30), path, display, speaker)
	s.setPace(rate.Pace{Rate: 10 * megabit, Burst: 20_000})
	return s, causes, video, audio
}

// flush sends what may go at a time, and returns how long there is nothing then.
func flush(s *sender, now time.Time) time.Duration {
	for {
		out, wait, ok := s.next(now)
		if !ok {
			return wait
		}
		s.transmit(out)
	}
}

// At 4 Mbit/s 150 ms are 75,000 bytes, and 7,500 more are for the key frame: sixteen pictures of 5,000.
func TestOverflowDropsToTheNextKeyframe(t *testing.T) {
	t.Parallel()
	s, causes, video, _ := newTestSender(t)
	s.start()
	s.setPath(4*megabit, false)
	s.writeVideo(picture(frame.VP8, 0, true))
	const fits = 16
	for n := 1; n < fits; n++ {
		s.writeVideo(picture(frame.VP8, n, false))
	}
	require.Empty(t, *causes)
	s.writeVideo(picture(frame.VP8, fits, false)) // one too many
	require.Equal(t, []KeyframeCause{KeyframeOverflow}, *causes)
	s.writeVideo(picture(frame.VP8, fits+1, false))
	require.Zero(t, s.pictures.Len())
	require.Equal(t, uint64(fits+2), s.counters.dropped.Load())
	require.Equal(t, uint64(1), s.counters.overflows.Load())
	s.writeVideo(picture(frame.VP8, fits+2, true))
	flush(s, time.Now())
	require.Len(t, video.packets, 5)
	for i, packet := range video.packets {
		require.Equal(t, video.packets[0].SequenceNumber+uint16(i), packet.SequenceNumber, "what was dropped leaves no gap")
	}
}

// Nothing is sent into an outage, and what follows it begins with a key frame.
func TestOutageSendsNothing(t *testing.T) {
	t.Parallel()
	s, _, video, audio := newTestSender(t)
	s.start()
	now := time.Now()
	s.writeVideo(picture(frame.VP8, 0, true))
	flush(s, now)
	s.writeVideo(picture(frame.VP8, 1, false))
	require.Equal(t, 1, s.setPath(4*megabit, true), "what waited is late")
	s.writeVideo(picture(frame.VP8, 2, true))
	s.writeAudio(frame.Audio{Data: []byte{1}})
	s.repeat(repeat{header: video.packets[0].Header, next: interceptor.RTPWriterFunc(nil)})
	flush(s, now)
	require.Len(t, video.packets, 5)
	require.Len(t, audio.packets, 1, "sound is small, and what tells of the end")
	require.Zero(t, s.counters.repeats.Load())
	require.Zero(t, s.setPath(4*megabit, false))
	s.writeVideo(picture(frame.VP8, 3, false))
	flush(s, now.Add(time.Second))
	require.Len(t, video.packets, 5)
	s.writeVideo(picture(frame.VP8, 4, true))
	flush(s, now.Add(time.Second))
	require.Len(t, video.packets, 10)
}

func TestSoundDropsTheOldest(t *testing.T) {
	t.Parallel()
	s, _, _, audio := newTestSender(t)
	s.writeAudio(frame.Audio{Data: []byte{99}}) // before the connection
	s.start()
	for n := range byte(maxAudioQueue + 3) {
		s.writeAudio(frame.Audio{Data: []byte{n}})
	}
	flush(s, time.Now())
	require.Len(t, audio.packets, maxAudioQueue)
	require.Equal(t, []byte{3}, audio.packets[0].Payload)
}

// A picture that is larger than a burst is spread, and sound passes it.
func TestSoundPassesALargePicture(t *testing.T) {
	t.Parallel()
	s, _, video, audio := newTestSender(t)
	s.start()
	now := time.Now()
	s.setPace(rate.Pace{Rate: megabit, Burst: 1000})
	s.writeVideo(picture(frame.VP8, 0, true))
	wait := flush(s, now)
	require.Len(t, video.packets, 1)
	require.Greater(t, wait, time.Millisecond, "the next one is due later")
	s.writeAudio(frame.Audio{Data: []byte{1}})
	require.Positive(t, flush(s, now))
	require.Len(t, audio.packets, 1)
	require.Len(t, video.packets, 1)
	for range 10 {
		now = now.Add(flush(s, now))
	}
	require.Len(t, video.packets, 5)
}

// Repeats go in front of pictures, and those of before the last key frame not at all.
func TestRepeats(t *testing.T) {
	t.Parallel()
	s, _, video, _ := newTestSender(t)
	s.start()
	now := time.Now()
	again := &wire{}
	next := interceptor.RTPWriterFunc(func(h *rtp.Header, b []byte, _ interceptor.Attributes) (int, error) { return again.WriteRTP(h, b) })
	s.writeVideo(picture(frame.VP8, 0, true))
	flush(s, now)
	old := video.packets[2]
	s.repeat(repeat{header: old.Header, payload: old.Payload, next: next})
	s.writeVideo(picture(frame.VP8, 1, false))
	out, _, ok := s.next(now)
	require.True(t, ok)
	require.True(t, out.says.repeat, "first of all")
	s.transmit(out)
	require.Equal(t, old.SequenceNumber, again.packets[0].SequenceNumber)
	flush(s, now.Add(time.Second))
	s.writeVideo(picture(frame.VP8, 2, true))
	flush(s, now.Add(2*time.Second))
	s.repeat(repeat{header: old.Header, payload: old.Payload, next: next})
	flush(s, now.Add(3*time.Second))
	require.Len(t, again.packets, 1)
	require.Equal(t, uint64(1), s.counters.repeats.Load())
}

// A client that asks for everything again and again gets what the path carries in a moment, and nothing that a key frame will replace.
func TestAFloodOfNACKs(t *testing.T) {
	t.Parallel()
	s, _, video, _ := newTestSender(t)
	s.start()
	s.setPath(megabit, false)
	s.writeVideo(picture(frame.VP8, 0, true))
	flush(s, time.Now())
	packet := video.packets[1]
	flood := func() {
		for range 1000 {
			s.repeat(repeat{header: packet.Header, payload: packet.Payload})
		}
	}
	flood()
	require.Positive(t, s.pacer.Bytes(pacer.Repeat))
	require.Less(t, s.pacer.Bytes(pacer.Repeat), s.within(repeatWait)+2*mtu)
	for n := 1; s.pictures.Len() > 0 || n == 1; n++ { // until they are too many
		s.writeVideo(picture(frame.VP8, n, false))
	}
	require.Zero(t, s.pacer.Bytes(pacer.Repeat), "those that wait are dropped")
	flood()
	require.Zero(t, s.pacer.Bytes(pacer.Repeat), "and no more taken before the key frame")
}

// Key frames are hours apart, and sequence numbers wrap every few minutes: repeats go on all the same.
func TestRepeatsLongAfterTheKeyFrame(t *testing.T) {
	t.Parallel()
	s, _, video, _ := newTestSender(t)
	s.start()
	now := time.Now()
	s.writeVideo(picture(frame.VP8, 0, true))
	flush(s, now)
	for n := range 1<<16/len(video.packets) + 100 {
		now = now.Add(time.Second)
		s.writeVideo(picture(frame.VP8, n+1, false))
		flush(s, now)
		s.repeated = 0 // the hours of this test are less than a second of the clock that the share of repeats goes by
		s.repeat(repeat{header: video.packets[len(video.packets)-1].Header})
		out, _, ok := s.next(now.Add(time.Second / 2))
		require.True(t, ok && out.says.repeat, "the packet %d is not sent again", len(video.packets))
	}
	require.Greater(t, len(video.packets), 1<<16)
}

// Where much is lost a repeat goes twice, and the copy says that it is one.
func TestRepeatsGoTwiceOnALossyPath(t *testing.T) {
	t.Parallel()
	s, _, video, _ := newTestSender(t)
	s.start()
	now := time.Now()
	s.writeVideo(picture(frame.VP8, 0, true))
	flush(s, now)
	loseOneInTen(t, s.path)
	require.Greater(t, s.path.state().Loss, doubleLoss)
	s.repeat(repeat{header: video.packets[2].Header, payload: video.packets[2].Payload})
	for _, isCopy := range []bool{false, true} {
		out, _, ok := s.next(now.Add(time.Second))
		require.True(t, ok)
		require.Equal(t, sending{repeat: true, isCopy: isCopy}, out.says)
		require.Equal(t, video.packets[2].SequenceNumber, out.packet.header.SequenceNumber)
	}
	require.Equal(t, uint64(2), s.counters.repeats.Load())
}

// loseOneInTen feeds an estimator two seconds of traffic of which a tenth is lost.
func loseOneInTen(t *testing.T, e *estimator) {
	t.Helper()
	now := time.Now()
	e.now = func() time.Time { return now }
	receiver := linktest.NewReceiver()
	for n := range uint16(2000) {
		now = now.Add(time.Millisecond)
		e.sent(n, 1200, true)
		at := time.Duration(n) * time.Millisecond
		if n%10 > 0 {
			receiver.Take(at, n)
		}
		for _, f := range receiver.Feedback(t, at) {
			require.NoError(t, e.feed(f))
		}
	}
}

// A probe on a still screen is padding: packets with numbers of the pictures' stream, the time of the last one and nothing in them.
func TestPaddingBetweenPictures(t *testing.T) {
	t.Parallel()
	s, _, video, _ := newTestSender(t)
	s.start()
	now := time.Now()
	s.probe(rate.Probe{ID: 4, Rate: 8 * megabit, Bytes: 4000, Packets: 5})
	require.Zero(t, flush(s, now), "before the first picture there is no stream")
	s.writeVideo(picture(frame.VP8, 0, true))
	for range 20 {
		now = now.Add(flush(s, now))
	}
	require.Len(t, video.packets, 5+(4000+padOnWire-1)/padOnWire)
	for i, packet := range video.packets {
		require.Equal(t, video.packets[0].SequenceNumber+uint16(i), packet.SequenceNumber)
		if i < 5 {
			continue
		}
		require.True(t, packet.Padding)
		require.False(t, packet.Marker)
		require.Equal(t, video.packets[0].Timestamp, packet.Timestamp)
		raw, err := packet.Header.Marshal()
		require.NoError(t, err)
		var read rtp.Packet
		require.NoError(t, read.Unmarshal(append(raw, packet.Payload...)))
		require.Empty(t, read.Payload)
	}
}

func TestStoppedSenderStaysStopped(t *testing.T) {
	t.Parallel()
	s, _, _, _ := newTestSender(t)
	s.stop()
	s.start() // a connection that came up while closing
	s.writeVideo(picture(frame.VP8, 0, true))
	require.Zero(t, s.pictures.Len())
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
		packets, err := s.video.packetizer().pack(picture(frame.VP8, n, n == 0).Data, 0, time.Time{})
		require.NoError(t, err)
		for _, p := range packets {
			require.NoError(t, s.video.packetizer().send(p))
		}
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
