package peer

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// everything asks for as much again as fits into a packet: 6,000 numbers from first on.
func everything(t require.TestingT, ssrc uint32, first uint16) []byte {
	nack := &rtcp.TransportLayerNack{MediaSSRC: ssrc}
	for n := range uint16(250) {
		nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: first + 17*n, LostPackets: 0xffff})
	}
	raw, err := nack.Marshal()
	require.NoError(t, err)
	return raw
}

// flood reads a packet again and again through a limit, pause apart on a clock of its own, for ten seconds, and returns how many passed.
func flood(packet []byte, pause time.Duration) (passed, dropped int) {
	now := time.Unix(1_700_000_000, 0)
	end := now.Add(10 * time.Second)
	var count atomic.Uint64
	limit := newFeedbackLimit(func() time.Time { return now }, &count)
	reader := limit.BindRTCPReader(interceptor.RTCPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		if now = now.Add(pause); now.After(end) {
			return 0, nil, io.EOF
		}
		return copy(b, packet), a, nil
	}))
	buffer := make([]byte, 1500)
	for {
		if _, _, err := reader.Read(buffer, nil); err != nil {
			return passed, int(count.Load())
		}
		passed++
	}
}

// Of whatever a client sends at the rate of a line, so much is looked into; of what browsers send, everything.
func TestFeedbackIsBounded(t *testing.T) {
	t.Parallel()
	marshal := func(packets ...rtcp.Packet) []byte {
		raw, err := rtcp.Marshal(packets)
		require.NoError(t, err)
		return raw
	}
	const seconds = 10
	nack := everything(t, 7, 0)
	require.Equal(t, 250*17, requested(nack))
	passed, dropped := flood(nack, 20*time.Microsecond) // 400 Mbit/s
	require.LessOrEqual(t, passed*requested(nack), requestRate*(seconds+1))
	t.Logf("%d NACKs of %d packets each: %d passed, %d dropped", passed+dropped, requested(nack), passed, dropped)
	pli := marshal(&rtcp.PictureLossIndication{MediaSSRC: 7})
	passed, dropped = flood(pli, 5*time.Microsecond)
	require.LessOrEqual(t, passed*(len(pli)+feedbackCost), feedbackRate*(seconds+1))
	t.Logf("%d PLIs: %d passed", passed+dropped, passed)
	fir := marshal(&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 7}}})
	passed, _ = flood(fir, 5*time.Microsecond)
	require.LessOrEqual(t, passed*(len(fir)+feedbackCost), feedbackRate*(seconds+1))
	large := make([]byte, 1400) // such as transport-wide feedback; the limit does not look into it
	large[0], large[1] = 0x8f, rtpFeedback
	passed, dropped = flood(large, 20*time.Microsecond)
	require.LessOrEqual(t, passed*(len(large)+feedbackCost), feedbackRate*(seconds+1))
	t.Logf("%d large ones: %d passed", passed+dropped, passed)

	gaps := marshal(&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 7}}},
		&rtcp.TransportLayerNack{MediaSSRC: 7, Nacks: []rtcp.NackPair{{PacketID: 1, LostPackets: 7}}})
	_, dropped = flood(gaps, 2*time.Millisecond) // 500 gaps a second
	require.Zero(t, dropped)
	_, dropped = flood(large, 20*time.Millisecond)
	require.Zero(t, dropped)
}

// The limit counts what pion reads, and stands every input.
func TestRequestedIsWhatPionReads(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := 0
		var packets []rtcp.Packet
		for range rapid.IntRange(1, 5).Draw(t, "packets") {
			if rapid.Bool().Draw(t, "other") {
				packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: 1})
				continue
			}
			nack := &rtcp.TransportLayerNack{}
			for range rapid.IntRange(1, 9).Draw(t, "pairs") {
				pair := rtcp.NackPair{PacketID: rapid.Uint16().Draw(t, "id"), LostPackets: rtcp.PacketBitmap(rapid.Uint16().Draw(t, "lost"))}
				nack.Nacks = append(nack.Nacks, pair)
				want += len(pair.PacketList())
			}
			packets = append(packets, nack)
		}
		raw, err := rtcp.Marshal(packets)
		require.NoError(t, err)
		require.Equal(t, want, requested(raw))
	})
}

func FuzzRequested(f *testing.F) {
	f.Add(everything(f, 7, 0))
	f.Add([]byte{0x81, 205, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if n := requested(packet); n < 0 || n > 17*len(packet)/4 {
			t.Fatalf("%d packets asked for in %d bytes", n, len(packet))
		}
	})
}

