package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// redBlocks takes a payload of RED apart (RFC 2198, section 3).
func redBlocks(payload []byte, timestamp uint32, opus uint8) (blocks []soundBlock, err error) {
	var lengths []int
	rest := payload
	for {
		if len(rest) == 0 {
			return nil, fmt.Errorf("no block without a follower")
		}
		if rest[0]&0x7f != opus {
			return nil, fmt.Errorf("payload type %d in it", rest[0]&0x7f)
		}
		if rest[0]&0x80 == 0 {
			rest = rest[1:]
			break
		}
		if len(rest) < redBlockHeader {
			return nil, fmt.Errorf("cut header")
		}
		bits := binary.BigEndian.Uint32(rest) & 0xffffff
		blocks = append(blocks, soundBlock{timestamp: timestamp - bits>>10})
		lengths = append(lengths, int(bits&maxRedBlock))
		rest = rest[redBlockHeader:]
	}
	for i, n := range lengths {
		if n > len(rest) {
			return nil, fmt.Errorf("cut block")
		}
		blocks[i].data, rest = rest[:n], rest[n:]
	}
	return append(blocks, soundBlock{timestamp, rest}), nil
}

// Whatever is lost: as long as no more packets in a row are than each carries copies, the receiver has all of the sound.
func TestLostSoundIsRebuilt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const opus, red, room = 111, 63, 1200
		copies := rapid.IntRange(0, maxCopies).Draw(t, "copies")
		r := redundancy{payloadType: red, copies: copies}
		timestamp := rapid.Uint32().Draw(t, "first") // it wraps
		want, got := map[uint32][]byte{}, map[uint32][]byte{}
		lost, rebuilt := 0, true
		for range rapid.IntRange(1, 50).Draw(t, "packets") {
			data := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "sound")
			payload, pt := r.payload(opus, timestamp, data, room)
			require.LessOrEqual(t, len(payload), room)
			want[timestamp] = data
			if lost < copies && rapid.Bool().Draw(t, "lost") {
				lost++
			} else {
				lost = 0
				if pt == opus {
					got[timestamp] = payload
				} else {
					blocks, err := redBlocks(payload, timestamp, opus)
					require.NoError(t, err)
					for _, b := range blocks {
						got[b.timestamp] = b.data
					}
				}
			}
			timestamp += 480
		}
		if lost > 0 {
			return // the last ones have nobody behind them
		}
		for at, data := range want {
			rebuilt = rebuilt && bytes.Equal(got[at], data)
		}
		if !rebuilt || len(got) != len(want) {
			t.Fatalf("%d of %d packets of sound, or others", len(got), len(want))
		}
	})
}

// What does not fit, or is of another time, stays out; a client that does not know RED gets none.
func TestSoundWithoutCopies(t *testing.T) {
	t.Parallel()
	const opus, red = 111, 63
	long := bytes.Repeat([]byte{1}, 700)
	for what, c := range map[string]struct {
		r    redundancy
		step uint32
		data []byte
	}{
		"not negotiated":     {redundancy{copies: 2}, 480, []byte{1}},
		"not wanted":         {redundancy{payloadType: red}, 480, []byte{1}},
		"no room":            {redundancy{payloadType: red, copies: 2}, 480, long},
		"after a pause":      {redundancy{payloadType: red, copies: 2}, maxRedOffset + 1, []byte{1}},
		"of the same moment": {redundancy{payloadType: red, copies: 2}, 0, []byte{1}},
	} {
		for n := range uint32(4) {
			payload, pt := c.r.payload(opus, n*c.step, c.data, 1200)
			require.EqualValues(t, opus, pt, what)
			require.Equal(t, c.data, payload, what)
		}
	}
}

func TestCopiesFollowTheLoss(t *testing.T) {
	t.Parallel()
	var s soundLoss
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const wide, narrow = 10_000_000, 1_200_000
	decide := func(after time.Duration, loss float64, estimate, want int, why RedundancyCause, says ...any) {
		t.Helper()
		n, cause := s.copies(now.Add(after), loss, estimate)
		require.Equal(t, want, n, says...)
		require.Equal(t, why, cause, says...)
	}
	decide(0, 0, wide, 0, RedundancyCalm)
	decide(0, 0.004, wide, 0, RedundancyCalm)
	decide(0, 0.02, wide, 1, RedundancyLoss)
	decide(time.Second, 0.06, wide, 2, RedundancyLoss)
	decide(2*time.Second, 0, wide, 2, RedundancyLoss, "losses come in clusters")
	decide(3*time.Second, 0, narrow, 1, RedundancyNarrow)
	decide(4*time.Second, 0, narrow/2, 0, RedundancyNarrow)
	decide(5*time.Second, 0, wide, 2, RedundancyLoss)
	decide(7*time.Second, 0.02, wide, 1, RedundancyCalm)
	decide(13*time.Second, 0, wide, 0, RedundancyCalm)
}

