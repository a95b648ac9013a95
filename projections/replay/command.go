package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/projections/timeline"
)

// readTime bounds the reading of the session before the replay begins.
const readTime = 30 * time.Second

// Command is `streamstack replay ID` (cli.md).
func Command() *cli.Command {
	return &cli.Command{
		Name: "replay", Usage: "a session's recorded events again, at their own pace", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
		Description: "Prints the events, or appends them to a sandbox with --to: a stream of its own, made if missing, whose subjects are\n" +
			"replay.STREAM.sessions.…; the log itself is never touched. `history --stream STREAM ID` and `export --stream STREAM` read it.\n" +
			"A sandbox takes a session once: two runs would be mixed in one history. Each run has a sandbox of its own.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "speed", Usage: "`1x|10x|max`", Value: "1x", Sources: connect.Env("speed")},
			&cli.StringFlag{Name: "to", Usage: "append to the sandbox `STREAM`, not to standard output", Sources: connect.Env("to")},
			&cli.StringFlag{Name: "stream", Usage: "read from the sandbox `STREAM`, not from the log", Sources: connect.Env("stream")},
			connect.JSONFlag(),
		}, connect.NATSFlags()...),
		Action: run,
	}
}

func run(ctx context.Context, cmd *cli.Command) error {
	id, err := connect.OneArg(cmd, "ID")
	if err != nil {
		return err
	}
	speed, err := ParseSpeed(cmd.String("speed"))
	if err != nil {
		return connect.Usagef("--speed: %w", err)
	}
	to := cmd.String("to")
	if to != "" {
		if err := events.CheckSandbox(to); err != nil {
			return connect.Usagef("--to: %w", err)
		}
	}
	log, err := connect.Open(ctx, cmd, connect.Logger(cmd))
	if err != nil {
		return err
	}
	defer log.Conn().Close()
	list, err := read(ctx, log, cmd.String("stream"), events.SessionID(id))
	if err != nil {
		return err
	}
	show := printer(cmd)
	if to != "" {
		if err := log.CreateSandbox(ctx, to); err != nil {
			return err
		}
		if err := checkFresh(ctx, log, to, events.SessionID(id)); err != nil {
			return err
		}
		show = func(e events.Event) error {
			_, err := log.AppendReplay(ctx, to, e)
			return err
		}
	}
	done := 0
	begun := time.Now()
	late, err := Play(ctx, list, speed, func(e events.Event) error {
		done++
		return show(e)
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	return say(cmd, done, len(list), time.Since(begun), late, to)
}

func read(ctx context.Context, log *events.Log, stream string, id events.SessionID) ([]events.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, err := timeline.Read(ctx, log, stream, id)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return list, nil
}

// errHeld ends the look into a sandbox at the first event of the session.
var errHeld = errors.New("replay: the sandbox holds the session")

// checkFresh refuses a sandbox that has events of the session already, of a run that was interrupted too.
func checkFresh(ctx context.Context, log *events.Log, stream string, id events.SessionID) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	err := log.Read(ctx, stream, events.SandboxFilter(stream, events.SessionFilter("*", id)), 0, func(events.Event) error { return errHeld })
	switch {
	case errors.Is(err, errHeld):
		return fmt.Errorf("replay: the sandbox %s holds session %s already, and a second run would be mixed with the first in one history: name another with --to", stream, id)
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}

// printer shows each event at once: somebody watches.
func printer(cmd *cli.Command) func(events.Event) error {
	out := connect.Out(cmd)
	if cmd.Bool("json") {
		return func(e events.Event) error {
			line, err := e.MarshalJSON()
			if err != nil {
				return fmt.Errorf("replay: event %d: %w", e.Sequence, err)
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return fmt.Errorf("replay: %w", err)
			}
			return nil
		}
	}
	p := timeline.NewPrinter(out, timeline.Colourful(out), time.Local)
	return func(e events.Event) error {
		p.Event(e)
		return p.Flush()
	}
}

// say tells a person what was replayed. An interruption is no failure: one has seen enough.
func say(cmd *cli.Command, done, of int, took time.Duration, late Lateness, to string) error {
	text := fmt.Sprintf("replay: %d of %d events in %s", done, of, took.Round(time.Millisecond))
	if len(late.late) > 0 {
		text += fmt.Sprintf(", 99 of 100 within %s of when they were due", late.P99().Round(10*time.Microsecond))
	}
	if to != "" {
		text += fmt.Sprintf("; see them with `streamstack history --stream %s ID`", to)
	}
	if _, err := fmt.Fprintln(connect.Err(cmd), text); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}
