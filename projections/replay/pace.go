package replay

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"streamstack/events"
)

// Max is the speed of a replay without pauses.
const Max = 0

// minSpeed and maxSpeed bound the speed of a replay with pauses.
const minSpeed, maxSpeed = 0.01, 10_000

// ParseSpeed reads "1x", "10x", "0.5" or "max".
func ParseSpeed(text string) (float64, error) {
	if text == "max" {
		return Max, nil
	}
	speed, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || math.IsNaN(speed) || speed < minSpeed || speed > maxSpeed {
		return 0, fmt.Errorf("replay: %q is no speed: write 1x, 10x, 0.5x (from %gx to %dx), or max", text, minSpeed, maxSpeed)
	}
	return speed, nil
}

// Lateness tells how late the events of a replay were handed on.
type Lateness struct{ late []time.Duration }

// P99 is what 99 of 100 events were not later than; 0 where there was none.
func (l Lateness) P99() time.Duration {
	if len(l.late) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l.late))
	return sorted[(len(sorted)-1)*99/100]
}

// Play hands on events when they are due, in their order, on the caller's goroutine. speed is how many times faster than
// they came, or [Max]. It ends with the context's error, or with fn's.
func Play(ctx context.Context, list []events.Event, speed float64, fn func(events.Event) error) (Lateness, error) {
	var l Lateness
	if len(list) == 0 {
		return l, nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin, first := time.Now(), list[0].Stored
	for _, e := range list {
		due := time.Now()
		if speed != Max {
			due = begin.Add(time.Duration(float64(e.Stored.Sub(first)) / speed))
		}
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return l, fmt.Errorf("replay: %w", ctx.Err())
		case <-timer.C:
		}
		if speed != Max {
			l.late = append(l.late, time.Since(due))
		}
		if err := fn(e); err != nil {
			return l, err
		}
	}
	return l, nil
}
