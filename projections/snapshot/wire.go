package snapshot

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrCorrupt is returned for bytes that no [Writer] and no [Seal] wrote.
var ErrCorrupt = errors.New("snapshot: damaged or truncated")

// Writer writes a state's values one after another, without names: variable-length integers (encoding/binary), strings
// with their length, and words that occur again and again as a number of their first place.
type Writer struct {
	buf   []byte
	words map[string]uint64
}

// NewWriter makes a writer with room for size bytes.
func NewWriter(size int) *Writer {
	return &Writer{buf: make([]byte, 0, size), words: map[string]uint64{}}
}

// Bytes are what was written. The writer is not to be used any more.
func (w *Writer) Bytes() []byte { return w.buf }

// Uint writes an unsigned number.
func (w *Writer) Uint(v uint64) { w.buf = binary.AppendUvarint(w.buf, v) }

// Int writes a number.
func (w *Writer) Int(v int64) { w.buf = binary.AppendVarint(w.buf, v) }

// Bool writes a truth value.
func (w *Writer) Bool(v bool) {
	if v {
		w.buf = append(w.buf, 1)
		return
	}
	w.buf = append(w.buf, 0)
}

// Text writes a string that is unlike others.
func (w *Writer) Text(s string) {
	w.Uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

// Word writes a string that many values have: the text once, then its number.
func (w *Writer) Word(s string) {
	n, ok := w.words[s]
	if !ok {
		n = uint64(len(w.words)) + 1
		w.words[s] = n
		w.Uint(0)
		w.Text(s)
		return
	}
	w.Uint(n)
}

// Time writes a time; its zone is lost, since the log's times are all UTC.
func (w *Writer) Time(t time.Time) {
	w.Bool(!t.IsZero())
	if !t.IsZero() {
		w.Int(t.Unix())
		w.Uint(uint64(t.Nanosecond()))
	}
}

// Reader reads what a [Writer] wrote. After the first error it returns zero values only; see [Reader.Err]. It takes
// no more memory than a small multiple of what it reads, whatever that says.
type Reader struct {
	data  []byte
	words []string
	err   error
}

// NewReader reads from b, which must not change meanwhile; nothing that is returned refers to it.
func NewReader(b []byte) *Reader { return &Reader{data: b} }

// Err is [ErrCorrupt] if anything could not be read, or if something is left.
func (r *Reader) Err() error {
	if r.err == nil && len(r.data) > 0 {
		r.Fail()
	}
	return r.err
}

// OK tells whether all has been read without fault so far; loops ask it.
func (r *Reader) OK() bool { return r.err == nil }

// Fail makes the reader fail: what was read makes no sense to who reads it.
func (r *Reader) Fail() {
	r.err = ErrCorrupt
	r.data = nil
}

// Uint reads an unsigned number.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.data = r.data[n:]
	return v
}

// Int reads a number.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.data = r.data[n:]
	return v
}

// Bool reads a truth value.
func (r *Reader) Bool() bool {
	if len(r.data) == 0 || r.data[0] > 1 {
		r.Fail()
		return false
	}
	v := r.data[0] == 1
	r.data = r.data[1:]
	return v
}

// Count reads how many elements follow. Each takes a byte at least, so a larger number is a fault, not a reason to
// allocate.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > uint64(len(r.data)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Text reads a string.
func (r *Reader) Text() string {
	n := r.Count()
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}

// Word reads a word; equal ones share their memory.
func (r *Reader) Word() string {
	n := r.Uint()
	switch {
	case r.err != nil:
		return ""
	case n == 0:
		s := r.Text()
		if r.err == nil {
			r.words = append(r.words, s)
		}
		return s
	case n > uint64(len(r.words)):
		r.Fail()
		return ""
	}
	return r.words[n-1]
}

// Time reads a time, in UTC.
func (r *Reader) Time() time.Time {
	if !r.Bool() {
		return time.Time{}
	}
	sec, nsec := r.Int(), r.Uint()
	if nsec >= uint64(time.Second) {
		r.Fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}
