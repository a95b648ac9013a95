package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"streamstack/events"
	"streamstack/projections/archive"
	"streamstack/projections/columns"
	"streamstack/projections/progress"
)

// The formats.
const (
	NDJSON  = "ndjson"
	CSV     = "csv"
	Parquet = "parquet"
)

// ndjsonBuffer is how many bytes are written at once.
const ndjsonBuffer = 64 << 10

// Writer takes the events of an export. Nothing need be readable before Close, which leaves what is below open.
type Writer interface {
	Write(events.Event) error
	Close() error
}

// NewWriter makes the writer of a format.
func NewWriter(format string, w io.Writer) (Writer, error) {
	switch format {
	case NDJSON:
		return ndjson{bufio.NewWriterSize(w, ndjsonBuffer)}, nil
	case CSV:
		return columns.NewCSVWriter(w), nil
	case Parquet:
		return columns.NewParquetWriter(w), nil
	default:
		return nil, fmt.Errorf("export: format %q is unknown: use %s, %s or %s", format, NDJSON, CSV, Parquet)
	}
}

// ndjson writes one JSON object a line, in the form of cli.md.
type ndjson struct{ out *bufio.Writer }

func (n ndjson) Write(e events.Event) error {
	line, err := e.MarshalJSON()
	if err != nil {
		return fmt.Errorf("export: event %d: %w", e.Sequence, err)
	}
	if _, err := n.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("export: write: %w", err)
	}
	return nil
}

func (n ndjson) Close() error {
	if err := n.out.Flush(); err != nil {
		return fmt.Errorf("export: write: %w", err)
	}
	return nil
}

// query chooses events: both ends belong to it, zero ones are open.
type query struct {
	filter       string // subjects
	ceType       string // empty for any
	since, until events.Start
}

// errPast ends the reading beyond what is wanted.
var errPast = errors.New("export: past the end")

// copyEvents writes what a query chooses, and tells how many events that were.
func copyEvents(ctx context.Context, source archive.Source, q query, format string, w io.Writer, show progress.Show) (done int, err error) {
	defer show.Done()
	out, err := NewWriter(format, w)
	if err != nil {
		return 0, err
	}
	from := q.since.Seq
	if !q.since.Time.IsZero() {
		if from, err = source.SeqAt(ctx, q.since.Time); err != nil {
			return 0, fmt.Errorf("export: %w", err)
		}
	}
	last, err := source.Last(ctx)
	if err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	if q.until.Seq > 0 {
		last = min(last, q.until.Seq)
	}
	from = max(from, 1)
	err = source.Read(ctx, q.filter, from, func(e events.Event) error {
		// What is appended while this runs is for the next export: this one ends.
		if e.Sequence > last || (!q.until.Time.IsZero() && e.Stored.After(q.until.Time)) {
			return errPast
		}
		// By sequences, since how many events a filter chooses is known at the end only.
		show.Step(uint64(e.Sequence-from)+1, uint64(last-from)+1)
		if e.Stored.Before(q.since.Time) || (q.ceType != "" && e.Type != q.ceType) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if err := out.Write(e); err != nil {
			return err
		}
		done++
		return nil
	})
	if err != nil && !errors.Is(err, errPast) {
		return done, err
	}
	return done, out.Close()
}
