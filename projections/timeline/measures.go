package timeline

import (
	"fmt"
	"math"
	"time"

	"streamstack/events"
)

func screen(s events.Screen) string {
	return itoa(s.Width) + "x" + itoa(s.Height) + " at " + itoa(s.FPS) + " fps"
}

func size(bytes int) string { return itoa(bytes) + " bytes" }

func milliseconds(n int64) string { return duration(time.Duration(n) * time.Millisecond) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// duration is a length of time with as much precision as a person reads.
func duration(d time.Duration) string {
	switch a := d.Abs(); {
	case a < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case a < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	case a < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case a < time.Hour:
		return twoUnits(d.Round(time.Second), time.Minute, "m", time.Second, "s")
	case a == math.MaxInt64: // what [time.Time.Sub] gives for all that is longer
		if d < 0 {
			return "-292 years" // a sign and all fit the column
		}
		return "292 years"
	case a >= 1000*time.Hour:
		return itoa(int(d/(24*time.Hour))) + " days"
	default:
		return twoUnits(d.Round(time.Minute), time.Hour, "h", time.Minute, "m")
	}
}

// twoUnits writes d as 5m1s, or as 5m where nothing of the smaller unit is left.
func twoUnits(d, unit time.Duration, name string, smaller time.Duration, smallerName string) string {
	s := itoa(int(d/unit)) + name
	if rest := (d % unit).Abs(); rest >= smaller {
		s += itoa(int(rest/smaller)) + smallerName
	}
	return s
}
