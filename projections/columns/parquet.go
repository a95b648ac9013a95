package columns

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"streamstack/events"
)

// Sizes of a Parquet file's parts. A writer holds one row group in memory, a reader one page of each column.
const (
	// groupRows and groupBytes bound a row group, by rows and by payloads' bytes, whichever comes first: large enough for
	// columns to compress well and for engines to share out the work, small enough to hold while it is written.
	groupRows  = 32 << 10
	groupBytes = 16 << 20
	// pageBytes is how much of a column is read at a time.
	pageBytes = 256 << 10
	// dictBytes is how large a dictionary may become before a column is written plainly.
	dictBytes = 1 << 20
	// bloomBits a distinct session let a reader skip 99 of 100 row groups that do not hold it.
	bloomBits = 10
	// chunkRows are converted at a time.
	chunkRows = 256

	schemaKey     = "streamstack.schema"
	schemaVersion = "1"
)

// ParquetWriter writes events as a Parquet file. Its memory is bounded by one row group, however many events come; the
// file's index grows by about half a byte a row. It is for one goroutine.
type ParquetWriter struct {
	w     *parquet.GenericWriter[Row]
	rows  []Row
	held  int // rows in the open row group
	bytes int // of payloads in it
}

// NewParquetWriter writes to w, which stays the caller's. Nothing is readable before [ParquetWriter.Close].
func NewParquetWriter(w io.Writer) *ParquetWriter {
	return &ParquetWriter{
		w: parquet.NewGenericWriter[Row](w,
			parquet.MaxRowsPerRowGroup(groupRows), parquet.PageBufferSize(pageBytes), parquet.DictionaryMaxBytes(dictBytes),
			parquet.BloomFilters(parquet.SplitBlockFilter(bloomBits, "session")),
			// Nobody looks for a payload by its first bytes, and each bound would be a whole payload.
			parquet.SkipPageBounds("data"), parquet.SkipPageStatistics("data"),
			parquet.KeyValueMetadata(schemaKey, schemaVersion),
		),
		rows: make([]Row, 0, chunkRows),
	}
}

// Write adds an event.
func (p *ParquetWriter) Write(e events.Event) error {
	p.rows = append(p.rows, FromEvent(e))
	p.held++
	p.bytes += len(e.Data)
	if len(p.rows) == cap(p.rows) {
		if err := p.spill(); err != nil {
			return err
		}
	}
	if p.held < groupRows && p.bytes < groupBytes {
		return nil
	}
	if err := p.spill(); err != nil {
		return err
	}
	p.held, p.bytes = 0, 0
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("columns: write a row group: %w", err)
	}
	return nil
}

// spill hands the rows over to the open row group.
func (p *ParquetWriter) spill() error {
	if _, err := p.w.Write(p.rows); err != nil {
		return fmt.Errorf("columns: write rows: %w", err)
	}
	clear(p.rows) // lets go of the payloads
	p.rows = p.rows[:0]
	return nil
}

// Close writes what is left and the file's index. It may not be called twice.
func (p *ParquetWriter) Close() error {
	if err := p.spill(); err != nil {
		return err
	}
	if err := p.w.Close(); err != nil {
		return fmt.Errorf("columns: finish the file: %w", err)
	}
	return nil
}

// Query chooses rows; a zero member chooses all.
type Query struct {
	From    events.Seq // the first sequence wanted
	Session events.SessionID
}

// ReadParquet hands on the events of a file that a [ParquetWriter] wrote, in their order. Row groups that cannot hold
// what is wanted are not read. fn's error ends it and is returned as it is. The file must be whole: whoever fetched it
// has checked its digest.
func ReadParquet(ctx context.Context, r io.ReaderAt, size int64, q Query, fn func(events.Event) error) error {
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("columns: open the file: %w", err)
	}
	for _, g := range f.RowGroups() {
		if wanted, err := q.wants(f, g); err != nil {
			return err
		} else if !wanted {
			continue
		}
		if err := readGroup(ctx, g, q, fn); err != nil {
			return err
		}
	}
	return nil
}

// wants tells whether a row group may hold what is wanted.
func (q Query) wants(f *parquet.File, g parquet.RowGroup) (bool, error) {
	chunks := g.ColumnChunks()
	if c, ok := f.Schema().Lookup("sequence"); ok && q.From > 0 {
		if chunk, ok := chunks[c.ColumnIndex].(*parquet.FileColumnChunk); ok {
			if _, last, ok := chunk.Bounds(); ok && events.Seq(last.Int64()) < q.From {
				return false, nil
			}
		}
	}
	c, ok := f.Schema().Lookup("session")
	if !ok || q.Session == "" {
		return true, nil
	}
	filter := chunks[c.ColumnIndex].BloomFilter()
	if filter == nil {
		return true, nil
	}
	may, err := filter.Check(parquet.ValueOf(string(q.Session)))
	if err != nil {
		return false, fmt.Errorf("columns: filter of sessions: %w", err)
	}
	return may, nil
}

func readGroup(ctx context.Context, g parquet.RowGroup, q Query, fn func(events.Event) error) (err error) {
	r := parquet.NewGenericRowGroupReader[Row](g)
	defer func() {
		if cerr := r.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("columns: close a row group: %w", cerr)
		}
	}()
	rows := make([]Row, chunkRows)
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("columns: read: %w", err)
		}
		n, err := r.Read(rows)
		for i := range rows[:n] {
			if row := &rows[i]; events.Seq(row.Sequence) >= q.From && (q.Session == "" || row.Session == string(q.Session)) {
				if err := fn(row.Event()); err != nil {
					return err
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("columns: read rows: %w", err)
		case n == 0:
			return fmt.Errorf("columns: read rows: %w", io.ErrNoProgress)
		}
		clear(rows) // a null leaves what was there before
	}
}
