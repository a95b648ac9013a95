package projections

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

// Page returns one page, and how many sessions the query takes without its limits. Pages may be asked for at the same
// time, as long as no event is folded meanwhile.
//
// The first page of an order sorts all sessions, and leaves an index for those that follow (see [indexes]): they cost
// what they return. The order of creation needs none, for sessions are kept in it.
func (m *Sessions) Page(q Query) (page []Session, total int) {
	if fields[q.By] == nil {
		return m.inOrder(q)
	}
	tree := m.indexes.get(q, &m.roster, m.at).tree
	from, to := q.bounds(tree.Len())
	page = make([]Session, 0, to-from)
	first, ok := tree.GetAt(from)
	if !ok {
		return page, tree.Len()
	}
	tree.Ascend(first, func(e entry) bool {
		page = append(page, *e.s)
		return len(page) < to-from
	})
	return page, tree.Len()
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
