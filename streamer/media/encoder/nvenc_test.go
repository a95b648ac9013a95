package encoder

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever a user wants is written in properties and values that the elements are documented to have.
func TestTunedRowsAreDocumented(t *testing.T) {
	t.Parallel()
	known := load(t)
	rapid.Check(t, func(t *rapid.T) {
		n := NVENC{
			Multipass: rapid.Bool().Draw(t, "multipass"), QuarterResolution: rapid.Bool().Draw(t, "quarter"), AQ: rapid.Bool().Draw(t, "aq"),
			AQStrength: rapid.IntRange(-1, MaxAQStrength+1).Draw(t, "strength"), Preset: rapid.IntRange(-1, MaxPreset+1).Draw(t, "preset"),
		}
		for _, r := range Table() {
			tuned := r.Tuned(n)
			if r.Vendor != NVIDIA {
				require.Equal(t, r, tuned)
				continue
			}
			for _, s := range tuned.Chain {
				for _, p := range s.Properties {
					if !strings.Contains(p.Value, "{") {
						require.NoError(t, known.check(s.Element, p))
					}
				}
			}
		}
	})
}

func TestTuned(t *testing.T) {
	t.Parallel()
	n := NVENC{Multipass: true, QuarterResolution: true, AQ: true, AQStrength: 8, Preset: 3}
	for element, want := range map[string][]string{
		"nvh264enc":     {"preset=p3", "multi-pass=two-pass-quarter", "spatial-aq=true", "aq-strength=8"},
		"nvav1enc":      {"preset=p3", "multi-pass=two-pass-quarter", "spatial-aq=true", "aq-strength=8"},
		"nvcudah264enc": {"preset=low-latency-hp", "spatial-aq=true", "aq-strength=8"},
	} {
		for _, r := range Table() {
			if r.Element != element {
				continue
			}
			require.Subset(t, strings.Fields(r.Tuned(n).Describe(30, 1000, 2, all)), want)
			require.Contains(t, r.Tuned(NVENC{Multipass: true}).Describe(30, 1000, 2, all)+" multi-pass=two-pass ", " multi-pass=two-pass ")
			require.Equal(t, r, r.Tuned(NVENC{}), "nothing is wanted")
			require.NotContains(t, r.Describe(30, 1000, 2, all), "spatial-aq", "the table itself is as it was")
		}
	}
}
