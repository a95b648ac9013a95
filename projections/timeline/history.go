package timeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/projections/archive"
	"streamstack/projections/quality"
)

// readTimeout bounds how long `history` reads; a session has some dozens of events.
const readTimeout = 30 * time.Second

// errUnknown is returned for a session that the log does not hold.
var errUnknown = errors.New("is not in the log: `streamstack session ls` lists the sessions, `streamstack tail --since 1 --type created` all there ever were")

// History is the command `history ID` (cli.md).
func History() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "a session's events in order, and what became of it", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
		Flags: append([]cli.Flag{
			connect.JSONFlag(),
			&cli.StringFlag{Name: "at", Usage: "the state as of `SEQ|TIME`", Sources: connect.Env("at")},
			&cli.BoolFlag{Name: "quality", Usage: "with --json: the quality samples and the decisions too, behind the events; their sequences are of a stream of their own", Sources: connect.Env("quality")},
			&cli.StringFlag{Name: "stream", Usage: "a session replayed into the sandbox `STREAM`", Sources: connect.Env("stream")},
		}, connect.NATSFlags()...),
		Action: history,
	}
}

func history(ctx context.Context, cmd *cli.Command) error {
	id, err := connect.OneArg(cmd, "ID")
	if err != nil {
		return err
	}
	at := cmd.String("at")
	cut := func(list []events.Event) (int, func(events.Event) bool) {
		return len(list), func(events.Event) bool { return true }
	}
	if at != "" {
		w, err := parseWhen(at, time.Now())
		if err != nil {
			return connect.Usagef("--at: %w", err)
		}
		cut = w.cut
	}
	log, err := connect.Open(ctx, cmd, connect.Logger(cmd))
	if err != nil {
		return err
	}
	defer log.Conn().Close()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found, err := Read(ctx, log, cmd.String("stream"), events.SessionID(id))
	if err != nil {
		return err
	}
	n, keep := cut(found)
	kept := found[:n]
	if len(kept) == 0 && found[0].Name != events.Created {
		return fmt.Errorf("session %s as of %s is not kept any more: the first event that is left of it is %d of %s", id, at, found[0].Sequence,
			found[0].Time.Local().Format(time.RFC3339))
	}
	if len(kept) == 0 {
		return fmt.Errorf("session %s did not exist as of %s: its first event is %d of %s", id, at, found[0].Sequence,
			found[0].Time.Local().Format(time.RFC3339))
	}
	if cmd.Bool("json") {
		if err := printJSON(connect.Out(cmd), kept); err != nil || !cmd.Bool("quality") {
			return err
		}
		out := connect.Out(cmd)
		return readQuality(ctx, log, kept[0], keep, quality.Visitor{
			Sample:    func(_ events.QualitySample, e events.Event) error { return printRecord(out, e) },
			Decisions: func(_ events.QualityDecisions, e events.Event) error { return printRecord(out, e) },
		})
	}
	told := Build(kept)
	clients, err := foldQuality(ctx, log, kept[0], keep)
	if err != nil { // a history is worth reading without them
		connect.Logger(cmd).Warn("the quality of the stream is not shown in full", "err", err)
	}
	told.AddQuality(clients)
	p := NewPrinter(connect.Out(cmd), Colourful(connect.Out(cmd)), time.Local)
	p.Timeline(told, at)
	return p.Flush()
}

// Read reads all events of a session, whatever its region: from the log and its archive, or from the sandbox of that
// name where stream is not empty. A session that is not there is an error that says so.
func Read(ctx context.Context, log *events.Log, stream string, id events.SessionID) ([]events.Event, error) {
	if !events.ValidToken(string(id)) {
		return nil, fmt.Errorf("session %s %w", clean(string(id)), errUnknown)
	}
	source, closeIt, err := archive.Open(ctx, log, stream)
	if err != nil {
		return nil, err
	}
	defer closeIt()
	var found []events.Event
	err = source.Read(ctx, events.SessionFilter("*", id), 0, func(e events.Event) error {
		found = append(found, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("timeline: %w", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("session %s %w", clean(string(id)), errUnknown)
	}
	return found, nil
}

// printJSON prints events as records: one JSON object a line.
func printJSON(w io.Writer, list []events.Event) error {
	for _, e := range list {
		if err := printRecord(w, e); err != nil {
			return err
		}
	}
	return nil
}

func printRecord(w io.Writer, e events.Event) error {
	text, err := e.MarshalJSON()
	if err != nil {
		return fmt.Errorf("timeline: event %d: %w", e.Sequence, err)
	}
	if _, err := w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("timeline: %w", err)
	}
	return nil
}
