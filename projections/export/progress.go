package export

import (
	"fmt"
	"io"
	"time"

	"streamstack/events"
)

// Pace of the progress shown.
const (
	quietTime    = 2 * time.Second // what takes less says nothing until it is done
	betweenLines = 2 * time.Second
	betweenBars  = 200 * time.Millisecond
	checkEvery   = 256 // events between two looks at the clock
)

// progress tells a person how far a long export is: on a terminal as one line that changes, elsewhere as lines.
type progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	from, last  events.Seq
	begun, said time.Time
	done        int
	shown       bool
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: terminal(out), now: time.Now}
}

func (p *progress) begin(from, last events.Seq) {
	p.from, p.last, p.begun = max(from, 1), last, p.now()
	p.said = p.begun
}

// add counts an event that was written.
func (p *progress) add(at events.Seq) {
	p.done++
	if p.done%checkEvery != 0 {
		return
	}
	now, between := p.now(), betweenLines
	if p.terminal {
		between = betweenBars
	}
	if now.Sub(p.begun) < quietTime || now.Sub(p.said) < between {
		return
	}
	p.said = now
	spent := now.Sub(p.begun).Seconds()
	// By sequences, since how many events a filter chooses is known at the end only.
	part := float64(at-p.from+1) / float64(max(1, p.last-p.from+1))
	left := time.Duration(spent * (1 - part) / part * float64(time.Second))
	p.line(fmt.Sprintf("export: %d events, %.0f %%, %.0f a second, %s left", p.done, 100*part, float64(p.done)/spent, left.Round(time.Second)))
}

// line shows a line of progress. That a terminal has gone away shall not end the export.
func (p *progress) line(text string) {
	if p.terminal {
		_, _ = fmt.Fprintf(p.out, "\r%s\x1b[K", text)
		p.shown = true
		return
	}
	_, _ = fmt.Fprintln(p.out, text)
}

// finish says what became of the export, where a person could wonder.
func (p *progress) finish(path string) error {
	if p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
	if path == "" && p.done > 0 {
		return nil // it is there to be seen
	}
	to := ""
	if path != "" {
		to = " to " + path
	}
	if _, err := fmt.Fprintf(p.out, "export: %d events%s in %s\n", p.done, to, p.now().Sub(p.begun).Round(time.Millisecond)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}