// One packet is sent again ten times at most, and not at once.
func TestAPacketIsSentAgainTenTimes(t *testing.T) {
	t.Parallel()
	var r resends
	now := time.Unix(1_700_000_000, 0)
	times := 0
	for range 1000 { // each millisecond
		if r.again(now, 5) {
			times++
		}
		now = now.Add(time.Millisecond)
	}
	require.Equal(t, resendsMost, times)
	require.True(t, r.again(now, 6))
	require.False(t, r.again(now, 6))
	r.sent(5 + nackBuffer)
	require.True(t, r.again(now, 5+nackBuffer), "another packet")
}

// Repeats have their share of the path: the rest is for what is new, whatever is asked for.
func TestRepeatsHaveAShare(t *testing.T) {
	t.Parallel()
	s, _, video, _ := newTestSender(t)
	s.start()
	now := time.Now()
	s.writeVideo(picture(frame.VP8, 0, true))
	flush(s, now)
	s.setPath(megabit, false)
	size := video.packets[1].Header.MarshalSize() + len(video.packets[1].Payload)
	sent := 0
	const seconds = 20
	for n := range seconds * 1000 {
		if s.affords(now.Add(time.Duration(n)*time.Millisecond), size) {
			sent += size
		}
	}
	require.LessOrEqual(t, float64(sent), repeatShare*seconds*megabit/8+float64(s.within(repeatWait)+size))
	require.Greater(t, float64(sent), 0.9*repeatShare*seconds*megabit/8)
}

// A client that asks for everything, as fast as it can, is answered so much, and its next honest request is heard.
func TestAFloodOfFeedback(t *testing.T) {
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
	seen := c.packets(true)[0]
	nack := &rtcp.TransportLayerNack{MediaSSRC: seen.SSRC}
	for n := range uint16(200) {
		nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: seen.SequenceNumber + 17*n, LostPackets: 0xffff})
	}
	begun := time.Now()
	until(t, func() string {
		for range 100 {
			require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{nack, &rtcp.PictureLossIndication{MediaSSRC: seen.SSRC}}))
		}
		if dropped := p.Stats().FeedbackDropped; dropped < 1000 {
			return fmt.Sprintf("%d packets dropped", dropped)
		}
		return ""
	})
	stats := p.Stats()
	require.LessOrEqual(t, float64(stats.NACKs), requestRate*(time.Since(begun).Seconds()+1))
	t.Logf("%.1f s: %d dropped, %d packets asked for in the rest, %d sent again", time.Since(begun).Seconds(), stats.FeedbackDropped, stats.NACKs, stats.Repeats)
	until(t, func() string {
		require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{&rtcp.FullIntraRequest{MediaSSRC: seen.SSRC, FIR: []rtcp.FIREntry{{SSRC: seen.SSRC}}}}))
		if p.Stats().FIRs == 0 {
			return "the honest request"
		}
		return ""
	})
}

// BenchmarkFloodOfNACKs is what one request for 4,250 packets costs, within the limit's bound and beyond.
func BenchmarkFloodOfNACKs(b *testing.B) {
	for name, limited := range map[string]bool{"limited": true, "unlimited": false} {
		b.Run(name, func(b *testing.B) {
			cfg := &Config{Log: testLog(), MinBitrate: megabit, StartBitrate: megabit, MaxBitrate: megabit}
			path, err := newEstimator(cfg)
			require.NoError(b, err)
			limit := newFeedbackLimit(time.Now, &atomic.Uint64{})
			if !limited {
				limit.bytes.rate, limit.requests.rate = 1e18, 1e18
			}
			registry := &interceptor.Registry{}
			require.NoError(b, registerInterceptors(&webrtc.MediaEngine{}, registry, cfg, limit, path, &repeats{take: func(repeat) {}}, &outlet{}))
			chain, err := registry.Build("")
			require.NoError(b, err)
			writer := chain.BindLocalStream(&interceptor.StreamInfo{SSRC: 7, RTCPFeedback: []interceptor.RTCPFeedback{{Type: "nack"}}},
				interceptor.RTPWriterFunc(func(*rtp.Header, []byte, interceptor.Attributes) (int, error) { return 0, nil }))
			for n := range uint16(nackBuffer) {
				_, err := writer.Write(&rtp.Header{SSRC: 7, SequenceNumber: n}, make([]byte, 1200), interceptor.Attributes{})
				require.NoError(b, err)
			}
			packet := everything(b, 7, 0)
			n := 0
			reader := chain.BindRTCPReader(interceptor.RTCPReaderFunc(func(buffer []byte, _ interceptor.Attributes) (int, interceptor.Attributes, error) {
				if n++; n > b.N {
					return 0, nil, io.EOF
				}
				return copy(buffer, packet), interceptor.Attributes{}, nil
			}))
			buffer := make([]byte, 1500)
			for err = nil; err == nil; {
				_, _, err = reader.Read(buffer, interceptor.Attributes{})
			}
			require.NoError(b, chain.Close())
		})
	}
}

