package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"

	"streamstack/events"
	"streamstack/projections/columns"
)

// draft is a segment that is written to a temporary file and not yet stored.
type draft struct {
	segment  Segment
	file     *os.File
	parquet  *columns.ParquetWriter
	sessions map[uint64]struct{}
	until    time.Time // the end of its period; zero before the first event
}

// errOver ends the reading of a segment's range.
var errOver = errors.New("archive: the segment is complete")

// write writes what follows in the log from a sequence on, of one period and stored before over. It returns nil where
// there is nothing to archive yet.
func (a *Archiver) write(ctx context.Context, from events.Seq, over time.Time, period time.Duration) (_ *draft, err error) {
	t, err := os.CreateTemp("", "streamstack-segment-*")
	if err != nil {
		return nil, fmt.Errorf("archive: a place for a segment: %w", err)
	}
	d := &draft{segment: Segment{From: from}, file: t, parquet: columns.NewParquetWriter(t), sessions: map[uint64]struct{}{}}
	defer func() {
		if err != nil {
			d.remove()
		}
	}()
	if err := os.Remove(t.Name()); err != nil { // it lives as long as it is open
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := a.step("read"); err != nil {
		return nil, err
	}
	if err := a.read(ctx, d, over, period); err != nil {
		return nil, err
	}
	if d.segment.Events == 0 {
		d.remove()
		return nil, nil //nolint:nilnil // no segment is no error
	}
	return d, d.finish()
}

// read fills a draft. Any replica may answer, one that lags behind the leader too: each has all of the log up to some
// sequence, so the range ends earlier then, and nothing is missing from it.
func (a *Archiver) read(ctx context.Context, d *draft, over time.Time, period time.Duration) error {
	err := a.cfg.Archive.log.Read(ctx, events.SessionsStream, "", d.segment.From, func(e events.Event) error {
		if !e.Stored.Before(over) || (!d.until.IsZero() && !e.Stored.Before(d.until)) || d.segment.Events >= a.maxEvents {
			return errOver
		}
		return d.add(e, period)
	})
	if err != nil && !errors.Is(err, errOver) {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// add takes an event in. What is short-lived is passed over, and is part of the range all the same.
func (d *draft) add(e events.Event, period time.Duration) error {
	if events.ShortLived(e.Name) {
		if d.segment.Events > 0 {
			d.segment.To = e.Sequence
		}
		return nil
	}
	if d.segment.Events == 0 {
		d.segment.First, d.until = e.Stored, e.Stored.Truncate(period).Add(period)
	}
	if e.Session != "" {
		d.sessions[hash(e.Session)] = struct{}{}
	}
	d.segment.Events++
	d.segment.To, d.segment.Last = e.Sequence, e.Stored
	return d.parquet.Write(e)
}

// finish completes the file and the segment's entry.
func (d *draft) finish() error {
	if err := d.parquet.Close(); err != nil {
		return err
	}
	size, err := d.file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = d.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("archive: read the segment back: %w", err)
	}
	unique, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	s := &d.segment
	s.Bytes = size
	// Two archivers may write the same range; neither may touch the other's object.
	s.Object = fmt.Sprintf("events-%s-%s-%s-%.8s.parquet", s.First.UTC().Format("2006-01-02"), key(s.From), key(s.To), unique)
	s.setSessions(d.sessions)
	return nil
}

// remove gives the temporary file back.
func (d *draft) remove() { _ = d.file.Close() } // it was read, or is of no use

// entry is the segment as it is entered.
func (s Segment) entry() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return text, nil
}
