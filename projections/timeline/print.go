package timeline

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"streamstack/events"
)

const (
	clock = "15:04:05.000"
	day   = "2006-01-02"
	// stepWidth is the width of the longest step we know, streamer.encoder_changed.
	stepWidth = 24
)

// Colours of the actors (ECMA-48, Select Graphic Rendition).
var actorColour = map[events.Actor]string{
	events.Gateway: "36", events.Agent: "33", events.Streamer: "32", events.Client: "35",
}

const (
	faint = "2"
	bold  = "1"
	alarm = "31;1"
)

// Printer writes timelines and events for people. It is for one goroutine.
type Printer struct {
	out    *bufio.Writer
	colour bool
	zone   *time.Location
	day    string // of the line before
}

// NewPrinter makes a printer that shows times in zone. What it writes is buffered: see [Printer.Flush].
func NewPrinter(w io.Writer, colour bool, zone *time.Location) *Printer {
	return &Printer{out: bufio.NewWriter(w), colour: colour, zone: zone}
}

// Colourful tells whether colours may be written to w: it is a terminal that understands them, and NO_COLOR
// (https://no-color.org) is not set.
func Colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Flush writes out what is buffered. It returns the first error of all writing.
func (p *Printer) Flush() error {
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("timeline: %w", err)
	}
	return nil
}

// printf writes to the buffer, which keeps an error for Flush.
func (p *Printer) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format, args...) }

func (p *Printer) paint(colour, s string) string {
	if !p.colour || colour == "" || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// Timeline prints a session's history. asOf, if not empty, says at what point it was cut off.
func (p *Printer) Timeline(t Timeline, asOf string) {
	s := t.Session
	p.printf("%s  %s in region %s\n", p.paint(bold, "session "+clean(string(s.ID))), clean(or(s.App, "?")), clean(string(s.Region)))
	for _, e := range t.Entries {
		p.newDay(e.Time)
		p.printf("%6s  %s  %10s  %s%s\n", place(e.Seq), e.Time.In(p.zone).Format(clock), p.since(e), p.step(e.Actor, e.Step), p.what(e.Summary, e.Quarantine))
		for _, line := range e.Detail {
			p.printf("%*s%s\n", 34, "", p.paint(faint, "| "+line))
		}
		for _, m := range e.Moments {
			p.printf("%*s%s\n", 34, "", p.paint(faint, "| "+m.Time.In(p.zone).Format(clock)+" "+m.Text))
		}
	}
	if asOf != "" {
		p.printf("%s status %s, attempt %d, agent %s, screen %s\n", p.paint(bold, "As of "+asOf+":"), s.Status, s.Attempt,
			clean(or(string(s.Agent), "none")), screen(s.Screen))
	}
	p.printf("%s\n", p.paint(bold, t.Outcome))
}

// place is a sequence, empty for what has none.
func place(s events.Seq) string {
	if s == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(s), 10)
}

// Event prints one event of any session.
func (p *Printer) Event(e events.Event) {
	p.newDay(e.Time)
	p.printf("%6d  %s  %-8s  %-36s  %s%s\n", e.Sequence, e.Time.In(p.zone).Format(clock), clean(string(e.Region)), clean(string(e.Session)),
		p.step(e.Actor, step(e)), p.what(Summary(e, nil), clean(e.Quarantine)))
}

func (p *Printer) newDay(t time.Time) {
	if d := t.In(p.zone).Format(day); d != p.day {
		p.day = d
		p.printf("%s\n", p.paint(faint, d+" "+t.In(p.zone).Format("MST")))
	}
}

func (p *Printer) since(e Entry) string {
	if e.Since == 0 {
		return ""
	}
	if e.Since > 0 {
		return "+" + duration(e.Since)
	}
	return duration(e.Since)
}

// step pads by what is seen: the colour takes no room.
func (p *Printer) step(a events.Actor, s string) string {
	pad := max(0, stepWidth-utf8.RuneCountInString(s))
	return p.paint(actorColour[a], s) + fmt.Sprintf("%*s", pad+2, "")
}

func (p *Printer) what(summary, quarantine string) string {
	if quarantine == "" {
		return summary
	}
	return p.paint(alarm, "QUARANTINED, "+quarantine+":") + " " + summary
}
