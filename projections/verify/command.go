package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/projections/archive"
	"streamstack/projections/progress"
	"streamstack/projections/timeline"
)

// Command is `streamstack verify` (cli.md).
func Command() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "check the log against the rules that every history must keep", OnUsageError: connect.OnUsageError,
		Description: "Reads the log and, for what has expired there, its archive, and prints each breach: a second creation, two claims at a\n" +
			"time, an ending too many, a step out of order, an actor out of place, an event that is not of whom it says. Exit status\n" +
			"0: none, 1: some, or not all could be read. Sessions that live have no ending yet: --ended takes that for a breach too.",
		Flags: append([]cli.Flag{
			connect.JSONFlag(),
			&cli.StringFlag{Name: "session", Usage: "only the session with this `ID`", Sources: connect.Env("session")},
			&cli.StringFlag{Name: "since", Usage: "begin at `SEQ|TIME|DURATION`; sessions that began before are not checked", Sources: connect.Env("since")},
			&cli.StringFlag{Name: "stream", Usage: "what was replayed into the sandbox `STREAM`, not the log", Sources: connect.Env("stream")},
			&cli.BoolFlag{Name: "ended", Usage: "a session without an ending is a breach", Sources: connect.Env("ended")},
		}, connect.NATSFlags()...),
		Action: run,
	}
}

func run(ctx context.Context, cmd *cli.Command) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	filter, _, err := timeline.Selection{Session: cmd.String("session")}.Filter()
	if err != nil {
		return err
	}
	var since events.Start
	if text := cmd.String("since"); text != "" {
		if since, err = timeline.ParseSince(text, time.Now()); err != nil {
			return connect.Usagef("%s: --since: %w", cmd.FullName(), err)
		}
	}
	logger := connect.Logger(cmd)
	source, closeIt, err := archive.OpenNamed(ctx, cmd, logger)
	if err != nil {
		return err
	}
	defer closeIt()

	out := json.NewEncoder(connect.Out(cmd))
	c := &Checker{MustEnd: cmd.Bool("ended"), Report: func(b Breach) error {
		if cmd.Bool("json") {
			return out.Encode(b)
		}
		_, err := fmt.Fprintln(connect.Out(cmd), b)
		return err
	}}
	sum, err := Check(ctx, source, filter, since, c, progress.New(os.Stderr, logger, "the log"))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(connect.Err(cmd), sum); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if sum.Breaches > 0 {
		return fmt.Errorf("the log has %d breaches of its rules, above", sum.Breaches)
	}
	return nil
}

// String says what was checked, for people.
func (s Summary) String() string {
	text := fmt.Sprintf("verify: %d events of %d sessions, %d of which live: %d breaches", s.Events, s.Sessions, s.Live, s.Breaches)
	if s.Partial > 0 {
		text += fmt.Sprintf("; %d sessions began before what was read and were not checked", s.Partial)
	}
	if s.Unknown > 0 {
		text += fmt.Sprintf("; %d events are of newer versions and were not checked", s.Unknown)
	}
	return text
}

// errPast ends the reading: what is appended while it goes on is for the next check.
var errPast = errors.New("verify: past the end")

// Check has c check what a filter of SESSIONS holds from since on up to now, and shows how far it is. It fails when the source
// cannot be read, or c's Report fails.
func Check(ctx context.Context, source archive.Source, filter string, since events.Start, c *Checker, show progress.Show) (Summary, error) {
	defer show.Done()
	last, err := source.Last(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("verify: %w", err)
	}
	from := since.Seq
	if !since.Time.IsZero() {
		if from, err = source.SeqAt(ctx, since.Time); err != nil {
			return Summary{}, fmt.Errorf("verify: %w", err)
		}
	}
	if from <= 1 {
		if c.Whole, err = whole(ctx, source); err != nil {
			return Summary{}, err
		}
	}
	err = source.Read(ctx, filter, from, func(e events.Event) error {
		if e.Sequence > last {
			return errPast
		}
		show.Step(uint64(e.Sequence), uint64(last))
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("verify: interrupted at event %d of %d: %w", e.Sequence, last, err)
		}
		return c.Add(e)
	})
	if err != nil && !errors.Is(err, errPast) {
		return Summary{}, err
	}
	return c.Finish()
}

// whole tells whether the source still has the log's first event; an empty one has nothing that could be missing.
func whole(ctx context.Context, source archive.Source) (first bool, err error) {
	first = true
	err = source.Read(ctx, events.AllSessions, 0, func(e events.Event) error {
		first = e.Sequence == 1
		return errPast
	})
	if err != nil && !errors.Is(err, errPast) {
		return false, fmt.Errorf("verify: %w", err)
	}
	return first, nil
}
