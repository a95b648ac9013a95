package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections/columns"
)

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-7d4e-4b53-9a52-0d8ce3a5a0f1"
	// patience bounds every wait of these tests.
	patience = 30 * time.Second
)

// rig is a log that nothing expires from by itself, and archivers on it.
type rig struct {
	t   *testing.T
	log *events.Log
}

func newRig(t *testing.T) rig {
	return rig{t, eventstest.Log(t)}
}

// archiver archives everything that was stored before the next day begins, as if it had come.
func (r rig) archiver() *Archiver {
	a := New(r.log)
	r.t.Cleanup(a.Close)
	x := NewArchiver(Config{Archive: a, Logger: slog.New(slog.DiscardHandler)})
	x.now = func() time.Time { return time.Now().Add(maxPeriod) }
	return x
}

// reader is a fresh view of the archive.
func (r rig) reader() *Archive {
	a := New(r.log)
	r.t.Cleanup(a.Close)
	return a
}

// appendSession appends a session's life: lifecycle events among short-lived ones.
func (r rig) appendSession(id events.SessionID) {
	r.t.Helper()
	for _, d := range []events.Draft{
		events.NewDraft(region, id, events.Gateway, events.Created, events.CreatedData{App: "testcard"}),
		events.NewDraft(region, id, events.Gateway, events.ExtraData, events.ExtraDataData{ExtraData: events.Raw(`{}`)}),
		events.NewDraft(region, id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1}),
		events.NewDraft(region, id, events.Client, events.Candidate, events.CandidateData{Peer: "p", Candidate: "c"}),
		events.NewDraft(region, id, events.Agent, events.Terminated, events.EndedData{Reason: "done"}),
	} {
		_, err := r.log.Append(r.t.Context(), d)
		require.NoError(r.t, err)
	}
}

// expire takes away what a stream would let expire: everything before a sequence.
func (r rig) expire(before events.Seq) {
	r.t.Helper()
	s, err := r.log.JetStream().Stream(r.t.Context(), events.SessionsStream)
	require.NoError(r.t, err)
	c := s.CachedInfo().Config
	if c.DenyPurge { // what the stream never allows, so it is made anew without
		events := r.all("")
		require.NoError(r.t, r.log.JetStream().DeleteStream(r.t.Context(), c.Name))
		c.DenyPurge, c.RePublish = false, nil
		s, err = r.log.JetStream().CreateStream(r.t.Context(), c)
		require.NoError(r.t, err)
		for _, e := range events {
			r.copy(e)
		}
	}
	if before > 1 {
		require.NoError(r.t, s.Purge(r.t.Context(), jetstream.WithPurgeSequence(uint64(before))))
	}
}

// copy appends an event as it was.
func (r rig) copy(e events.Event) {
	_, err := r.log.Append(r.t.Context(), events.Draft{Subject: e.Subject, Source: e.Source, Type: e.Type, Data: e.Data})
	require.NoError(r.t, err)
}

// all reads the stream alone.
func (r rig) all(filter string) (list []events.Event) {
	r.t.Helper()
	require.NoError(r.t, r.log.Read(r.t.Context(), events.SessionsStream, filter, 0, func(e events.Event) error {
		list = append(list, e)
		return nil
	}))
	return list
}

func read(t require.TestingT, ctx context.Context, a *Archive, filter string, from events.Seq) (list []events.Event) { //nolint:revive // a test's first argument is the test
	require.NoError(t, a.Read(ctx, filter, from, func(e events.Event) error {
		list = append(list, e)
		return nil
	}))
	return list
}

func seqs(list []events.Event) (s []events.Seq) {
	for _, e := range list {
		s = append(s, e.Sequence)
	}
	return s
}

func lifecycle(list []events.Event) (kept []events.Event) {
	for _, e := range list {
		if !events.ShortLived(e.Name) {
			kept = append(kept, e)
		}
	}
	return kept
}

func TestReadWithoutArchive(t *testing.T) {
	r := newRig(t)
	require.Empty(t, read(t, t.Context(), r.reader(), events.AllSessions, 0))
	r.appendSession(session)
	require.Equal(t, r.all(""), read(t, t.Context(), r.reader(), events.AllSessions, 0))
	_, err := r.log.JetStream().KeyValue(t.Context(), Bucket)
	require.ErrorIs(t, err, jetstream.ErrBucketNotFound, "reading makes nothing")
}

