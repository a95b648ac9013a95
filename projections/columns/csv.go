package columns

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"streamstack/events"
)

// CSVWriter writes events as comma-separated values (RFC 4180): a header, then one record an event, with the columns of
// [Row]. Fields are quoted where they must be, records end with CR LF, and line breaks within a field stay as they are
// (encoding/csv would change them). Times are RFC 3339 in UTC; null is an empty field.
//
// Many open CSV with a spreadsheet, which takes a text that begins with =, +, - or @ for a formula, and clients choose
// some of the texts (the reason with which a websocket is closed, say). Such texts get an apostrophe in front ("CSV
// injection" of OWASP). The column data, which is JSON and so can never begin a formula, has them as they were. No control character but tab and line breaks is in
// any field, whatever a publisher wrote: a terminal that shows the file does what they say.
//
// It is for one goroutine.
type CSVWriter struct {
	out  *bufio.Writer
	line []byte
}

// csvBuffer is how many bytes are written at once.
const csvBuffer = 64 << 10

// column is a field of [Row] with its name.
type column struct {
	name  string
	index int
	time  bool // nanoseconds since 1970
	json  bool
}

var csvColumns = rowColumns()

func rowColumns() []column {
	var list []column
	for f := range reflect.TypeFor[Row]().Fields() {
		name, rest, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		list = append(list, column{name: name, index: f.Index[0], time: strings.Contains(rest, "timestamp"), json: strings.HasPrefix(rest, "json")})
	}
	return list
}

// NewCSVWriter writes to w, beginning with the header. What it writes is buffered: see [CSVWriter.Close].
func NewCSVWriter(w io.Writer) *CSVWriter {
	c := &CSVWriter{out: bufio.NewWriterSize(w, csvBuffer)}
	for _, col := range csvColumns {
		c.line = append(append(c.line, col.name...), ',')
	}
	c.line = endRecord(c.line)
	return c
}

// Write adds an event.
func (c *CSVWriter) Write(e events.Event) error {
	row := reflect.ValueOf(FromEvent(e))
	for _, col := range csvColumns {
		c.line = append(appendField(c.line, row.Field(col.index), col), ',')
	}
	c.line = endRecord(c.line)
	return c.spill()
}

// Close writes what is buffered; w stays open.
func (c *CSVWriter) Close() error {
	if err := c.spill(); err != nil { // the header of an empty export
		return err
	}
	if err := c.out.Flush(); err != nil {
		return fmt.Errorf("columns: write: %w", err)
	}
	return nil
}

func (c *CSVWriter) spill() error {
	_, err := c.out.Write(c.line)
	c.line = c.line[:0]
	if err != nil {
		return fmt.Errorf("columns: write: %w", err)
	}
	return nil
}

// endRecord puts the end of the record in the place of the last comma.
func endRecord(line []byte) []byte { return append(line[:len(line)-1], '\r', '\n') }

func appendField(line []byte, v reflect.Value, col column) []byte {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return line
		}
		v = v.Elem()
	} else if v.IsZero() {
		return line
	}
	switch {
	case col.time:
		return time.Unix(0, v.Int()).UTC().AppendFormat(line, time.RFC3339Nano)
	case v.CanInt():
		return strconv.AppendInt(line, v.Int(), 10)
	case v.Kind() == reflect.Bool:
		return strconv.AppendBool(line, v.Bool())
	case col.json:
		return appendText(line, printable(v.String()))
	default:
		return appendText(line, harmless(v.String()))
	}
}

// appendText quotes a text if it must be (RFC 4180, section 2).
func appendText(line []byte, s string) []byte {
	if !strings.ContainsAny(s, "\",\r\n") && !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ") {
		return append(line, s...)
	}
	line = append(line, '"')
	line = append(line, strings.ReplaceAll(s, `"`, `""`)...)
	return append(line, '"')
}

// printable escapes in JSON what a terminal would obey: C1 controls and DEL, which JSON allows in a string as they are. They can
// stand nowhere else in it, so the value stays the same.
func printable(s string) string {
	if !strings.ContainsFunc(s, unescaped) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unescaped(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unescaped(r rune) bool { return unicode.IsControl(r) && r >= 0x7f }

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r\n", s[0]) >= 0 {
		return "'" + s
	}
	return s
}
