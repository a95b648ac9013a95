package encoder

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

func all(string, string) bool  { return true }
func none(string, string) bool { return false }

// elements parses a description back into the elements and properties that GStreamer would see, and the caps between them.
func parse(description string) (stages []Stage) {
	for part := range strings.SplitSeq(description, " ! ") {
		words := strings.Fields(part)
		if strings.HasPrefix(words[0], "video/") {
			stages = append(stages, Stage{Caps: part})
			continue
		}
		s := Stage{Element: words[0]}
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, "=")
			s.Properties = append(s.Properties, Property{Name: name, Value: value})
		}
		stages = append(stages, s)
	}
	return stages
}

// Every row, at every rate and bitrate, must be what GStreamer documents: no GPU is needed to see a wrong name or value.
func TestEveryRowIsDocumented(t *testing.T) {
	t.Parallel()
	known := load(t)
	for _, r := range Table() {
		t.Run(r.Element, func(t *testing.T) {
			t.Parallel()
			optional := map[string]bool{}
			for _, s := range r.Chain {
				for _, p := range s.Properties {
					optional[s.Element+"."+p.Name] = p.Optional
				}
			}
			rapid.Check(t, func(t *rapid.T) {
				fps, kbps := rapid.IntRange(1, 240).Draw(t, "fps"), rapid.IntRange(1, 500_000).Draw(t, "kbps")
				stages := parse(r.Describe(fps, kbps, rapid.IntRange(1, 256).Draw(t, "cpus"), all))
				for i, s := range stages {
					if s.Caps != "" {
						require.NoError(t, known.between(stages, i))
						continue
					}
					_, err := known.element(s.Element)
					require.NoError(t, err)
					for _, p := range s.Properties {
						if p.Name != "name" {
							p.Optional = optional[s.Element+"."+p.Name]
							require.NoError(t, known.check(s.Element, p))
						}
					}
				}
				for _, p := range r.Bitrate(fps, kbps, all) {
					p.Optional = optional[r.Element+"."+p.Name]
					require.NoError(t, known.check(r.Element, p))
				}
			})
		})
	}
}

// What changes while playing must be flagged so, or the row says why it may be set all the same.
func TestTheBitrateChangesWhilePlaying(t *testing.T) {
	t.Parallel()
	known := load(t)
	for _, r := range Table() {
		e, err := known.element(r.Element)
		require.NoError(t, err)
		require.NotEqual(t, e.Properties[r.Rate.Property].Mutable, r.Rate.Unflagged != "", "%s: a reason where it is not flagged, and only there", r.Element)
		if r.Rate.Buffer != "" {
			require.True(t, e.Properties[r.Rate.Buffer].Mutable, r.Element)
		}
	}
}

// What each element's bitrate is in: as its documentation says, where it says it.
func TestUnitsOfTheBitrate(t *testing.T) {
	t.Parallel()
	got, known := map[string]string{}, load(t)
	for _, r := range Table() {
		e, err := known.element(r.Element)
		require.NoError(t, err)
		if unit, _, _ := strings.Cut(e.Properties[r.Rate.Property].Unit, ","); unit != "" {
			require.Equal(t, map[string]int{"kbit/s": 1000, "bit/s": 1}[unit], r.Rate.BitsPerUnit, r.Element)
		}
		set := r.Bitrate(50, 3000, all)
		got[r.Element] = set[0].Name + "=" + set[0].Value[strings.LastIndex(set[0].Value, "=")+1:]
		if len(set) > 1 {
			got[r.Element] += " " + set[1].Name + "=" + set[1].Value
		}
	}
	const (
		kbit   = "bitrate=3000"
		nvidia = kbit + " vbv-buffer-size=60"
		va     = kbit + " cpb-size=60"
	)
	require.Equal(t, map[string]string{
		"nvav1enc": nvidia, "nvh264enc": nvidia, "nvcudah264enc": nvidia, "vaav1enc": va, "vah264enc": va, "vah264lpenc": va,
		"qsvav1enc": kbit, "qsvh264enc": kbit, "qsvvp9enc": kbit, "v4l2h264enc": "extra-controls=3000000", "x264enc": kbit,
		"openh264enc": "bitrate=3000000", "vp8enc": "target-bitrate=3000000", "vp9enc": "target-bitrate=3000000", "av1enc": "target-bitrate=3000", "libaomenc": "target-bitrate=3000",
	}, got)
}

