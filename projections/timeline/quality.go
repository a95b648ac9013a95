package timeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"streamstack/events"
	"streamstack/projections/quality"
)

const (
	// sparkWidth is how many characters a sparkline has at most; with what stands around it a line fits a usual terminal.
	sparkWidth = 32
	// stepQuality is the step of an entry that is made of samples and no event of the session.
	stepQuality = "quality"
)

// AddQuality puts what the samples and the decisions of the timeline's session say between the connection of each client and its end, and a
// sentence of them all behind the outcome.
func (t *Timeline) AddQuality(clients *quality.Clients) {
	for _, p := range clients.Peers() {
		i, label := t.placeOf(p)
		e := Entry{Actor: events.Streamer, Step: stepQuality, peer: p, label: label}
		if f := clients.Of(p); f != nil {
			e = qualityEntry(f, p, label)
		}
		e.addDecisions(clients.Decided(p))
		t.Entries = slices.Insert(t.Entries, i, e)
	}
	if clients.All() != nil {
		t.Outcome += " " + clean(inWords(clients.All().Summary()))
	}
}

// placeOf is where the samples of a client belong: before its disconnection, or before the end of the session where there
// is none. label is how the lines about this client begin.
func (t *Timeline) placeOf(p events.PeerID) (at int, label string) {
	label, connected := PeerLabel(p), false
	for i, e := range t.Entries {
		switch {
		case e.Step == "streamer.connected" && e.peer == p && e.Quarantine == "":
			connected, label = true, e.label
		case connected && (e.ends || e.Step == "streamer.disconnected" && e.peer == p && e.Quarantine == ""):
			return i, label
		}
	}
	return len(t.Entries), label
}

// qualityEntry draws the samples of one client.
func qualityEntry(f *quality.Fold, p events.PeerID, label string) Entry {
	s, points := f.Summary(), quality.Resample(f.Series(), sparkWidth)
	e := Entry{
		Count: s.Samples, Time: s.Begun, Actor: events.Streamer, Step: stepQuality, peer: p, label: label,
		Summary: label + plural(s.Samples, "sample") + " in " + duration(s.Ended.Sub(s.Begun)),
	}
	draw := func(name string, f quality.Figures, digits int, scale float64, unit string, value func(quality.Point) float64) {
		if f.Empty() {
			return
		}
		number := func(v float64) string { return strconv.FormatFloat(v*scale, 'f', digits, 64) }
		e.Detail = append(e.Detail, fmt.Sprintf("%-7s %s  min %s, median %s, max %s%s", name, spark(points, value),
			number(f.Min()), number(f.Median()), number(f.Max()), unit))
	}
	draw("fps", s.FPS, 1, 1, "", func(p quality.Point) float64 { return p.FPS })
	draw("bitrate", s.VideoKbps, 0, 1, " kbit/s", func(p quality.Point) float64 { return p.VideoKbps })
	draw("rtt", s.RTTMs, 1, 1, " ms", func(p quality.Point) float64 { return p.RTTMs })
	draw("loss", s.Loss, 1, 100, " %", func(p quality.Point) float64 { return p.Loss })
	if !s.EncodeStageMs.Empty() {
		e.Detail = append(e.Detail, fmt.Sprintf("stages  capture %.1f, convert %.1f, encode %.1f ms at the median",
			s.CaptureStageMs.Median(), s.ConvertStageMs.Median(), s.EncodeStageMs.Median()))
	}
	e.Detail = append(e.Detail, troubles(s))
	return e
}

// bars are the heights of a sparkline, lowest first.
var bars = []rune("▁▂▃▄▅▆▇█")

// spark draws a line of values between nothing and the greatest of them; a negative value is a blank.
func spark(points []quality.Point, value func(quality.Point) float64) string {
	top := 0.0
	for _, p := range points {
		top = max(top, value(p))
	}
	var b strings.Builder
	for _, p := range points {
		switch v := value(p); {
		case v < 0:
			b.WriteByte(' ')
		case top == 0:
			b.WriteRune(bars[0])
		default:
			b.WriteRune(bars[min(len(bars)-1, int(v/top*float64(len(bars))))])
		}
	}
	return b.String()
}

// troubles are the counts of a stream.
func troubles(s quality.Summary) string {
	parts := []string{keyframes(s.Keyframes), freezes(s)}
	if !s.EncodeMs.Empty() {
		parts = append(parts, fmt.Sprintf("%.1f ms to capture and encode at the median", s.EncodeMs.Median()))
	}
	if s.Slow > 0 {
		parts = append(parts, duration(s.Slow)+" below "+itoa(quality.SlowFPS)+" fps")
	}
	for _, x := range []struct {
		n        uint64
		of, what string
	}{{s.FramesDropped, "picture", " not sent"}, {s.NACKs, "packet", " asked for again"}, {s.Missed, "sample", " missing"}} {
		if x.n > 0 {
			parts = append(parts, plural(x.n, x.of)+x.what)
		}
	}
	return shorten(clean(strings.Join(parts, "; ")))
}

func keyframes(made map[string]uint64) string {
	if len(made) == 0 {
		return "no key frame"
	}
	var total uint64
	for _, n := range made {
		total += n
	}
	return plural(total, "key frame") + " (" + causes(made) + ")"
}

func freezes(s quality.Summary) string {
	if s.Freezes == 0 && s.Frozen == 0 {
		return "no freeze"
	}
	return plural(s.Freezes, "freeze") + " of " + duration(s.Frozen) + " in all"
}

// inWords is the sentence at the end.
func inWords(s quality.Summary) string {
	text := fmt.Sprintf("The picture had %.1f fps at the median, %s", s.FPS.Median(), freezes(s))
	if s.Slow > 0 {
		text += ", " + duration(s.Slow.Round(time.Second)) + " below " + itoa(quality.SlowFPS) + " fps"
	}
	if !s.RTTMs.Empty() {
		text += fmt.Sprintf("; round trips took %.1f ms at the median and %.1f ms at worst", s.RTTMs.Median(), s.RTTMs.Max())
	}
	if s.Loss.Max() > 0 {
		text += fmt.Sprintf(", at worst %.1f %% of the packets were lost", s.Loss.Max()*100)
	}
	return sentence(text)
}

func plural[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
