package projections

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"sync"
)

// Field is what a list of sessions can be sorted by, as the API calls it.
type Field string

// FieldCreated is the order of a list that names no other: as the sessions came into the log.
const FieldCreated Field = "created_at"

// fields give a session's text for each field. The order of the texts is that of the field; sessions of the same text
// come in the order of their creation.
var fields = map[Field]func(*Session) string{
	FieldCreated:     nil, // the order that they are kept in
	"id":             func(s *Session) string { return string(s.ID) },
	"app":            func(s *Session) string { return s.App },
	"region":         func(s *Session) string { return string(s.Region) },
	"status":         func(s *Session) string { return string(s.Status) },
	"status_message": func(s *Session) string { return s.StatusMessage },
	"container_id":   func(s *Session) string { return s.Instance },
	"cluster_id":     func(s *Session) string { return string(s.Agent) },
	"joinable": func(s *Session) string {
		if s.Joinable {
			return "1"
		}
		return "0"
	},
}

// Sortable tells whether a list can be sorted by a field.
func Sortable(f Field) bool { _, ok := fields[f]; return ok }

// Query chooses a page of the list of sessions.
type Query struct {
	Status Status // only these; empty: all
	By     Field  // one that is [Sortable]; empty: [FieldCreated]
	Desc   bool
	// Offset is how many to leave out, Limit how many there may be at most; 0 is no limit.
	Offset, Limit int
}

// Page returns one page, and how many sessions the query takes without its limits.
//
// It looks at every session, and sorts none but the page's: an index for each field would have to follow every event,
// for lists that are seldom asked for. A page of 100 among 100,000 takes a few milliseconds (deployments/bench).
func (m *Sessions) Page(q Query) (page []Session, total int) {
	buf := pages.Get().(*[]entry) //nolint:errcheck,forcetypeassert // it holds nothing else
	defer func() {
		clear(*buf) // or it would keep sessions alive
		pages.Put(buf)
	}()
	all := m.matching((*buf)[:0], q)
	*buf = all
	total = len(all)
	from := min(max(q.Offset, 0), total)
	to := total
	if q.Limit > 0 {
		to = min(total, from+q.Limit)
	}
	if fields[q.By] != nil {
		order := byKey
		if q.Desc {
			order = byKeyDown
		}
		nth(all, from, order)
		nth(all[from:], to-from, order)
		slices.SortFunc(all[from:to], order)
	}
	page = make([]Session, 0, to-from)
	for i := from; i < to; i++ {
		at := i
		if fields[q.By] == nil && q.Desc {
			at = total - 1 - i
		}
		page = append(page, *all[at].s)
	}
	return page, total
}

// entry is a session with what it is sorted by. The first bytes of the text stand by themselves, so that most
// comparisons look at nothing but two entries.
type entry struct {
	head, next uint64
	text       string
	s          *Session
	place      int32 // in the order of creation
}

// pages keeps the memory of one query for the next.
var pages = sync.Pool{New: func() any { return new([]entry) }}

func (m *Sessions) matching(all []entry, q Query) []entry {
	text := fields[q.By]
	for i := range m.roster.rows {
		x := &m.roster.rows[i]
		if x.s == nil || q.Status != "" && x.status != q.Status {
			continue
		}
		e := entry{s: x.s, place: int32(i)} //nolint:gosec // no memory holds two thousand million sessions
		if text != nil {
			e.text = text(x.s)
			e.head, e.next = heads(e.text)
		}
		all = append(all, e)
	}
	return all
}

// heads are the first sixteen bytes of a text as two numbers of the same order; what is missing counts as 0.
func heads(s string) (head, next uint64) {
	if len(s) >= 16 {
		return binary.BigEndian.Uint64([]byte(s[:8])), binary.BigEndian.Uint64([]byte(s[8:16]))
	}
	var b [16]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

func byKey(a, b entry) int {
	if a.head != b.head {
		return compare(a.head, b.head, 0, 0)
	}
	if a.next != b.next {
		return compare(a.next, b.next, 0, 0)
	}
	// What is equal as far as that, and no longer, is equal: a text in which bytes are 0 differs in its length.
	if len(a.text) > 16 || len(b.text) > 16 || len(a.text) != len(b.text) {
		if c := strings.Compare(a.text, b.text); c != 0 {
			return c
		}
	}
	return compare(a.place, b.place, 0, 0)
}

// byKeyDown turns the texts' order around, not that of equal ones.
func byKeyDown(a, b entry) int {
	if a.head == b.head && a.next == b.next && a.text == b.text {
		return compare(a.place, b.place, 0, 0)
	}
	return byKey(b, a)
}

// nth puts the n smallest entries first, in no order (Hoare's quickselect). No two entries are equal.
func nth(all []entry, n int, order func(a, b entry) int) {
	for rounds := 2 * bits.Len(uint(len(all))); n > 0 && n < len(all); rounds-- {
		if rounds == 0 || len(all) < 32 { // pivots were bad, time after time
			slices.SortFunc(all, order)
			return
		}
		left := partition(all, order)
		if n <= left {
			all = all[:left]
		} else {
			all, n = all[left:], n-left
		}
	}
}

// partition splits at the median of three; both parts have at least one entry, and none in the left comes after one in
// the right.
func partition(all []entry, order func(a, b entry) int) int {
	mid, last := len(all)/2, len(all)-1
	three := [3]entry{all[0], all[mid], all[last]}
	slices.SortFunc(three[:], order)
	all[0], all[mid], all[last] = three[0], three[1], three[2]
	pivot := three[1]
	i, j := 0, last
	for {
		for order(all[i], pivot) < 0 {
			i++
		}
		for order(all[j], pivot) > 0 {
			j--
		}
		if i >= j {
			return i
		}
		all[i], all[j] = all[j], all[i]
		i++
		j--
	}
}
