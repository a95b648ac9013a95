package rtclog

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/peer"
	"streamstack/streamer/rate"
)

var quiet = slog.New(slog.DiscardHandler)

// read are the lines of a file.
func read(t *testing.T, path string) (lines []map[string]any) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		var l map[string]any
		require.NoError(t, json.Unmarshal(scan.Bytes(), &l), scan.Text())
		lines = append(lines, l)
	}
	require.NoError(t, scan.Err())
	return lines
}

// What passes while the log is on is in it, in order, and nothing from before or after.
func TestLog(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "traces")
	l := New(folder, quiet)
	p := l.Peer("0192f1c2-5d3e")
	say := func(seq uint16) { p.Sent(&rtp.Header{SSRC: 7, SequenceNumber: seq, Marker: true}, 100, seq == 3) }
	say(1)
	require.False(t, l.On())
	require.NoDirExists(t, folder, "nothing is made before it is asked for")
	require.NoError(t, l.Set(true))
	require.NoError(t, l.Set(true))
	require.True(t, l.On())
	say(2)
	say(3)
	p.Feedback([]rtcp.Packet{
		&rtcp.TransportLayerNack{MediaSSRC: 7, Nacks: []rtcp.NackPair{{PacketID: 5, LostPackets: 1}}}, &rtcp.PictureLossIndication{MediaSSRC: 7},
		&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 7, SequenceNumber: 9}}}, &rtcp.TransportLayerCC{MediaSSRC: 7, BaseSequenceNumber: 4, PacketStatusCount: 3},
		&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 7, FractionLost: 64}}}, &rtcp.SourceDescription{},
	})
	p.Estimated(rate.State{Estimate: 1000, Cause: rate.CauseStart})
	p.Estimated(rate.State{Estimate: 1001, Cause: rate.CauseStart}) // much the same, and soon
	p.Estimated(rate.State{Estimate: 900, Cause: rate.CauseDelay})
	p.Decided(peer.Decision{At: time.Now(), Kind: peer.DecidedTarget, Target: peer.Target{Bitrate: 800, FPS: 30}})
	require.NoError(t, l.Set(false))
	say(4)
	lines := read(t, filepath.Join(folder, "rtc_log.1.ndjson"))
	var words []string
	for _, l := range lines {
		for _, kind := range []string{"start", "rtp", "rtcp", "estimate", "decision"} {
			if what, ok := l[kind].(map[string]any); ok {
				words = append(words, fmt.Sprintf("%s %v%v%v", kind, what["seq"], what["kind"], what["bps"]))
			}
		}
	}
	require.Equal(t, []string{
		"start <nil><nil><nil>", "rtp 2<nil><nil>", "rtp 3<nil><nil>", "rtcp <nil>nack<nil>", "rtcp <nil>pli<nil>", "rtcp <nil>fir<nil>", "rtcp <nil>twcc<nil>",
		"rtcp <nil>rr<nil>", "estimate <nil><nil>1000", "estimate <nil><nil>900", "decision <nil>target800",
	}, words)
	require.Equal(t, "0192f1c2", lines[1]["peer"])
	require.Equal(t, map[string]any{"ssrc": 7., "seq": 3., "ts": 0., "pt": 0., "payload": 100., "marker": true, "again": true}, lines[2]["rtp"])
	require.Subset(t, lines[3]["rtcp"], map[string]any{"seqs": []any{5., 6.}})
	info, err := os.Stat(filepath.Join(folder, "rtc_log.1.ndjson"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, l.Set(true))
	l.Close()
	l.Close()
	require.Error(t, l.Set(true), "it is the end")
	require.FileExists(t, filepath.Join(folder, "rtc_log.2.ndjson"))
	require.ErrorContains(t, New("", quiet).Set(true), "--traces")
	require.Error(t, New("/dev/null/x", quiet).Set(true))
}

