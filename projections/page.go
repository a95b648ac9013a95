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
	if fields[q.By] == nil {
		return m.inOrder(q)
	}
	buf := pages.Get().(*[]entry) //nolint:errcheck,forcetypeassert // it holds nothing else
	defer pages.Put(buf)
	*buf = m.matching((*buf)[:0], q)
	all := *buf
	from, to := q.bounds(len(all))
	order := m.order(q)
	nth(all, from, order)
	nth(all[from:], to-from, order)
	slices.SortFunc(all[from:to], order)
	page = make([]Session, 0, to-from)
	for _, e := range all[from:to] {
		page = append(page, *m.roster.rows[e.place].s)
	}
	return page, len(all)
}

// bounds are where the page begins and ends among so many.
func (q Query) bounds(total int) (from, to int) {
	from, to = min(max(q.Offset, 0), total), total
	if q.Limit > 0 {
		to = from + min(q.Limit, total-from)
	}
	return from, to
}

// takes tells whether the query takes a session that has not left.
func (q Query) takes(x *row) bool { return x.s != nil && (q.Status == "" || x.status == q.Status) }

// inOrder is Page in the order in which sessions are kept.
func (m *Sessions) inOrder(q Query) (page []Session, total int) {
	rows := m.roster.rows
	for i := range rows {
		if q.takes(&rows[i]) {
			total++
		}
	}
	from, to := q.bounds(total)
	page = make([]Session, 0, to-from)
	for i, n := 0, 0; n < to; i++ {
		x := &rows[i]
		if q.Desc {
			x = &rows[len(rows)-1-i]
		}
		if !q.takes(x) {
			continue
		}
		if n++; n > from {
			page = append(page, *x.s)
		}
	}
	return page, total
}

// entry is a session's row with the first bytes of what it is sorted by: most comparisons look at nothing but two of
// these, which are small, and hold no pointers.
type entry struct {
	head, next uint64
	place      int32 // the row: the order of creation
	long       bool  // there is more of the text
}

// pages keeps the memory of one query for the next.
var pages = sync.Pool{New: func() any { return new([]entry) }}

func (m *Sessions) matching(all []entry, q Query) []entry {
	text := fields[q.By]
	for i := range m.roster.rows {
		x := &m.roster.rows[i]
		if !q.takes(x) {
			continue
		}
		e := entry{place: int32(i)}
		s := text(x.s)
		e.head, e.next = heads(s)
		e.long = len(s) > headBytes
		all = append(all, e)
	}
	return all
}

// headBytes are the bytes of a text that an entry holds.
const headBytes = 16

// heads are the first sixteen bytes of a text as two numbers of the same order; what is missing counts as 0.
func heads(s string) (head, next uint64) {
	var b [headBytes]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// order compares two entries of a query. Those of equal texts come in the order of their creation, either way.
func (m *Sessions) order(q Query) func(a, b entry) int {
	text, rows := fields[q.By], m.roster.rows
	return func(a, b entry) int {
		var c int
		switch {
		case a.head != b.head:
			c = compare(a.head, b.head, 0, 0)
		case a.next != b.next:
			c = compare(a.next, b.next, 0, 0)
		case a.long || b.long:
			c = strings.Compare(text(rows[a.place].s), text(rows[b.place].s))
		}
		switch {
		case c == 0:
			return int(a.place) - int(b.place)
		case q.Desc:
			return -c
		default:
			return c
		}
	}
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