// runs is feedback that says in a few bytes that 65535 packets came, and has no times for them.
func runs() []byte {
	raw := make([]byte, 20, 40)
	raw[0], raw[1] = rtcpVersion2<<6|transportWide, rtpFeedback
	binary.BigEndian.PutUint16(raw[transportWideCount:], 0xffff)
	for range 9 {
		raw = append(raw, 0x3f, 0xff) // 8191 of small deltas
	}
	raw = append(raw, 0, 0)
	binary.BigEndian.PutUint16(raw[2:], uint16(len(raw)/rtcpHeader-1))
	return raw
}

// What is read into so many allocations does not pass, alone or behind something else; what can be true does.
func TestInflatedFeedbackIsDropped(t *testing.T) {
	t.Parallel()
	limit := newFeedbackLimit(time.Now, &atomic.Uint64{})
	require.False(t, limit.lets(runs()))
	pli, err := (&rtcp.PictureLossIndication{MediaSSRC: 7}).Marshal()
	require.NoError(t, err)
	require.False(t, limit.lets(append(pli, runs()...)))
	rapid.Check(t, func(t *rapid.T) {
		f := rtcp.TransportLayerCC{Header: rtcp.Header{Count: rtcp.FormatTCC, Type: rtcp.TypeTransportSpecificFeedback}}
		for range rapid.IntRange(1, 5).Draw(t, "runs") {
			run := uint16(rapid.IntRange(1, 100).Draw(t, "run"))
			symbol := rapid.SampledFrom([]uint16{rtcp.TypeTCCPacketNotReceived, rtcp.TypeTCCPacketReceivedSmallDelta, rtcp.TypeTCCPacketReceivedLargeDelta}).Draw(t, "symbol")
			f.PacketChunks = append(f.PacketChunks, &rtcp.RunLengthChunk{PacketStatusSymbol: symbol, RunLength: run})
			f.PacketStatusCount += run
			for range run {
				if symbol != rtcp.TypeTCCPacketNotReceived {
					f.RecvDeltas = append(f.RecvDeltas, &rtcp.RecvDelta{Type: symbol})
				}
			}
		}
		f.Header.Length = uint16(f.MarshalSize()/rtcpHeader - 1)
		f.Header.Padding = f.MarshalSize() != 20+2*len(f.PacketChunks)+deltas(f.RecvDeltas)
		raw, err := f.Marshal()
		require.NoError(t, err)
		require.False(t, inflated(raw))
	})
}

// deltas is how many bytes the times take.
func deltas(list []*rtcp.RecvDelta) (n int) {
	for _, d := range list {
		n += int(d.Type) // one for a small one, two for a large one
	}
	return n
}

// What goes on behind the count of packets that it claims is not read again and again; pion/rtcp 1.2.14 did, a third of a second for one.
func TestFeedbackIsReadOnce(t *testing.T) {
	t.Parallel()
	raw := runs()[:firstOfChunk]
	for at := 0; len(raw) < 1400; at = at + 14 - 1<<16 {
		for range 7 {
			raw, at = binary.BigEndian.AppendUint16(raw, 1<<13|8191), at+8191
		}
		raw, at = binary.BigEndian.AppendUint16(raw, 1<<13|uint16(min(8191, 0xfffe-at))), min(at+8191, 0xfffe)
		if at < 0xfff8 {
			t.Fatal("not at the end")
		}
		raw = binary.BigEndian.AppendUint16(raw, 1<<15) // 14 of one bit
	}
	raw = append(raw, make([]byte, 4-len(raw)%4)...)
	binary.BigEndian.PutUint16(raw[2:], uint16(len(raw)/rtcpHeader-1))
	var feedback rtcp.TransportLayerCC
	begun := time.Now()
	require.Error(t, feedback.Unmarshal(raw))
	t.Logf("%d bytes: %d packets read in %s", len(raw), len(feedback.RecvDeltas), time.Since(begun))
	require.LessOrEqual(t, len(feedback.RecvDeltas), 0xffff)
	require.True(t, inflated(raw))
}

func BenchmarkInflatedFeedback(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = rtcp.Unmarshal(runs())
	}
}
