package projections_test

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/projections"
)

// sortTexts are the fields in the words of the contract, to hold pages against a plain sort.
var sortTexts = map[projections.Field]func(projections.Session) string{
	"":             func(s projections.Session) string { return fmt.Sprintf("%020d", s.First) },
	"created_at":   func(s projections.Session) string { return fmt.Sprintf("%020d", s.First) },
	"id":           func(s projections.Session) string { return string(s.ID) },
	"app":          func(s projections.Session) string { return s.App },
	"container_id": func(s projections.Session) string { return s.Instance },
	"cluster_id":   func(s projections.Session) string { return string(s.Agent) },
	"status":       func(s projections.Session) string { return string(s.Status) },
	"joinable":     func(s projections.Session) string { return fmt.Sprint(s.Joinable) },
}

// naivePage is what a page is by definition.
func naivePage(all []projections.Session, q projections.Query) (page []projections.Session, total int) {
	all = slices.DeleteFunc(slices.Clone(all), func(s projections.Session) bool { return q.Status != "" && s.Status != q.Status })
	text := sortTexts[q.By]
	slices.SortStableFunc(all, func(a, b projections.Session) int {
		if q.Desc {
			a, b = b, a
		}
		return strings.Compare(text(a), text(b))
	})
	total = len(all)
	all = all[min(q.Offset, total):]
	if q.Limit > 0 {
		all = all[:min(q.Limit, len(all))]
	}
	return all, total
}

// Whatever has happened, a page is what filtering and sorting everything would give, and the loads are what counting
// everything would: of a model that has followed the log, and of one that was read from a snapshot.
func TestPagesAndLoadsEqualTheirDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		followed := projections.NewSessions()
		var known []projections.Session
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 90), 0, 400).Draw(t, "sessions") {
			st := drawStep(t)
			if rapid.Bool().Draw(t, "new") {
				st = created(func(d *events.CreatedData) {
					d.App = rapid.StringMatching(`[a-c]{0,2}|application-with-a-long-name-[ab]`).Draw(t, "app")
					d.Joinable, d.Account = rapid.Bool().Draw(t, "joinable"), rapid.SampledFrom([]string{"", "anna", "ben"}).Draw(t, "account")
				})
			}
			followed.Fold(eventOf(events.SessionID(fmt.Sprintf("0192f1c2-5d3e-7000-%d", n)), i+1, st.actor, st.name, st.data))
		}
		restored := projections.NewSessions()
		if err := restored.Restore(followed.Dump()); err != nil {
			t.Fatal(err)
		}
		q := projections.Query{
			Status: rapid.SampledFrom([]projections.Status{"", projections.StatusCreated, projections.StatusError}).Draw(t, "status"),
			By:     rapid.SampledFrom([]projections.Field{"", "created_at", "id", "app", "container_id", "cluster_id", "status", "joinable"}).Draw(t, "by"),
			Desc:   rapid.Bool().Draw(t, "desc"), Offset: rapid.IntRange(0, 70).Draw(t, "offset"), Limit: rapid.OneOf(rapid.IntRange(0, 70), rapid.Just(math.MaxInt)).Draw(t, "limit"),
		}
		for name, m := range map[string]*projections.Sessions{"followed": followed, "restored": restored} {
			known = m.List()
			if !slices.IsSortedFunc(known, func(a, b projections.Session) int { return cmp.Compare(a.First, b.First) }) {
				t.Fatal(name, "the list is not in order")
			}
			for _, s := range known {
				if x, ok := m.Get(s.ID); !ok || !reflect.DeepEqual(x, s) {
					t.Fatalf("%s: %+v is in the list alone", name, s)
				}
			}
			want, wantTotal := naivePage(known, q)
			got, total := m.Page(q)
			if total != wantTotal || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %+v gives %v of %d, not %v of %d", name, q, ids(got), total, ids(want), wantTotal)
			}
			checkLoads(t, m, known)
		}
	})
}

func ids(list []projections.Session) (out []events.SessionID) {
	for _, s := range list {
		out = append(out, s.ID)
	}
	return out
}

func checkLoads(t *rapid.T, m *projections.Sessions, known []projections.Session) {
	live, held, of := 0, map[events.AgentID]int{}, map[string]int{}
	for _, s := range known {
		if !s.Live() {
			continue
		}
		live++
		of[s.Account]++
		if s.Claimed {
			held[s.Agent]++
		}
	}
	delete(held, "")
	gotLive, gotHeld := m.Load(region)
	if gotLive != live || !reflect.DeepEqual(gotHeld, held) {
		t.Fatalf("load is %d, %v, not %d, %v", gotLive, gotHeld, live, held)
	}
	for _, a := range []string{"anna", "ben", "nobody"} {
		if m.LiveOf(a) != of[a] {
			t.Fatalf("%s has %d live sessions, not %d", a, m.LiveOf(a), of[a])
		}
	}
}

// Many sessions, all of one text or each of its own, in any order: no choice of pivots is bad.
func TestPagesOfMany(t *testing.T) {
	const n = 5000
	m := projections.NewSessions()
	for i := range n {
		id := events.SessionID(fmt.Sprintf("s-%d", (i*7919)%n))
		m.Apply(eventOf(id, i+1, created().actor, created().name, created().data))
	}
	for by := range sortTexts {
		for _, desc := range []bool{false, true} {
			for _, offset := range []int{0, 1, 2500, n - 10, n + 1} {
				q := projections.Query{By: by, Desc: desc, Offset: offset, Limit: 100}
				want, _ := naivePage(m.List(), q)
				got, total := m.Page(q)
				require.Equal(t, n, total)
				require.Equal(t, ids(want), ids(got), "%+v", q)
			}
		}
	}
}
