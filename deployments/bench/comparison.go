package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// target is what a ratio must reach: at least, or, of what should be small, at most.
type target struct {
	value float64
	most  bool
}

func atLeast(v float64) target { return target{value: v} }
func atMost(v float64) target  { return target{value: v, most: true} }

func (t target) String() string {
	switch {
	case t.value == 0:
		return ""
	case t.most:
		return fmt.Sprintf("<= %.2f", t.value)
	default:
		return fmt.Sprintf(">= %.2f", t.value)
	}
}

// verdict is empty where nothing was demanded.
func (t target) verdict(ratio float64) string {
	switch {
	case t.value == 0:
		return ""
	case t.most && ratio <= t.value, !t.most && ratio >= t.value:
		return "reached"
	default:
		return "MISSED"
	}
}

// row is one figure beside that of its ceiling, both of the same run.
type row struct {
	what          string
	unit          string
	figure, other float64
	target        target
}

// ratio of the figure to its ceiling's; 0 where there is no ceiling.
func (r row) ratio() float64 {
	if r.other == 0 {
		return 0
	}
	return r.figure / r.other
}

// printRows writes a table of figures, each beside its ceiling, with the ratio and what it should be.
func printRows(w io.Writer, title, figure, other string, rows []row) error {
	_, _ = fmt.Fprintf(w, "\n%s\n", title) // Flush tells
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(table, "\t%s\t%s\tratio\ttarget\t\t\n", figure, other)
	for _, r := range rows {
		_, _ = fmt.Fprintf(table, "%s\t%.0f %s\t%.0f %s\t%.2f\t%s\t%s\t\n",
			r.what, r.figure, r.unit, r.other, r.unit, r.ratio(), r.target, r.target.verdict(r.ratio()))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// samples are times of the same thing done again and again.
type samples []time.Duration

// time adds how long do took.
func (s *samples) time(do func()) {
	begun := time.Now()
	do()
	*s = append(*s, time.Since(begun))
}

// rate is how many a second there were in the median round of so many samples, each of which holds n things: what the
// machine did otherwise shows in single rounds.
func (s samples) rate(round, n int) float64 {
	var rates []float64
	for part := range slices.Chunk(s, round) {
		var sum time.Duration
		for _, d := range part {
			sum += d
		}
		rates = append(rates, float64(n*len(part))/max(sum, 1).Seconds())
	}
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}

// micros is the percentile p of the samples (0 to 100, by nearest rank) in microseconds.
func (s samples) micros(p int) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := (p*len(sorted) + 99) / 100
	return float64(sorted[max(rank, 1)-1].Nanoseconds()) / 1e3
}
