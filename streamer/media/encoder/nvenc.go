package encoder

import (
	"slices"
	"strconv"
)

// Limits of what [NVENC] takes.
const (
	MaxAQStrength = 15
	MaxPreset     = 7
)

// NVENC is how a user wants NVIDIA's encoder of one codec to work (streamer-config.md, section 2). The zero value leaves all to the table.
type NVENC struct {
	// Multipass has the encoder go over each picture twice; QuarterResolution, only with it, the first time at a quarter of the resolution.
	Multipass, QuarterResolution bool
	// AQ gives more bits to what the eye sees more of; AQStrength from 1, mild, to 15, strong, or 0 for the encoder's choice.
	AQ         bool
	AQStrength int
	// Preset is NVENC's, from 1, the fastest, to 7, or 0 for the table's.
	Preset int
}

// oldPresets are the presets of GStreamer 1.22 that come nearest to NVENC's 1 to 7.
var oldPresets = [MaxPreset + 1]string{
	1: "low-latency-hp", 2: "low-latency-hp", 3: "low-latency-hp", 4: "low-latency-hq", 5: "low-latency-hq", 6: "low-latency-hq", 7: "low-latency-hq",
}

// Tuned returns the row as a user wants it. Rows of other vendors stay as they are. What an installed element or a GPU does not have is left out, as
// are all optional properties.
func (r Row) Tuned(n NVENC) Row {
	if r.Vendor != NVIDIA {
		return r
	}
	r.Chain = slices.Clone(r.Chain)
	for i, s := range r.Chain {
		if s.Element == r.Element {
			r.Chain[i].Properties = n.over(s.Properties)
		}
	}
	return r
}

func (n NVENC) over(table []Property) []Property {
	tuned := slices.Clone(table)
	set := func(name, value string, optional bool) {
		at := slices.IndexFunc(tuned, func(p Property) bool { return p.Name == name })
		if at >= 0 {
			tuned[at].Value = value
			return
		}
		tuned = append(tuned, Property{Name: name, Value: value, Optional: optional})
	}
	old := slices.ContainsFunc(table, func(p Property) bool { return p.Name == "preset" && p.Value == nvPreset122 })
	switch {
	case n.Preset < 1 || n.Preset > MaxPreset:
	case old:
		set("preset", oldPresets[n.Preset], false)
	default:
		set("preset", "p"+strconv.Itoa(n.Preset), false)
	}
	switch {
	case !n.Multipass || old: // 1.22 has no such property; its rate control is one for low latency, of two passes by itself
	case n.QuarterResolution:
		set("multi-pass", "two-pass-quarter", false)
	default:
		set("multi-pass", "two-pass", false)
	}
	if n.AQ {
		set("spatial-aq", "true", true)
		set("aq-strength", strconv.Itoa(min(max(n.AQStrength, 0), MaxAQStrength)), true)
	}
	return tuned
}
