package peer

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pion/rtp/codecs"
	av1 "github.com/pion/rtp/codecs/av1/frame"
	"github.com/pion/rtp/codecs/av1/obu"
	"github.com/pion/webrtc/v3/pkg/media/ivfreader"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// A second of a moving ball, 320x240 at 30 fps, the first picture the only keyframe, made by
//
//	gst-launch-1.0 videotestsrc num-buffers=30 pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1,format=I420 !
//	  ENCODER ! multifilesink location=f%03d
//
// with vp9enc and av1enc, and put into IVF.
var (
	//go:embed testdata/ball-vp9.ivf
	ballVP9 []byte
	//go:embed testdata/ball-av1.ivf
	ballAV1 []byte
)

func pictures(t testing.TB, file []byte) (list [][]byte) {
	t.Helper()
	r, _, err := ivfreader.NewWith(bytes.NewReader(file))
	require.NoError(t, err)
	for {
		data, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		list = append(list, data)
	}
}

// unpack reads packets back with pion's depacketiser.
func unpack(t require.TestingT, payloads [][]byte) (obus [][]byte) {
	assembler := &av1.AV1{}
	for _, payload := range payloads {
		packet := &codecs.AV1Packet{}
		_, err := packet.Unmarshal(payload)
		require.NoError(t, err)
		got, err := assembler.ReadFrames(packet)
		require.NoError(t, err)
		obus = append(obus, got...)
	}
	return obus
}

// Whatever the units and the packets' size, the OBUs that are to be sent arrive whole and in order, in packets that are full.
func TestAV1Payloader(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mtu := rapid.IntRange(8, 1500).Draw(t, "mtu")
		unit, want := []byte{0x12, 0}, [][]byte(nil) // a temporal delimiter leads
		kinds := rapid.SliceOfN(rapid.SampledFrom([]byte{1, 3, 4, 5, 6, 8, 15}), 1, 6).Draw(t, "types")
		for _, kind := range kinds {
			body := rapid.SliceOfN(rapid.Byte(), 0, 4000).Draw(t, "body")
			header := []byte{kind << 3}
			if rapid.Bool().Draw(t, "extension") {
				header = []byte{kind<<3 | obuHasExtension, 0x20}
			}
			if kind != obuTileList && kind != obuPadding {
				want = append(want, append(slices.Clone(header), body...))
			}
			header[0] |= obuHasSize
			unit = append(append(append(unit, header...), obu.WriteToLeb128(uint(len(body)))...), body...)
		}
		payloads := av1Payloader{}.Payload(uint16(mtu), unit)
		for i, payload := range payloads {
			require.LessOrEqual(t, len(payload), mtu)
			if i < len(payloads)-1 {
				require.GreaterOrEqual(t, len(payload), mtu-elementRoom, "packets are full")
			}
		}
		require.Equal(t, want, unpack(t, payloads))
		if len(want) > 0 {
			require.Equal(t, obuType(want[0][0]) == obuSequenceHeader, payloads[0][0]&aggregationSequence != 0)
		}
	})
	for _, broken := range [][]byte{nil, {0x12}, {0x32, 0x80}, {0x32, 5, 1}, {0x36}} {
		require.Empty(t, av1Payloader{}.Payload(1200, broken))
	}
	require.Empty(t, av1Payloader{}.Payload(3, []byte{0x32, 1, 1}))
}

func FuzzAV1Payloader(f *testing.F) {
	for _, unit := range pictures(f, ballAV1)[:3] {
		f.Add(unit)
	}
	f.Add([]byte{0x12, 0, 0x0a, 2, 1, 2, 0x32, 1, 9})
	f.Fuzz(func(t *testing.T, unit []byte) {
		for _, payload := range (av1Payloader{}).Payload(100, unit) {
			if len(payload) < 2 || len(payload) > 100 {
				t.Fatalf("payload of %d bytes", len(payload))
			}
		}
	})
}

// Chromium decodes what an encoder made and we packetised.
func TestChromiumDecodesVP9AndAV1(t *testing.T) {
	t.Parallel()
	for codec, file := range map[frame.Codec][]byte{frame.VP9: ballVP9, frame.AV1: ballAV1} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			b, p, r := connectBrowser(t, func(cfg *Config) { cfg.Codecs = []frame.Codec{codec} })
			until(t, r.missing("codec "+string(codec)))
			ball, n := pictures(t, file), 0
			until(t, func() string {
				if n < len(ball) { // one at a time, as they come from an encoder
					p.WriteVideo(frame.Video{Data: ball[n], Keyframe: n == 0, PTS: time.Duration(n) * time.Second / 30, CapturedAt: time.Now()})
					n++
				}
				if decoded := call[int](t, b, "decoded"); decoded < len(ball)-1 { // Chromium waits for what follows the last
					return fmt.Sprintf("%d of %d pictures decoded by Chromium", decoded, len(ball))
				}
				return ""
			})
			call[chromedp.Void](t, b, "pc.close.bind(pc)")
		})
	}
}