func TestArchiveHoldsWhatHasExpired(t *testing.T) {
	r := newRig(t)
	other := events.SessionID("other")
	r.expire(0)
	for range 3 {
		r.appendSession(session)
		r.appendSession(other)
	}
	before := r.all("")
	x := r.archiver()
	require.NoError(t, x.Pass(t.Context()))
	require.NoError(t, x.Pass(t.Context()), "a second pass finds nothing to do")
	segments, err := r.reader().Segments(t.Context())
	require.NoError(t, err)
	require.Len(t, segments, 1)
	require.Equal(t, []any{events.Seq(1), events.Seq(30), 18, 2}, []any{segments[0].From, segments[0].To, segments[0].Events, segments[0].Sessions})

	a := r.reader()
	require.Equal(t, before, read(t, t.Context(), a, events.AllSessions, 0), "while the stream has everything it comes from there")
	r.expire(13) // in the middle of the segment
	want := append(lifecycle(before[:12]), before[12:]...)
	requireSame(t, want, read(t, t.Context(), a, events.AllSessions, 0))
	requireSame(t, want[4:], read(t, t.Context(), a, events.AllSessions, want[4].Sequence))
	mine := slices.DeleteFunc(slices.Clone(want), func(e events.Event) bool { return e.Session != session })
	requireSame(t, mine, read(t, t.Context(), a, events.SessionFilter(region, session), 0))
	requireSame(t, mine, read(t, t.Context(), a, events.SessionFilter("*", session), 0))
	require.Len(t, read(t, t.Context(), a, events.EventFilter("", events.Gateway, events.Created), 0), 6)
	require.Empty(t, read(t, t.Context(), a, events.SessionFilter("elsewhere", session), 0))
	r.appendSession(session)
	r.expire(35) // the archive has up to 30
	require.Equal(t, seqs(lifecycle(before)), seqs(read(t, t.Context(), a, events.AllSessions, 0))[:18])

	stop := errors.New("enough")
	require.ErrorIs(t, a.Read(t.Context(), events.AllSessions, 0, func(events.Event) error { return stop }), stop)
	seq, err := a.SeqAt(t.Context(), before[0].Stored)
	require.NoError(t, err)
	require.Equal(t, events.Seq(1), seq)
	seq, err = a.SeqAt(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, events.Seq(36), seq)
}

