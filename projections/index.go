package projections

import (
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"streamstack/events"
)

// Figures of the indexes.
const (
	// indexLimit is how many indexes there are at most: the one that was asked for the longest ago makes room. One takes 52
	// bytes for each of its sessions (BenchmarkPage), so all of them 830, beside the 700 of a live session itself: less
	// than the 2 KiB that one may take.
	indexLimit = 16
	// indexIdle is after how many events that nobody asked in an index is dropped. Following one event takes half a
	// microsecond (BenchmarkFold), so following so many costs what making the index for 100,000 sessions does. Events
	// rather than time, for a fold knows no clock.
	indexIdle = 100_000
)

// order is what an index is made for: the sessions of a status, by a field, one way. Each way has its own, since sessions
// of the same text come in the order of their creation either way.
type order struct {
	status Status // empty: all
	by     Field
	desc   bool
}

// entry is a session in an index, with the text that it stands under: the session may have another by the time it is moved.
type entry struct {
	text string
	s    *Session
}

// index has the sessions of one order, in it.
type index struct {
	order
	text  func(*Session) string
	tree  *btree.BTreeG[entry]
	asked events.Seq // where the model was when somebody last asked
	// was and had are the text and the place, if any, of the session that is being folded.
	was string
	had bool
}

// compare is the order of two entries; no two sessions are equal.
func (o order) compare(a, b entry) int {
	c := strings.Compare(a.text, b.text)
	switch {
	case c == 0:
		return compare(a.s.First, b.s.First, 0, 0)
	case o.desc:
		return -c
	default:
		return c
	}
}

// takes tells whether a session that the model has is in the index.
func (o order) takes(s *Session) bool { return o.status == "" || o.status == s.Status }

// indexes are the orders in which somebody lists sessions these days. One is made by the first page that asks for it, and
// follows every event from then on; a process that nobody asks has none, and pays nothing. They are no part of the
// state: a snapshot has none.
type indexes struct {
	mu  sync.Mutex // pages are asked for at the same time; events come alone
	all []*index   // the one that was asked for the longest ago first
}

// get returns the index of a query, which is in order as long as no event is folded.
func (x *indexes) get(q Query, r *roster, at events.Seq) *index {
	x.mu.Lock()
	defer x.mu.Unlock()
	o := order{q.Status, q.By, q.Desc}
	var found *index
	i := slices.IndexFunc(x.all, func(i *index) bool { return i.order == o })
	switch {
	case i >= 0:
		found = x.all[i]
		x.all = slices.Delete(x.all, i, i+1)
	default:
		if len(x.all) == indexLimit {
			x.all = slices.Delete(x.all, 0, 1)
		}
		found = newIndex(o, r)
	}
	found.asked = at
	x.all = append(x.all, found)
	return found
}

// newIndex sorts all sessions; of 100,000 this takes 15 to 60 ms, by how alike the texts are, and events wait meanwhile.
func newIndex(o order, r *roster) *index {
	text, all := fields[o.by], make([]entry, 0, len(r.rows)-r.gone)
	for i := range r.rows {
		if x := &r.rows[i]; x.s != nil && (o.status == "" || o.status == x.status) {
			all = append(all, entry{text(x.s), x.s})
		}
	}
	slices.SortFunc(all, o.compare)
	less := func(a, b entry) bool { return o.compare(a, b) < 0 }
	i := &index{order: o, text: text, tree: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
	for _, e := range all {
		i.tree.Load(e)
	}
	return i
}

// before notes where a session stands that an event is about to change. It drops what nobody has asked for lately.
func (x *indexes) before(s *Session, at events.Seq) {
	if len(x.all) == 0 {
		return
	}
	x.all = slices.DeleteFunc(x.all, func(i *index) bool { return at-i.asked > indexIdle })
	for _, i := range x.all {
		i.was, i.had = i.text(s), s.Known() && i.takes(s)
	}
}

// after moves the session to where it belongs now.
func (x *indexes) after(s *Session) {
	for _, i := range x.all {
		is, has := i.text(s), !s.Gone() && i.takes(s)
		if has == i.had && is == i.was {
			continue
		}
		if i.had {
			i.tree.Delete(entry{i.was, s})
		}
		if has {
			i.tree.Set(entry{is, s})
		}
	}
}