// The files never take more than their bound; the oldest goes.
func TestFilesAreBounded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, foreign := range []string{"rtc_log.x.ndjson", "rtc_log.007.ndjson", "notes"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, foreign), []byte("mine"), 0o600))
	}
	const most = 2000
	f, err := open(folder, most)
	require.NoError(t, err)
	text := make([]byte, 99)
	for range 400 {
		_, err := f.room()
		require.NoError(t, err)
		require.NoError(t, f.append(append(text[:98:98], '\n')))
		require.LessOrEqual(t, len(f.numbers()), MaxFiles)
	}
	require.NoError(t, f.close())
	numbers := f.numbers()
	require.Len(t, numbers, MaxFiles)
	require.Greater(t, numbers[0], 10)
	for _, n := range numbers {
		info, err := os.Stat(f.path(n))
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(most+len(text)))
	}
	for _, foreign := range []string{"rtc_log.x.ndjson", "rtc_log.007.ndjson", "notes"} {
		require.FileExists(t, filepath.Join(folder, foreign))
	}
	// A link that somebody has laid where the next file will be is not followed.
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	require.NoError(t, os.Symlink(victim, f.path(numbers[MaxFiles-1]+1)))
	if again, err := open(folder, most); err == nil {
		require.NoError(t, again.close())
	}
	kept, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(kept))
}

// What the disk does not take in time is counted, and nobody waits.
func TestOmissionsAreCounted(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	f, err := open(folder, MaxFile)
	require.NoError(t, err)
	r := &run{file: f, log: quiet, told: New("", quiet).told, lines: make(chan line, 2), stop: make(chan struct{})}
	for range 5 {
		r.put(line{at: time.Now(), RTP: &rtpLine{}})
	}
	r.work.Go(r.write)
	r.end()
	lines := read(t, filepath.Join(folder, "rtc_log.1.ndjson"))
	require.Len(t, lines, 4)
	require.InDelta(t, 3, lines[1]["omitted"], 0)
}

// It may be switched while packets pass.
func TestSwitchedUnderLoad(t *testing.T) {
	t.Parallel()
	l := New(t.TempDir(), quiet)
	stop := make(chan struct{})
	var work sync.WaitGroup
	for n := range 4 {
		p := l.Peer(fmt.Sprint(n))
		work.Go(func() {
			for seq := uint16(0); ; seq++ {
				select {
				case <-stop:
					return
				default:
					p.Sent(&rtp.Header{SequenceNumber: seq}, 1, false)
					p.Estimated(rate.State{Estimate: int(seq)})
				}
			}
		})
	}
	for n := range 20 {
		require.NoError(t, l.Set(n%2 == 0))
	}
	close(stop)
	work.Wait()
	l.Close()
}

// A name that somebody has laid there neither ends the numbers nor the bound of how many files there are.
func TestTheLastNumber(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("rtc_log.%d.ndjson", math.MaxInt)), nil, 0o600))
	f, err := open(folder, 100)
	require.NoError(t, err)
	for range 200 {
		_, err := f.room()
		require.NoError(t, err)
		require.NoError(t, f.append(make([]byte, 50)))
	}
	require.NoError(t, f.close())
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.LessOrEqual(t, len(entries), MaxFiles+1)
}

// A disk that is full for a while costs the lines of that while, which are counted, and no more than one warning.
func TestAFullDiskIsLeftBehind(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	f, err := open(folder, MaxFile)
	require.NoError(t, err)
	require.NoError(t, f.close())
	f.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0) // where every write fails for want of room
	require.NoError(t, err)
	f.out = bufio.NewWriterSize(f.file, bufferSize)
	var output eventstest.Output
	r := &run{file: f, log: slog.New(slog.NewTextHandler(&output, nil)), told: New("", quiet).told, retry: time.Hour, lines: make(chan line, 4), stop: make(chan struct{})}
	say := func() { r.take(line{at: time.Now(), RTP: &rtpLine{}}) }
	say()
	say()
	r.settle(f.flush())
	require.Nil(t, f.file)
	say() // which is too soon
	require.EqualValues(t, 3, r.omitted.Load())
	r.retry = 0
	say()
	r.settle(f.flush())
	say()
	r.settle(f.close())
	require.Equal(t, 1, strings.Count(output.String(), "not written"), output.String())
	lines := read(t, filepath.Join(folder, "rtc_log.2.ndjson"))
	require.Len(t, lines, 4)
	require.InDelta(t, 3, lines[1]["omitted"], 0)
	require.Contains(t, lines[2], "rtp")
}

// Who switches it all the time fills no log.
func TestSwitchingIsNotToldEachTime(t *testing.T) {
	t.Parallel()
	var output eventstest.Output
	l := New(t.TempDir(), slog.New(slog.NewTextHandler(&output, nil)))
	for range 100 {
		require.NoError(t, l.Set(true))
		require.NoError(t, l.Set(false))
	}
	require.Less(t, strings.Count(output.String(), "is written"), 20)
	require.Contains(t, output.String(), "is written")
}
