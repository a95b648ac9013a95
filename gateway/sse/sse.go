// Package sse writes and reads Server-Sent Events, the format text/event-stream of the WHATWG HTML standard, section 9.2.
//
// The format is lines: a field, a colon, a value. An empty line ends a message. Browsers read it (EventSource), and so
// does curl -N, which is why the log is offered in it.
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ContentType is the format's media type.
const ContentType = "text/event-stream"

// ErrTooLong is returned for a message beyond the reader's limit.
var ErrTooLong = errors.New("sse: message too long")

// Message is one message. An empty Event means "message" to a browser.
type Message struct {
	ID    string
	Event string
	Data  []byte
}

// Append appends a message in the stream's format to b. Line breaks split data over several fields, which a reader puts
// together again, all as line feeds. In ID and Event, which have one line, they are left out, as is NUL, which the
// standard forbids in an id.
func Append(b []byte, m Message) []byte {
	if m.ID != "" {
		b = field(b, "id", oneLine(m.ID))
	}
	if m.Event != "" {
		b = field(b, "event", oneLine(m.Event))
	}
	text := bytes.ReplaceAll(bytes.ReplaceAll(m.Data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		b = field(b, "data", string(line))
	}
	return append(b, '\n')
}

// AppendComment appends a comment, which readers pass over; it keeps a connection from looking idle.
func AppendComment(b []byte, text string) []byte { return append(field(b, "", oneLine(text)), '\n') }

// AppendRetry appends how long a browser waits before it connects again; whole milliseconds.
func AppendRetry(b []byte, d time.Duration) []byte {
	return append(field(b, "retry", strconv.FormatInt(d.Milliseconds(), 10)), '\n')
}

func field(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, '\n')
}

func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n\x00") {
		return s
	}
	return strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s)
}

// Reader reads a stream. It is for one goroutine.
type Reader struct {
	in     *bufio.Reader
	max    int
	lastID string
	retry  time.Duration
	// afterCR tells that a line ended with a carriage return, to which a line feed that follows belongs. It is not
	// waited for: the next line may be minutes away.
	afterCR bool
	begun   bool
}

// NewReader reads from r messages of at most limit bytes.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{in: bufio.NewReader(r), max: limit}
}

// LastID is the id that a reader shows as Last-Event-ID when it connects again.
func (r *Reader) LastID() string { return r.lastID }

// Retry is how long the server asks to wait before that; 0 if it said nothing.
func (r *Reader) Retry() time.Duration { return r.retry }

// Next returns the next message that has data. Its ID is the last one that the stream named. What comes before the end of
// the stream without an empty line behind it is no message.
func (r *Reader) Next() (Message, error) {
	var m Message
	id, hasData, size := r.lastID, false, 0
	for {
		line, err := r.line(r.max - size)
		if err != nil {
			return Message{}, err
		}
		size += len(line)
		if len(line) == 0 {
			r.lastID = id
			if hasData {
				m.ID = id
				return m, nil
			}
			m, size = Message{}, 0
			continue
		}
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			m.Event = value
		case "data":
			if hasData {
				m.Data = append(m.Data, '\n')
			}
			m.Data, hasData = append(m.Data, value...), true
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil && value[0] != '+' {
				r.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// line reads up to a line's end: CRLF, LF or CR.
func (r *Reader) line(limit int) ([]byte, error) {
	var line []byte
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return nil, fmt.Errorf("sse: %w", err)
		}
		skip := r.afterCR && c == '\n'
		r.afterCR = false
		switch {
		case skip:
		case c == '\n' || c == '\r':
			r.afterCR = c == '\r'
			if !r.begun {
				r.begun = true
				line = bytes.TrimPrefix(line, []byte("\ufeff")) // the standard lets a stream begin with a byte order mark
			}
			return line, nil
		case len(line) >= limit:
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, r.max)
		default:
			line = append(line, c)
		}
	}
}