// That sound begins to carry copies, and why, is told once; not of a client that does not take them.
func TestRedundancyIsADecision(t *testing.T) {
	t.Parallel()
	for _, takes := range []bool{true, false} {
		s, _, _, audio := newTestSender(t)
		var told []string
		s.redundancy = func(copies int, why RedundancyCause) { told = append(told, fmt.Sprintf("%d %s", copies, why)) }
		if takes {
			s.audio.packetizer().red.payloadType = redPayloadType
		}
		s.start()
		loseOneInTen(t, s.path)
		for n := range 10 {
			s.writeAudio(frame.Audio{Data: []byte{1}, PTS: time.Duration(n) * 10 * time.Millisecond})
			flush(s, time.Now())
		}
		require.Len(t, audio.packets, 10)
		if takes {
			require.Equal(t, []string{"2 loss"}, told)
			require.EqualValues(t, redPayloadType, audio.packets[9].PayloadType)
		} else {
			require.Empty(t, told)
		}
	}
}

// lossyConn loses packets of sound on their way out, as many of a hundred as it is told, once it is told to.
type lossyConn struct {
	net.PacketConn
	percent    atomic.Int32
	lost, sent atomic.Int32
	copies     atomic.Int32 // that carried copies
	mu         sync.Mutex
	random     *rand.Rand
}

func (l *lossyConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(b) > 12 && b[0]>>6 == 2 && (b[1]&0x7f == opusPayloadType || b[1]&0x7f == redPayloadType) {
		l.mu.Lock()
		lose := l.random.Int32N(100) < l.percent.Load()
		l.mu.Unlock()
		l.sent.Add(1)
		if b[1]&0x7f == redPayloadType {
			l.copies.Add(1)
		}
		if lose {
			l.lost.Add(1)
			return len(b), nil
		}
	}
	return l.PacketConn.WriteTo(b, to)
}

// A browser on a path that loses every tenth packet of sound conceals far less than was lost.
func TestChromiumRebuildsLostSound(t *testing.T) {
	t.Parallel()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	lossy := &lossyConn{PacketConn: socket, random: rand.New(rand.NewPCG(1, 2))} // the same losses in every run
	mux := ice.NewMultiUDPMuxDefault(ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: lossy}))
	network := &Network{config: NetworkConfig{Disconnected: defaultDisconnected, Failed: defaultFailed, Log: testLog()}, mux: mux}
	t.Cleanup(func() { require.NoError(t, network.Close()) })
	b, p, _ := connectBrowser(t, func(c *Config) { c.Network = network })

	sound := sendSilence(t, p)
	until(t, func() string {
		if heardSound(t, b).Samples == 0 {
			return "sound in Chromium"
		}
		return ""
	})
	lossy.percent.Store(10)
	until(t, func() string { // what was lost has been heard of
		if lossy.copies.Load() == 0 {
			return fmt.Sprintf("copies; %d of %d packets were lost", lossy.lost.Load(), lossy.sent.Load())
		}
		return ""
	})
	const enough, samples, each, calmEnough = 20, 480, 10 * time.Millisecond, 3 // lost packets, what is in one and how long, and windows that count
	for calm, end := 0, time.Now().Add(patience); ; {
		before, lostBefore, sentBefore, begun := heardSound(t, b), lossy.lost.Load(), lossy.sent.Load(), time.Now()
		until(t, func() string {
			if n := lossy.lost.Load() - lostBefore; n < enough {
				return fmt.Sprintf("%d of %d lost packets", n, enough)
			}
			return ""
		})
		lost, sent, took := lossy.lost.Load()-lostBefore, lossy.sent.Load()-sentBefore, time.Since(begun)
		concealed := (heardSound(t, b).Concealed - before.Concealed) / samples
		t.Logf("in %s %d packets sent, %d lost, %.1f concealed by the browser", took, sent, lost, concealed)
		if concealed < float64(lost)/3 {
			break
		}
		// A machine that does other things is late with sound, which is concealed as well: it shows in what it sends.
		if time.Duration(sent)*each > took*97/100 {
			calm++
		}
		require.Less(t, calm, calmEnough, "most of what was lost is heard to be missing")
		if time.Now().After(end) {
			t.Log("this machine is too busy to tell what the copies are good for")
			break
		}
	}
	sound()
	require.Zero(t, p.Stats().FeedbackDropped, "of a browser everything is heard")
}

// sendSilence sends a packet of sound each 10 ms until the returned function is called.
func sendSilence(t *testing.T, p *Peer) (stop func()) {
	t.Helper()
	var work sync.WaitGroup
	done := make(chan struct{})
	work.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for begun := time.Now(); ; {
			select {
			case <-done:
				return
			case now := <-tick.C:
				// CELT, full band, 10 ms, stereo: 30<<3|4 (RFC 6716, section 3.1), and nothing in it.
				p.WriteAudio(frame.Audio{Data: []byte{0xf4, 0xff, 0xfe}, CapturedAt: now, PTS: now.Sub(begun).Round(10 * time.Millisecond), Duration: 10 * time.Millisecond})
			}
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { close(done); work.Wait() }) }
	t.Cleanup(stop)
	return stop
}

type heard struct{ Samples, Concealed float64 }

func heardSound(t *testing.T, b browser) heard {
	t.Helper()
	return call[heard](t, b, "heard")
}
