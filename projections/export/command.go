package export

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/projections/archive"
	"streamstack/projections/progress"
	"streamstack/projections/timeline"
)

// Command is `streamstack export` (cli.md).
func Command() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "events to a file: one record an event", OnUsageError: connect.OnUsageError,
		Description: "Reads the log and, for what has expired there, its archive. CSV is RFC 4180; a text in it that a spreadsheet would take\n" +
			"for a formula gets an apostrophe in front, the column data has it as it was. A file appears whole or not at all.",
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "`ndjson|csv|parquet`", Value: NDJSON, Sources: connect.Env("format")},
			&cli.StringFlag{Name: "since", Usage: "begin at `SEQ|TIME|DURATION`, not with the first event", Sources: connect.Env("since")},
			&cli.StringFlag{Name: "until", Usage: "end with `SEQ|TIME|DURATION`, not with the last event", Sources: connect.Env("until")},
			&cli.StringFlag{Name: "out", Usage: "write to `FILE`, not to standard output", TakesFile: true, Sources: connect.Env("out")},
			&cli.StringFlag{Name: "stream", Usage: "what was replayed into the sandbox `STREAM`, not the log", Sources: connect.Env("stream")},
		}, timeline.SelectionFlags()...), connect.NATSFlags()...),
		Action: run,
	}
}

func run(ctx context.Context, cmd *cli.Command) error {
	q, err := parse(cmd, time.Now())
	if err != nil {
		return err
	}
	format, path := cmd.String("format"), cmd.String("out")
	if err := checkOutput(cmd, format, path); err != nil {
		return err
	}
	logger := connect.Logger(cmd)
	source, closeIt, err := archive.OpenNamed(ctx, cmd, logger)
	if err != nil {
		return err
	}
	defer closeIt()
	begun, done := time.Now(), 0
	err = toFile(path, connect.Out(cmd), func(w io.Writer) (err error) {
		done, err = copyEvents(ctx, source, q, format, w, progress.New(os.Stderr, logger, "the log"))
		return err
	})
	if ctx.Err() != nil {
		return fmt.Errorf("export: interrupted after %d events: nothing was kept of %s", done, orStandardOutput(path))
	}
	if err != nil {
		return err
	}
	return say(cmd, done, path, time.Since(begun))
}

// say tells what became of the export, where a person could wonder.
func say(cmd *cli.Command, done int, path string, took time.Duration) error {
	if path == "" && done > 0 {
		return nil // it is there to be seen
	}
	to := ""
	if path != "" {
		to = " to " + path
	}
	if _, err := fmt.Fprintf(connect.Err(cmd), "export: %d events%s in %s\n", done, to, took.Round(time.Millisecond)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

func orStandardOutput(path string) string {
	if path == "" {
		return "what comes after them"
	}
	return path
}

// checkOutput refuses what cannot be written before anything is read.
func checkOutput(cmd *cli.Command, format, path string) error {
	switch format {
	case NDJSON, CSV:
	case Parquet:
		if path == "" {
			return connect.Usagef("%s: parquet is no text: name a file with --out FILE", cmd.FullName())
		}
	default:
		return connect.Usagef("%s: --format takes %s, %s or %s, not %q", cmd.FullName(), NDJSON, CSV, Parquet, format)
	}
	return nil
}

func parse(cmd *cli.Command, now time.Time) (q query, err error) {
	if err := connect.NoArgs(cmd); err != nil {
		return q, err
	}
	if q.filter, q.ceType, err = timeline.ParseSelection(cmd).Filter(); err != nil {
		return q, err
	}
	for flag, to := range map[string]*events.Start{"since": &q.since, "until": &q.until} {
		text := cmd.String(flag)
		if text == "" {
			continue
		}
		if flag == "until" && text == "0" {
			return q, connect.Usagef("%s: --until 0 is before the first event, whose sequence is 1", cmd.FullName())
		}
		if *to, err = timeline.ParseSince(text, now); err != nil {
			return q, connect.Usagef("%s: --%s: %w", cmd.FullName(), flag, err)
		}
	}
	return q, nil
}
