package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report collects times of named steps, in the order in which the steps first came.
type report struct {
	names []string
	times map[string][]time.Duration
}

func (r *report) add(name string, d time.Duration) {
	if r.times == nil {
		r.times = map[string][]time.Duration{}
	}
	if _, known := r.times[name]; !known {
		r.names = append(r.names, name)
	}
	r.times[name] = append(r.times[name], d)
}

// median of the times of a step; the upper one of an even number.
func (r *report) median(name string) time.Duration {
	sorted := slices.Sorted(slices.Values(r.times[name]))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// worst of the times of a step.
func (r *report) worst(name string) time.Duration {
	if len(r.times[name]) == 0 {
		return 0
	}
	return slices.Max(r.times[name])
}

// print writes a table, the steps in the order of their medians; the last column is the median as a part of the last
// step's, which is what a person waits for.
func (r *report) print(w io.Writer) error {
	names := slices.Clone(r.names)
	slices.SortStableFunc(names, func(a, b string) int { return int(r.median(a) - r.median(b)) })
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "from POST to\tmedian\tworst\tof the whole\t") // Flush tells
	for _, n := range names {
		part := float64(r.median(n)) / float64(max(1, r.median(names[len(names)-1])))
		_, _ = fmt.Fprintf(table, "%s\t%d ms\t%d ms\t%.2f\t\n", n, r.median(n).Milliseconds(), r.worst(n).Milliseconds(), part)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