// The settings that make for low latency, under the names each element has for them.
func TestLowLatency(t *testing.T) {
	t.Parallel()
	required := map[string][]string{
		"nvcodec": {"zerolatency=true", "bframes=0", "rc-lookahead=0", "gop-size=-1", "vbv-buffer-size=33"},
		"va":      {"rate-control=cbr", "cpb-size=33", "key-int-max=1024"},
		"qsv":     {"rate-control=cbr", "low-latency=true"},
		"x264enc": {"tune=zerolatency", "bframes=0", "rc-lookahead=0", "sync-lookahead=0", "vbv-buf-capacity=34", "key-int-max=" + x264KeyintInfinite},
		"vp8enc":  {"deadline=1", "lag-in-frames=0", "keyframe-mode=disabled"}, "vp9enc": {"deadline=1", "lag-in-frames=0", "keyframe-mode=disabled"},
		"av1enc": {"usage-profile=realtime", "lag-in-frames=0", "keyframe-mode=disabled"}, "openh264enc": {"gop-size=0", "scene-change-detection=false"},
		"v4l2h264enc": {"extra-controls=controls,repeat_sequence_header=1,video_bitrate_mode=1,video_b_frames=0,h264_i_frame_period=2147483647,video_bitrate=1000000"},
		"vah264enc":   {"b-frames=0", "ref-frames=1"}, "vah264lpenc": {"b-frames=0", "ref-frames=1"}, "qsvh264enc": {"b-frames=0"}, "vaav1enc": {"hierarchical-level=1"},
		"nvh264enc": {"tune=ultra-low-latency", "rc-mode=cbr", "repeat-sequence-header=true"}, "nvav1enc": {"tune=ultra-low-latency", "rc-mode=cbr"},
		"nvcudah264enc": {"rc-mode=cbr-ld-hq", "repeat-sequence-header=true"}, "qsvav1enc": {}, "qsvvp9enc": {}, "libaomenc": {}, // it has no other
	}
	known := load(t)
	for _, r := range Table() {
		e, err := known.element(r.Element)
		require.NoError(t, err)
		words := strings.Fields(r.Describe(30, 1000, 4, all))
		require.Contains(t, required, r.Element)
		for _, setting := range slices.Concat(required[e.Plugin], required[r.Element]) {
			require.Contains(t, words, setting, r.Element)
		}
		if r.Codec == frame.H264 {
			require.Contains(t, words, "config-interval=-1", "%s: SPS and PPS with each keyframe", r.Element)
		}
	}
}

// Pictures that are in a GPU's memory stay there until they are encoded.
func TestPicturesStayInTheGPU(t *testing.T) {
	t.Parallel()
	memory := map[Vendor]string{NVIDIA: "memory:CUDAMemory", VA: "memory:VAMemory", QSV: "memory:VAMemory"}
	for _, r := range Table() {
		if want := memory[r.Vendor]; want != "" {
			at := slices.IndexFunc(r.Chain, func(s Stage) bool { return s.Element == r.Element })
			require.Contains(t, r.Chain[at-1].Caps, want, r.Element)
		}
	}
}

func TestTheOrderOfTheTable(t *testing.T) {
	t.Parallel()
	vendors := []Vendor{NVIDIA, VA, QSV, V4L2, CPU}
	last, names := map[frame.Codec]int{}, map[string]bool{}
	for _, r := range Table() {
		v := slices.Index(vendors, r.Vendor)
		require.GreaterOrEqual(t, v, last[r.Codec], "%s ranks after a vendor that comes later", r.Element)
		last[r.Codec] = v
		require.False(t, names[r.Element], "two rows of one name: %s", r.Element)
		names[r.Element] = true
		require.NotEmpty(t, r.Package)
	}
	require.Equal(t, map[frame.Codec]int{frame.H264: 4, frame.VP8: 4, frame.VP9: 4, frame.AV1: 4}, last, "every codec works without a GPU")
}

func TestOptionalPropertiesAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, r := range Table() {
		with, without := r.Describe(30, 1000, 2, all), r.Describe(30, 1000, 2, none)
		require.NotRegexp(t, regexp.MustCompile(`[{}]`), with)
		optional := 0
		for _, s := range r.Chain {
			for _, p := range s.Properties {
				if p.Optional {
					optional++
					require.NotContains(t, without, p.Name+"=", r.Element)
				}
			}
		}
		require.Len(t, strings.Fields(with), len(strings.Fields(without))+optional)
		require.Equal(t, 1, strings.Count(with, "name=encoder"))
		require.Len(t, r.Bitrate(30, 1000, none), 1)
		require.Contains(t, r.Elements(), r.Element)
	}
}

// between checks that what stands before and after the caps at i can carry them.
func (d documented) between(stages []Stage, i int) error {
	for _, at := range []int{i - 1, i + 1} {
		if at >= len(stages) {
			continue // the sink takes all
		}
		e, err := d.element(stages[at].Element)
		if err != nil {
			return err
		}
		pad := e.Src
		if at > i {
			pad = e.Sink
		}
		if !carries(pad, stages[i].Caps) {
			return &cannotCarry{stages[at].Element, stages[i].Caps}
		}
	}
	return nil
}

type cannotCarry struct{ element, caps string }

func (e *cannotCarry) Error() string { return e.element + " cannot carry " + e.caps }

// The check itself must see each kind of fault.
func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	known := load(t)
	for _, c := range []struct{ element, name, value, says string }{
		{"nvh265", "bitrate", "1", "no element"},
		{"nvh264enc", "bitrat", "1", "no property"},
		{"nvh264enc", "bitrate", "2048001", "not between"},
		{"nvh264enc", "bitrate", "fast", "no integer"},
		{"nvh264enc", "aud", "1", "no boolean"},
		{"nvh264enc", "preset", "p8", "none of"},
		{"nvh264enc", "bframes", "0", "make it optional"},
		{"nvh264enc", "cuda-device-id", "0", "cannot be set"},
		{"nvcudah264enc", "tune", "ultra-low-latency", "no property"},
		{"nvcudah264enc", "preset", "p4", "none of"},
		{"v4l2h264enc", "extra-controls", "controls", "no structure"},
	} {
		require.ErrorContains(t, known.check(c.element, Property{Name: c.name, Value: c.value}), c.says)
	}
	require.Error(t, known.between(parse("cudaconvert ! video/x-raw(memory:VAMemory),format=NV12 ! vah264enc"), 1))
	require.Error(t, known.between(parse("vapostproc ! video/x-raw(memory:VAMemory),format=I420 ! vah264enc"), 1))
	require.NoError(t, known.between(parse("vapostproc ! video/x-raw(memory:VAMemory),format=NV12 ! vah264enc"), 1))
}
