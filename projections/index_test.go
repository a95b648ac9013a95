package projections_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

// Who lists sessions has indexes, as many as there may be at most; who does not list any more, and a model that was read
// from a snapshot, has none.
func TestIndexesComeAndGo(t *testing.T) {
	m := projections.NewSessions()
	fold := func(seq int, st step) { m.Fold(eventOf(session, seq, st.actor, st.name, st.data)) }
	fold(1, created())
	require.Zero(t, m.Indexes(), "nobody has asked")
	m.Page(projections.Query{By: projections.FieldCreated, Desc: true})
	m.Page(projections.Query{Status: projections.StatusActive})
	require.Zero(t, m.Indexes(), "the order of creation needs none")

	before := m.Dump()
	byApp, byID := projections.Query{By: "app"}, projections.Query{By: "id"}
	m.Page(byApp)
	m.Page(projections.Query{By: "app", Offset: 3, Limit: 5})
	require.Equal(t, 1, m.Indexes(), "one for all pages of an order")
	m.Page(byID)
	require.Equal(t, 2, m.Indexes())
	require.Equal(t, before, m.Dump(), "they are no part of the state")

	fold(2, claimed(1))
	m.Page(byID) // at 2
	fold(1+projections.IndexIdle, launched())
	require.Equal(t, 2, m.Indexes())
	fold(2+projections.IndexIdle, ready())
	require.Equal(t, 1, m.Indexes(), "nobody has asked for apps since 1")
	fold(3+projections.IndexIdle, connected(peer1))
	require.Zero(t, m.Indexes())
	page, total := m.Page(byApp)
	require.Len(t, page, 1)
	require.Equal(t, 1, total)

	require.NoError(t, m.Restore(m.Dump()))
	require.Zero(t, m.Indexes())
}

func TestIndexesAreLimited(t *testing.T) {
	m := projections.NewSessions()
	m.Fold(event(1, created().actor, created().name, created().data))
	for range 3 {
		for by := range sortTexts {
			for _, q := range []projections.Query{{By: by}, {By: by, Desc: true}, {By: by, Status: projections.StatusCreated}} {
				page, total := m.Page(q)
				require.Len(t, page, 1)
				require.Equal(t, 1, total)
			}
		}
	}
	require.Equal(t, projections.IndexLimit, m.Indexes())
}

// Many list at the same time, in orders that have an index and in such that get one, while sessions come, change and go.
func TestPagesDuringFolds(t *testing.T) {
	const lives = 400
	r := projections.NewRunner("sessions", projections.NewSessions())
	orders := []projections.Query{{By: "id"}, {By: "app", Desc: true}, {By: "status", Limit: 7}, {By: "container_id", Status: projections.StatusActive}, {By: "status_message", Desc: true, Offset: 3}}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		readers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				q := orders[n%len(orders)]
				r.Read(func(m *projections.Sessions) {
					want, wantTotal := naivePage(m.List(), q)
					if got, total := m.Page(q); total != wantTotal || fmt.Sprint(ids(got)) != fmt.Sprint(ids(want)) {
						t.Errorf("%+v gives %v of %d, not %v of %d", q, ids(got), total, ids(want), wantTotal)
					}
				})
				runtime.Gosched()
			}
		})
	}
	seq := 0
	steps := []step{created(), claimed(1), launched(), ready(), terminating("left"), terminated("left")}
	for i := range lives + 20*len(steps) { // twenty at a time for each step
		for n, st := range steps {
			if life := i - 20*n; life >= 0 && life < lives {
				seq++
				r.Apply(eventOf(events.SessionID(fmt.Sprintf("s-%d", life*7919%lives)), seq, st.actor, st.name, st.data))
			}
		}
	}
	close(done)
	readers.Wait()
	r.Read(func(m *projections.Sessions) { require.Empty(t, m.List()) })
}

// listed is how many sessions the benchmarks have.
const listed = 100_000

func listedSessions() *projections.Sessions {
	m, seq := projections.NewSessions(), 0
	for i := range listed {
		for _, st := range []step{created(), claimed(1), launched(), failed(fmt.Sprint("exited with code ", i%200))} {
			seq++
			m.Fold(eventOf(listedID(i), seq, st.actor, st.name, st.data))
		}
	}
	return m
}

func listedID(i int) events.SessionID {
	return events.SessionID(fmt.Sprintf("%08x-5d3e-4000-8000-00000000abcd", uint32(i)*2654435761))
}

// BenchmarkPage is a page of 100 out of the middle of 100,000 sessions: of an order that has an index ("known"), and the
// first of one, which makes it ("new"), with the memory that this takes.
func BenchmarkPage(b *testing.B) {
	m := listedSessions()
	state := m.Dump()
	for _, by := range []projections.Field{"id", "app", "status_message"} {
		q := projections.Query{By: by, Desc: true, Offset: listed / 2, Limit: 100}
		b.Run(fmt.Sprintf("known/%s", by), func(b *testing.B) {
			m.Page(q)
			for b.Loop() {
				m.Page(q)
			}
		})
		b.Run(fmt.Sprintf("new/%s", by), func(b *testing.B) {
			var bytes uint64
			for b.Loop() {
				b.StopTimer()
				require.NoError(b, m.Restore(state))
				before := heap()
				b.StartTimer()
				m.Page(q)
				b.StopTimer()
				bytes = heap() - before
				b.StartTimer()
			}
			b.ReportMetric(float64(bytes)/listed, "B/session")
		})
	}
}

// BenchmarkFold is one event of one of 100,000 sessions, which changes where it stands in most orders: when nobody lists,
// and with as many indexes as there may be.
func BenchmarkFold(b *testing.B) {
	for _, indexes := range []int{0, projections.IndexLimit} {
		b.Run(fmt.Sprint("indexes=", indexes), func(b *testing.B) {
			m, all := listedSessions(), projections.Queries()
			for _, q := range all[:indexes] {
				m.Page(q)
			}
			seq := m.At()
			list := make([]events.Event, 0, 4096)
			for i := range cap(list) { // claimed and failed by turns
				st := []step{claimed(1), failed("lost its display")}[i/2048]
				list = append(list, eventOf(listedID(i%2048*47), 0, st.actor, st.name, st.data))
			}
			for i := 0; b.Loop(); i++ {
				seq++
				e := list[i%len(list)]
				e.Sequence = seq
				m.Fold(e)
				if seq%projections.IndexIdle == 0 {
					for _, q := range all[:indexes] { // somebody still asks
						m.Page(q)
					}
				}
			}
			require.Equal(b, indexes, m.Indexes())
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
