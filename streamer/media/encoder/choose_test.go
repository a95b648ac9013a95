package encoder

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	const h264, vp8, vp9, av1 = frame.H264, frame.VP8, frame.VP9, frame.AV1
	software := []Working{{h264, false}, {h264, false}, {vp8, false}, {vp9, false}, {av1, false}}
	intel := append([]Working{{h264, true}, {vp9, true}}, software...)
	ada := append([]Working{{h264, true}, {av1, true}}, software...)
	type codecs = []frame.Codec
	for name, c := range map[string]struct {
		working             []Working
		preferred, disabled codecs
		want                codecs
	}{
		"software":                                   {software, nil, nil, codecs{h264, vp8, vp9, av1}},
		"hardware first":                             {intel, nil, nil, codecs{h264, vp9, vp8, av1}},
		"AV1 before H.264 in hardware":               {ada, nil, nil, codecs{av1, h264, vp8, vp9}},
		"the client's order counts first":            {ada, codecs{vp9, h264}, nil, codecs{vp9, h264, av1, vp8}},
		"what cannot be encoded is passed over":      {software[:3], codecs{av1, vp8}, nil, codecs{vp8, h264}},
		"disabled":                                   {ada, nil, codecs{av1}, codecs{h264, vp8, vp9}},
		"disabled counts more than preferred":        {ada, codecs{av1}, codecs{av1}, codecs{h264, vp8, vp9}},
		"all disabled":                               {software, nil, codecs{h264, vp8, vp9, av1}, codecs{}},
		"nothing works":                              {nil, codecs{h264}, nil, codecs{}},
		"a codec of another program's table is last": {append([]Working{{"H265", false}}, software...), nil, nil, codecs{h264, vp8, vp9, av1, "H265"}},
	} {
		require.Equal(t, c.want, Choose(c.working, c.preferred, c.disabled), name)
	}
}

func TestChooseKeepsItsPromises(t *testing.T) {
	t.Parallel()
	codec := rapid.SampledFrom([]frame.Codec{frame.H264, frame.VP8, frame.VP9, frame.AV1, "H265"})
	rapid.Check(t, func(t *rapid.T) {
		working := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Working {
			return Working{codec.Draw(t, "codec"), rapid.Bool().Draw(t, "hardware")}
		})).Draw(t, "working")
		before := slices.Clone(working)
		preferred, disabled := rapid.SliceOf(codec).Draw(t, "preferred"), rapid.SliceOf(codec).Draw(t, "disabled")
		got := Choose(working, preferred, disabled)
		require.Equal(t, before, working, "the caller's")
		seen := map[frame.Codec]int{}
		for i, c := range got {
			_, twice := seen[c]
			require.False(t, twice)
			seen[c] = i
		}
		hardware := func(c frame.Codec) bool { return slices.Contains(working, Working{c, true}) }
		for _, w := range working {
			_, there := seen[w.Codec]
			require.Equal(t, !slices.Contains(disabled, w.Codec), there, "all that works and is not disabled, and nothing else")
		}
		for i := 1; i < len(got); i++ {
			a, b := slices.Index(preferred, got[i-1]), slices.Index(preferred, got[i])
			require.False(t, b >= 0 && (a < 0 || a > b), "preferred: %v, got: %v", preferred, got)
			require.False(t, a < 0 && b < 0 && !hardware(got[i-1]) && hardware(got[i]), "software before hardware: %v", got)
		}
	})
}
