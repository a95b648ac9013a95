package timeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"streamstack/projections/quality"
)

// Moment is a line under an entry with a time of its own.
type Moment struct {
	Time time.Time
	Text string // one line
}

// addDecisions puts what the streamer decided under what was measured: a line of all, and one for each moment that explains what
// somebody saw.
func (e *Entry) addDecisions(d quality.Decisions) {
	if d.Empty() {
		return
	}
	if e.Count == 0 { // the client was gone before the first sample
		e.Count, e.Summary = 1, e.label+"decisions"
		if len(d.Moments) > 0 {
			e.Time = d.Moments[0].Time
		}
	}
	for _, line := range decided(d) {
		e.Detail = append(e.Detail, brief(line))
	}
	for _, m := range d.Moments {
		e.Moments = append(e.Moments, Moment{m.Time, brief(moment(m))})
	}
}

// brief makes one printable line of a text.
func brief(s string) string { return shorten(clean(s)) }

// decided counts what was decided, in a line on targets and one on the rest.
func decided(d quality.Decisions) (lines []string) {
	if d.Targets > 0 {
		lines = append(lines, fmt.Sprintf("%s of %.0f to %.0f kbit/s (%s), the last of %d at %d fps", plural(d.Targets, "target"),
			d.TargetKbps.Min(), d.TargetKbps.Max(), causes(d.TargetCauses), d.LastKbps, d.LastFPS))
	}
	var parts []string
	if len(d.Keyframes) > 0 {
		parts = append(parts, "key frames asked for: "+causes(d.Keyframes))
	}
	if d.Outages > 0 {
		parts = append(parts, plural(d.Outages, "outage")+" of "+duration(d.Away)+" in all")
	}
	if d.Redundant > 0 {
		part := "sound with copies " + plural(d.Redundant, "time")
		if d.Copied > 0 {
			part += ", for " + duration(d.Copied)
		}
		parts = append(parts, part)
	}
	for _, x := range []struct {
		n        uint64
		of, what string
	}{
		{d.Drops, "drop", ""}, {d.Pictures, "picture", " dropped"}, {d.Fallbacks, "fallback", ""},
		{d.Other + d.Omitted, "decision", " not told"}, {d.More, "moment", " after those below"},
	} {
		if x.n > 0 {
			parts = append(parts, plural(x.n, x.of)+x.what)
		}
	}
	if len(parts) > 0 {
		lines = append(lines, strings.Join(parts, "; "))
	}
	return lines
}

// moment says what was decided, and what for.
func moment(m quality.Moment) string {
	s := m.Kind
	switch {
	case m.Kind == "outage":
		s = "nothing is heard of the client, so that nothing is sent"
	case m.Kind == "resume":
		s = "the client is heard again"
	case m.Kind == "bounds":
		return fmt.Sprintf("the instance bounds the bitrate to %d to %d kbit/s", m.MinKbps, m.MaxKbps)
	case m.Kind == "redundancy":
		s = "packets of sound carry " + plural(uint64(max(0, m.Copies)), "packet") + " before them as well (" + m.Cause + ")"
	case m.From != "" || m.To != "":
		return s + " from " + m.From + " to " + m.To
	case m.BeforeKbps > 0:
		s = fmt.Sprintf("target from %d to %d kbit/s at %d fps (%s)", m.BeforeKbps, m.TargetKbps, m.FPS, m.Cause)
	case m.Cause != "" && m.Cause != m.Kind:
		s += " (" + m.Cause + ")"
	}
	if m.Pictures > 0 {
		s += ", " + plural(uint64(m.Pictures), "picture") + " dropped"
	}
	if m.EstimateKbps > 0 {
		s += fmt.Sprintf("; the path carries %d kbit/s", m.EstimateKbps)
	}
	if m.QueueMs > 0 {
		s += fmt.Sprintf(" and holds packets for %d ms", m.QueueMs)
	}
	return s
}

// causes lists counts by their causes, in the order of the alphabet.
func causes(counts map[string]uint64) string {
	parts := make([]string, 0, len(counts))
	for _, cause := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[cause], cause))
	}
	return strings.Join(parts, ", ")
}
