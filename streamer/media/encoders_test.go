package media

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// Every row must be complete, so that adding one is all there is to a new encoder.
func TestRowsAreComplete(t *testing.T) {
	require.NoError(t, initialise())
	for _, r := range rows {
		t.Run(r.element, func(t *testing.T) {
			require.Contains(t, []frame.Codec{frame.H264, frame.VP8, frame.VP9, frame.AV1}, r.codec)
			require.Contains(t, packages, r.element, "the Debian package, for the advice")
			require.Equal(t, 1, strings.Count(r.pipeline, "{encoder}"))
			require.Contains(t, []int{1, 1000}, r.bitsPerUnit)
			for _, property := range r.properties {
				require.Regexp(t, `^[a-z0-9-]+=[^ !]+$`, property)
			}
			require.Contains(t, r.expand(30, 1000), " "+r.bitrate+"="+r.bitrateArg(1000), "starts with the bitrate it was asked for")
		})
	}
	for _, element := range required() {
		require.Contains(t, packages, element)
	}
}

func TestSoftwareComesLastWithinACodec(t *testing.T) {
	software := map[frame.Codec]bool{}
	for _, r := range rows {
		require.False(t, r.hardware && software[r.codec], "%s is hardware but ranked after software", r.element)
		software[r.codec] = software[r.codec] || !r.hardware
	}
}

func TestExpandLeavesNoPlaceholder(t *testing.T) {
	placeholder := regexp.MustCompile(`[{}]`)
	buffer := regexp.MustCompile(`vbv-buf-capacity=([0-9]+)`)
	rapid.Check(t, func(t *rapid.T) {
		fps := rapid.IntRange(1, maxFPS).Draw(t, "fps")
		kbps := rapid.IntRange(1, maxKbps).Draw(t, "kbps")
		for _, r := range rows {
			require.NotRegexp(t, placeholder, r.expand(fps, kbps))
		}
		require.NotEqual(t, "0", buffer.FindStringSubmatch(rows[0].expand(fps, kbps))[1], "no buffer would be no limit")
	})
}

func TestDisplayKeyIsTheSameForBothForms(t *testing.T) {
	for name, want := range map[string]string{
		":5": ":5", ":5.0": ":5", ":15.1": ":15", "host:5": "host:5", "10.0.0.1:5.0": "10.0.0.1:5", "nonsense": "nonsense",
	} {
		require.Equal(t, want, displayKey(name))
	}
}

func TestWatchersOfADisplay(t *testing.T) {
	var told []string
	one := watchDisplay(":900001", func(error) { told = append(told, "one") })
	two := watchDisplay(":900001.0", func(error) { told = append(told, "two") })
	other := watchDisplay(":900002", func(error) { told = append(told, "other") })
	defer other()
	one()
	tellWatchers(":900001.0", ErrDisplayLost)
	require.Equal(t, []string{"two"}, told)
	two()
	two() // twice does no harm
	tellWatchers(":900001", ErrDisplayLost)
	require.Len(t, told, 1)
}

func FuzzDisplayName(f *testing.F) {
	for _, name := range []string{":0", "host:1.0", ":0 ! filesink location=/tmp/x", "\":0", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if displayName.MatchString(name) {
			require.NotRegexp(t, `[^A-Za-z0-9.:-]`, name, "anything else could change the pipeline it is written into")
		}
	})
}
