package bitrate_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/bitrate"
)

// The examples are those of streamer-config.md, section 3.
func TestSelectFromTheDefaultTable(t *testing.T) {
	for name, c := range map[string]struct {
		width, height, fps int
		minKbps, maxKbps   int
	}{
		"720p60 exactly":               {1280, 720, 60, 2500, 5000},
		"portrait, nearest rate is 30": {720, 1280, 25, 1000, 3000},
		"odd width, one step larger":   {1281, 720, 60, 3000, 7000},
		"tie goes to the higher rate":  {800, 600, 45, 2500, 5000},
		"larger than every limit":      {3840, 2160, 30, 3000, 6000},
	} {
		t.Run(name, func(t *testing.T) {
			got := bitrate.Table{}.Select(c.width, c.height, c.fps)
			require.Equal(t, [2]int{c.minKbps, c.maxKbps}, [2]int{got.MinKbps, got.MaxKbps})
		})
	}
}

func TestGivenLimitsReplaceTheDefaultTable(t *testing.T) {
	const file = `[
		{"num_pixels": 921600, "fps": 30, "min_kbps": 800, "max_kbps": 2500},
		{"num_pixels": 921600, "fps": 60, "min_kbps": 1500, "max_kbps": 4500},
		{"num_pixels": 2073600, "fps": 60, "min_kbps": 3000, "max_kbps": 9000}]`
	var limits []bitrate.Limit
	require.NoError(t, json.Unmarshal([]byte(file), &limits))
	table := bitrate.NewTable(slog.New(slog.DiscardHandler), limits)

	require.Equal(t, limits[0], table.Select(1280, 720, 30))
	require.Equal(t, limits[1], table.Select(1280, 720, 59))
	require.Equal(t, limits[2], table.Select(1920, 1080, 30), "the default row for 1080p30 must not be mixed in")
}

func TestInvalidLimitsAreIgnoredAndLogged(t *testing.T) {
	var log bytes.Buffer
	good := bitrate.Limit{NumPixels: 10, FPS: 10, MinKbps: 5}
	table := bitrate.NewTable(slog.New(slog.NewTextHandler(&log, nil)), []bitrate.Limit{
		{NumPixels: 1 << 30, FPS: 60, MinKbps: 2, MaxKbps: 1},
		{NumPixels: -1, FPS: 60, MinKbps: 1, MaxKbps: 2},
		good,
	})
	require.Equal(t, good, table.Select(1280, 720, 60))
	require.Contains(t, log.String(), "index=0")
	require.Contains(t, log.String(), "index=1")

	onlyBad := bitrate.NewTable(slog.New(slog.DiscardHandler), []bitrate.Limit{{MinKbps: 2, MaxKbps: 1}})
	require.Equal(t, bitrate.Table{}.Select(1280, 720, 60), onlyBad.Select(1280, 720, 60), "no valid limit: the defaults")
	require.ErrorIs(t, bitrate.Limit{MinKbps: 2, MaxKbps: 1}.Validate(), bitrate.ErrInvalid)
}

func TestClamp(t *testing.T) {
	limit := bitrate.Limit{MinKbps: 1000, MaxKbps: 3000}
	require.Equal(t, []int{1000, 2000, 3000}, []int{limit.Clamp(1), limit.Clamp(2000), limit.Clamp(9999)})
	require.Equal(t, 99999, bitrate.Limit{MinKbps: 1000}.Clamp(99999), "max_kbps 0 is no upper bound")
}

// TestSelectFollowsTheRules compares with the rules of the specification, written down as they stand there.
func TestSelectFollowsTheRules(t *testing.T) {
	limit := rapid.Custom(func(t *rapid.T) bitrate.Limit {
		low := rapid.IntRange(0, 9000).Draw(t, "min")
		return bitrate.Limit{
			NumPixels: rapid.SampledFrom([]int{0, 400, 480000, 921600, 923040, 2073600, 8294400}).Draw(t, "pixels"),
			FPS:       rapid.IntRange(0, 120).Draw(t, "fps"),
			MinKbps:   low,
			MaxKbps:   rapid.SampledFrom([]int{0, low, low + 1000}).Draw(t, "max"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		limits := rapid.SliceOfN(limit, 1, 8).Draw(t, "limits")
		width := rapid.IntRange(1, 3840).Draw(t, "width")
		height := rapid.IntRange(1, 2160).Draw(t, "height")
		fps := rapid.IntRange(1, 120).Draw(t, "rate")
		got := bitrate.NewTable(slog.New(slog.DiscardHandler), limits).Select(width, height, fps)

		require.Contains(t, limits, got)
		pixels := (width + width%2) * (height + height%2)
		for _, other := range limits {
			if other.NumPixels >= pixels {
				require.GreaterOrEqual(t, got.NumPixels, pixels, "a limit that holds the picture exists")
				require.LessOrEqual(t, got.NumPixels, other.NumPixels, "rule 3: the smallest that holds it")
			} else if got.NumPixels < pixels {
				require.GreaterOrEqual(t, got.NumPixels, other.NumPixels, "rule 3: none holds it, so the largest")
			}
			if other.NumPixels == got.NumPixels {
				require.LessOrEqual(t, gap(got.FPS, fps), gap(other.FPS, fps), "rule 4: the nearest frame rate")
				if gap(got.FPS, fps) == gap(other.FPS, fps) {
					require.GreaterOrEqual(t, got.FPS, other.FPS, "rule 4: the higher on a tie")
				}
			}
		}
		for _, kbps := range []int{0, 1, got.MinKbps, got.MaxKbps, 1 << 20} {
			clamped := got.Clamp(kbps)
			require.GreaterOrEqual(t, clamped, got.MinKbps)
			require.True(t, got.MaxKbps == 0 || clamped <= got.MaxKbps)
			require.Equal(t, clamped, got.Clamp(clamped), "clamping twice changes nothing")
		}
	})
}

// TestOrientationAndOrderDoNotMatter: turning the display or sorting the file gives the same range.
func TestOrientationAndOrderDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 3840).Draw(t, "width")
		height := rapid.IntRange(1, 2160).Draw(t, "height")
		fps := rapid.IntRange(1, 120).Draw(t, "rate")
		shuffled := bitrate.NewTable(slog.New(slog.DiscardHandler), rapid.Permutation(bitrate.Defaults()).Draw(t, "order"))
		require.Equal(t, bitrate.Table{}.Select(width, height, fps), shuffled.Select(height, width, fps))
	})
}

func gap(a, b int) int {
	if a < b {
		return b - a
	}
	return a - b
}
