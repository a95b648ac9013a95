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
	"":               func(s projections.Session) string { return fmt.Sprintf("%020d", s.First) },
	"created_at":     func(s projections.Session) string { return fmt.Sprintf("%020d", s.First) },
	"id":             func(s projections.Session) string { return string(s.ID) },
	"app":            func(s projections.Session) string { return s.App },
	"container_id":   func(s projections.Session) string { return s.Instance },
	"cluster_id":     func(s projections.Session) string { return string(s.Agent) },
	"status":         func(s projections.Session) string { return string(s.Status) },
	"status_message": func(s projections.Session) string { return s.StatusMessage },
	"joinable":       func(s projections.Session) string { return fmt.Sprint(s.Joinable) },
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
// everything would: of a model that has followed the log, was asked for pages on the way or was not, and of one that was
// read from a snapshot.
func TestPagesAndLoadsEqualTheirDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		followed, asked := projections.NewSessions(), projections.NewSessions()
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 90), 0, 400).Draw(t, "sessions") {
			st := drawStep(t)
			if rapid.Bool().Draw(t, "new") {
				st = created(func(d *events.CreatedData) {
					d.App = rapid.StringMatching(`[a-c]{0,2}|application-with-a-long-name-[ab]`).Draw(t, "app")
					d.Joinable, d.Account = rapid.Bool().Draw(t, "joinable"), rapid.SampledFrom([]string{"", "anna", "ben"}).Draw(t, "account")
				})
			}
			e := eventOf(events.SessionID(fmt.Sprintf("0192f1c2-5d3e-7000-%d", n)), i+1, st.actor, st.name, st.data)
			followed.Fold(e)
			asked.Fold(e)
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "pages") {
				checkPage(t, "asked on the way", asked, drawQuery(t))
			}
		}
		restored := projections.NewSessions()
		if err := restored.Restore(followed.Dump()); err != nil {
			t.Fatal(err)
		}
		q := drawQuery(t)
		for name, m := range map[string]*projections.Sessions{"followed": followed, "restored": restored, "asked": asked} {
			known := m.List()
			if !slices.IsSortedFunc(known, func(a, b projections.Session) int { return cmp.Compare(a.First, b.First) }) {
				t.Fatal(name, "the list is not in order")
			}
			for _, s := range known {
				if x, ok := m.Get(s.ID); !ok || !reflect.DeepEqual(x, s) {
					t.Fatalf("%s: %+v is in the list alone", name, s)
				}
			}
			checkPage(t, name, m, q)
			checkLoads(t, m, known)
		}
	})
}

func drawQuery(t *rapid.T) projections.Query {
	return projections.Query{
		Status: rapid.SampledFrom([]projections.Status{"", projections.StatusCreated, projections.StatusError}).Draw(t, "status"),
		By:     rapid.SampledFrom([]projections.Field{"", "created_at", "id", "app", "container_id", "cluster_id", "status", "status_message", "joinable"}).Draw(t, "by"),
		Desc:   rapid.Bool().Draw(t, "desc"), Offset: rapid.IntRange(0, 70).Draw(t, "offset"), Limit: rapid.OneOf(rapid.IntRange(0, 70), rapid.Just(math.MaxInt)).Draw(t, "limit"),
	}
}

func checkPage(t *rapid.T, name string, m *projections.Sessions, q projections.Query) {
	want, wantTotal := naivePage(m.List(), q)
	got, total := m.Page(q)
	if total != wantTotal || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %+v gives %v of %d, not %v of %d", name, q, ids(got), total, ids(want), wantTotal)
	}
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

// Many sessions, all of one text or each of its own, in any order; then most of them change, and many go.
func TestPagesOfMany(t *testing.T) {
	const n = 3001 // a prime, so that every order below meets each session once
	m, seq := projections.NewSessions(), 0
	fold := func(i int, st step) {
		seq++
		m.Fold(eventOf(events.SessionID(fmt.Sprintf("s-%d", (i*7919)%n)), seq, st.actor, st.name, st.data))
	}
	for i := range n {
		fold(i, created())
	}
	checkPagesOfMany(t, m, n)
	gone := 0
	for i := range n {
		fold(i*3, claimed(1))
		switch i % 5 {
		case 0:
			fold(i*3, launchedAs(1+i%7))
			fold(i*3, ready())
		case 1:
			fold(i*3, failed(fmt.Sprint("code ", i%11)))
		case 2, 3:
			fold(i*3, terminated("left"))
			gone++
		}
	}
	checkPagesOfMany(t, m, n-gone)
}

func checkPagesOfMany(t *testing.T, m *projections.Sessions, n int) {
	t.Helper()
	all := m.List()
	for by := range sortTexts {
		for _, desc := range []bool{false, true} {
			whole, _ := naivePage(all, projections.Query{By: by, Desc: desc})
			for _, offset := range []int{0, 1, 2500, n - 10, n + 1} {
				q := projections.Query{By: by, Desc: desc, Offset: offset, Limit: 100}
				got, total := m.Page(q)
				require.Equal(t, n, total)
				require.Equal(t, ids(whole[min(offset, n):min(offset+100, n)]), ids(got), "%+v", q)
			}
		}
	}
}
