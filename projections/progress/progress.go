// Package progress shows how far the reading of a long log has come: how much of it, how fast, and how long it will still
// take. A terminal gets a bar that redraws itself, everything else lines in the log, at most one a second. What is read in
// less than [Patience] shows nothing.
package progress

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// Times of the displays.
const (
	// Patience is how long a person waits without asking what is going on, and the pause between two lines.
	Patience = time.Second
	// redraw is the pause between two states of a bar: more than a person reads, and nothing beside the reading.
	redraw = 100 * time.Millisecond
	// settle is how far back the rate is measured over: long enough to be calm, short enough to follow the truth.
	settle = 5 * time.Second
	// longest is the most time left that is shown; it means that nobody knows.
	longest = 100 * time.Hour
)

// State is how far a reading has come.
type State struct {
	What       string // what is read, as people call it
	At, Target uint64 // sequences; At is at most Target
	Rate       float64
	Left       time.Duration // 0 while the rate is unknown
}

// Show displays one reading after another. Its methods are for one goroutine.
type Show interface {
	// Step tells where the reading is now, at target of which it is done for.
	Step(at, target uint64)
	// Done tells that it has ended; a bar goes away.
	Done()
}

// New picks a bar on a terminal and lines in the log otherwise. what is what is read.
func New(out *os.File, log *slog.Logger, what string) Show {
	if isatty.IsTerminal(out.Fd()) || isatty.IsCygwinTerminal(out.Fd()) {
		return Bar(out, what, time.Now)
	}
	return Lines(log, what, time.Now)
}

// Lines writes to a log.
func Lines(log *slog.Logger, what string, now func() time.Time) Show {
	return newMeter(what, now, Patience, func(s State) {
		log.Info("reading "+s.What, "at", s.At, "of", s.Target, "percent", int(s.part()*100),
			"per_second", int(s.Rate), "left", s.Left.Round(time.Second))
	}, nil)
}

// Bar draws on a terminal, on the line where its cursor is; the line is cleared at the end.
func Bar(out io.Writer, what string, now func() time.Time) Show {
	const clearLine = "\r\x1b[K"
	return newMeter(what, now, redraw, func(s State) {
		_, _ = io.WriteString(out, clearLine+s.String()) // a terminal that is gone: nobody to tell
	}, func() { _, _ = io.WriteString(out, clearLine) })
}

// String is the state in one line of less than 80 columns, for a what of up to 16.
func (s State) String() string {
	const width = 20
	full := int(s.part() * width)
	left := "…"
	if s.Left > 0 {
		left = max(s.Left.Round(time.Second), time.Second).String()
	}
	return fmt.Sprintf("reading %s [%s%s] %3d %%  %s/s  %s left", s.What, strings.Repeat("#", full), strings.Repeat("-", width-full),
		int(s.part()*100), short(s.Rate), left)
}

func (s State) part() float64 {
	if s.Target == 0 {
		return 1
	}
	return float64(s.At) / float64(s.Target)
}

// short prints a rate in three or four digits.
func short(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.0fk", n/1e3)
	default:
		return fmt.Sprintf("%.0f", n)
	}
}

// meter measures, and shows now and then.
type meter struct {
	what string
	now  func() time.Time
	gap  time.Duration
	show func(State)
	end  func()

	begun, shown time.Time
	// from is where the rate is measured from, and next the place that takes its turn after settle.
	from, next mark
}

type mark struct {
	time time.Time
	at   uint64
}

func newMeter(what string, now func() time.Time, gap time.Duration, show func(State), end func()) *meter {
	return &meter{what: what, now: now, gap: gap, show: show, end: end}
}

// Step implements [Show].
func (m *meter) Step(at, target uint64) {
	now := m.now()
	if m.begun.IsZero() {
		m.begun, m.from, m.next = now, mark{now, at}, mark{now, at}
		return
	}
	if now.Sub(m.begun) < Patience || (!m.shown.IsZero() && now.Sub(m.shown) < m.gap) {
		return
	}
	m.shown = now
	s := State{What: m.what, At: min(at, target), Target: target}
	if passed := now.Sub(m.from.time).Seconds(); passed > 0 && at > m.from.at {
		s.Rate = float64(at-m.from.at) / passed
		s.Left = time.Duration(min(float64(target-s.At)/s.Rate, longest.Seconds()) * float64(time.Second))
	}
	if now.Sub(m.next.time) >= settle {
		m.from, m.next = m.next, mark{now, at}
	}
	m.show(s)
}

// Done implements [Show]. A further Step begins anew.
func (m *meter) Done() {
	if m.end != nil && !m.shown.IsZero() {
		m.end()
	}
	m.begun, m.shown = time.Time{}, time.Time{}
}