// A forged event is in a segment what it was in the log: where it really was, and quarantined.
func TestForgedEventsInASegment(t *testing.T) {
	s := eventstest.Start(t)
	nc := s.Connect(t, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	r := rig{t, eventstest.NewLog(t, nc, events.StreamsConfig{})}
	for i, f := range eventstest.Forgeries() {
		f.Publish(t, s, nc)
		eventstest.Wait(t, patience, func() string {
			if b, err := r.log.Bounds(t.Context(), events.SessionsStream); err != nil || b.Last != events.Seq(i+1) {
				return f.Name + ": to be stored"
			}
			return ""
		})
	}
	want := r.all("")
	require.NoError(t, r.archiver().Pass(t.Context()))
	a := r.reader()
	segments, err := a.Segments(t.Context())
	require.NoError(t, err)
	var got []events.Event
	for _, segment := range segments {
		require.NoError(t, a.read(t.Context(), segment, columns.Query{}, func(e events.Event) error {
			got = append(got, e)
			return nil
		}))
	}
	requireSame(t, want, got)
	for _, e := range got {
		require.NotEmpty(t, e.Quarantine, e.Sequence)
	}
}

// requireSame compares events; times by their instant.
func requireSame(t require.TestingT, want, got []events.Event) {
	require.Equal(t, seqs(want), seqs(got))
	for i := range want {
		w, g := want[i], got[i]
		require.True(t, w.Time.Equal(g.Time) && w.Stored.Equal(g.Stored), "%d", w.Sequence)
		w.Time, w.Stored = g.Time, g.Stored
		require.Equal(t, w, g)
	}
}

// TestSegmentsFollowEachOther cuts segments at their size and at the ends of periods.
func TestSegmentsFollowEachOther(t *testing.T) {
	r := newRig(t)
	for range 10 {
		r.appendSession(session)
	}
	x := r.archiver()
	x.maxEvents = 7
	require.NoError(t, x.Pass(t.Context()))
	segments, err := x.cfg.Archive.Segments(t.Context())
	require.NoError(t, err)
	require.Len(t, segments, 5)
	count, next := 0, events.Seq(1)
	for _, s := range segments {
		require.Equal(t, next, s.From)
		require.False(t, s.Last.Before(s.First))
		count, next = count+s.Events, s.To+1
	}
	require.Equal(t, 30, count)

	// What was stored in a period that is not over stays.
	r.appendSession(session)
	y := r.archiver()
	y.now = time.Now
	require.NoError(t, y.Pass(t.Context()))
	again, err := y.cfg.Archive.Segments(t.Context())
	require.NoError(t, err)
	require.Equal(t, segments, again)
}

// TestBeforeTheEnd lets events really expire under an archiver that runs as it does in a gateway, and a second one.
func TestBeforeTheEnd(t *testing.T) {
	r := rig{t, eventstest.NewLog(t, eventstest.Conn(t), events.StreamsConfig{Retention: 8 * time.Second, SDPRetention: time.Second})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		x := r.archiver()
		x.now = time.Now
		go func() { done <- x.Run(ctx) }()
	}
	var want []events.Event
	for i := range 40 {
		r.appendSession(events.SessionID(fmt.Sprintf("s-%d", i)))
	}
	want = lifecycle(r.all(""))
	a := r.reader()
	eventstest.Wait(t, patience, func() string {
		requireSame(t, want, lifecycle(read(t, t.Context(), a, events.AllSessions, 0))) // at any moment
		if left := r.all(""); len(left) > 0 {
			return fmt.Sprintf("the expiry of %d events", len(left))
		}
		return ""
	})
	requireSame(t, want, read(t, t.Context(), r.reader(), events.AllSessions, 0))
	cancel()
	for range 2 {
		require.ErrorIs(t, <-done, context.Canceled)
	}
}

func TestFolderGetsEverySegment(t *testing.T) {
	r := newRig(t)
	r.appendSession(session)
	dir := filepath.Join(t.TempDir(), "archive")
	x := r.archiver()
	x.cfg.Folder = dir
	x.step = func(s string) error {
		if s == "rename" {
			return errKilled
		}
		return nil
	}
	require.ErrorIs(t, x.Pass(t.Context()), errKilled)
	require.Empty(t, glob(t, dir), "no half file")
	x.step = func(string) error { return nil }
	require.NoError(t, x.Pass(t.Context()))
	files := glob(t, dir)
	require.Len(t, files, 1)
	require.True(t, strings.HasPrefix(filepath.Base(files[0]), "events-"+time.Now().UTC().Format("2006-01-02")[:8]), files[0])
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.NoError(t, x.Pass(t.Context()))
	again, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, info.ModTime(), again.ModTime(), "copied once")
}

func glob(t *testing.T, dir string) []string {
	list, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	require.NoError(t, err)
	return list
}

func TestMatchesAsTheServerDoes(t *testing.T) {
	for _, x := range []struct {
		filter, subject string
		want            bool
	}{
		{"sessions.>", "sessions.a.b.c.d", true}, {"sessions.*.b.>", "sessions.a.b.c.d", true}, {"sessions.a.b.c.d", "sessions.a.b.c.d", true},
		{"sessions.*.*.c.*", "sessions.a.b.c.d", true}, {"sessions.*.x.>", "sessions.a.b.c.d", false}, {"sessions.a.b.c", "sessions.a.b.c.d", false},
		{"sessions.a.b.c.d.>", "sessions.a.b.c.d", false}, {"sessions.a.b.c.d.*", "sessions.a.b.c.d", false}, {">", "x", true}, {"*", "x.y", false},
	} {
		require.Equal(t, x.want, matches(strings.Split(x.filter, "."), x.subject), "%s of %s", x.filter, x.subject)
	}
}

func TestMayHoldNeverDenies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfDistinct(rapid.StringMatching(`[a-z0-9-]{1,40}`), rapid.ID).Draw(t, "sessions")
		hashes := map[uint64]struct{}{}
		for _, id := range ids {
			hashes[hash(events.SessionID(id))] = struct{}{}
		}
		var s Segment
		s.setSessions(hashes)
		for _, id := range ids {
			require.True(t, s.MayHold(events.SessionID(id)))
		}
	})
	var s Segment
	s.setSessions(map[uint64]struct{}{hash("a"): {}})
	require.False(t, s.MayHold("b"))
	require.True(t, Segment{}.MayHold("b"), "no filter, no certainty")
}

func FuzzParseSegment(f *testing.F) {
	f.Add([]byte(`{"object":"o","from":1,"to":2}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseSegment(data); err == nil && (s.From == 0 || s.To < s.From) {
			t.Fatalf("%+v", s)
		}
	})
}
