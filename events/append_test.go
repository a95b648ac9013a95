package events_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// races lets deciders, each with a log of its own, decide on the same ground about the same sessions at once.
func races(t *testing.T, logs []*events.Log, prefix string, rounds int) {
	t.Helper()
	var rows errgroup.Group
	rows.SetLimit(4) // races at once
	for round := range rounds {
		rows.Go(func() error { return race(t, logs, events.SessionID(fmt.Sprintf("%s-%d", prefix, round))) })
	}
	if err := rows.Wait(); err != nil {
		t.Fatal(err)
	}
	// What the log has agrees with what the deciders were told.
	claims := map[events.SessionID]int{}
	for _, e := range stored(t, logs[0]) {
		if e.Is(events.Agent, events.Claimed) {
			claims[e.Session]++
		}
	}
	for id, n := range claims {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

// race is one decision, made by all at once: an error unless exactly one wins and all others are told of the conflict.
func race(t *testing.T, logs []*events.Log, id events.SessionID) error {
	seq, err := logs[0].Append(t.Context(), created(id))
	if err != nil {
		return err
	}
	var wins atomic.Int32
	var group errgroup.Group
	for i, l := range logs {
		group.Go(func() error {
			d := events.NewDraft(region, id, events.Agent, events.Claimed, events.ClaimedData{Agent: events.AgentID(fmt.Sprint(i))})
			_, err := l.AppendExpecting(t.Context(), d, seq)
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, events.ErrConflict) {
				return fmt.Errorf("%s: %w", id, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if n := wins.Load(); n != 1 {
		return fmt.Errorf("%s: %d winners", id, n)
	}
	return nil
}

func TestOneWinner(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	var logs []*events.Log
	for range 5 {
		logs = append(logs, eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{}))
	}
	t.Run("two", func(t *testing.T) { races(t, logs[:2], "two", 300) })
	t.Run("five", func(t *testing.T) { races(t, logs, "five", 300) })
}

// The same on three servers, each decider at another one.
func TestOneWinnerInACluster(t *testing.T) {
	t.Parallel()
	c := eventstest.StartCluster(t)
	var logs []*events.Log
	for i := range 5 {
		logs = append(logs, eventstest.NewLog(t, c.Connect(t, i%3), events.StreamsConfig{Replicas: 3}))
	}
	t.Run("two", func(t *testing.T) { races(t, logs[:2], "two", 300) })
	t.Run("five", func(t *testing.T) { races(t, logs, "five", 300) })
}

func TestAppendExpecting(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	if seq, err := l.LastSeq(t.Context(), region, session); seq != 0 || err != nil {
		t.Fatalf("a session that is none: %d, %v", seq, err)
	}
	first, err := l.AppendExpecting(t.Context(), created(session), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendExpecting(t.Context(), created(session), 0); !errors.Is(err, events.ErrConflict) {
		t.Errorf("created twice: %v", err)
	}
	// Another session's events are no conflict.
	mustAppend(t, l, created("other"))
	if seq, err := l.AppendExpecting(t.Context(), candidate(session), first); err != nil || seq != 3 {
		t.Errorf("%d, %v", seq, err)
	}
}

// Without NATS everything that waits ends within two seconds, and what failed is not appended later.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	l := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
	mustAppend(t, l, created(session))
	s.Stop()
	fn := func(events.Event) error { return nil }
	var group sync.WaitGroup
	for what, do := range map[string]func() error{
		"append":    func() error { _, err := l.Append(t.Context(), created(session)); return err },
		"expecting": func() error { _, err := l.AppendExpecting(t.Context(), created(session), 1); return err },
		"last":      func() error { _, err := l.LastSeq(t.Context(), region, session); return err },
		"history":   func() error { return l.History(t.Context(), region, session, 0, fn) },
		"region":    func() error { _, err := l.FindRegion(t.Context(), session); return err },
	} {
		group.Go(func() {
			begun := time.Now()
			if err := do(); !errors.Is(err, events.ErrUnavailable) {
				t.Errorf("%s: %v is not ErrUnavailable", what, err)
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("%s took %s", what, took)
			}
		})
	}
	group.Wait()
	s.Restart()
	// What is appended at once after the restart, while the connection comes back, waits for it.
	if seq := mustAppend(t, l, created(session)); seq != 2 {
		t.Errorf("sequence %d: what had failed was appended later", seq)
	}
}

func TestFindRegion(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	mustAppend(t, l, events.NewDraft("eu-1", session, events.Gateway, events.Created, nil))
	mustAppend(t, l, events.NewDraft("eu-2", "other", events.Gateway, events.Created, nil))
	for id, want := range map[events.SessionID]events.Region{session: "eu-1", "other": "eu-2", "none": "", "NOT A TOKEN": "", "": ""} {
		if r, err := l.FindRegion(t.Context(), id); r != want || err != nil {
			t.Errorf("%q: %q, %v", id, r, err)
		}
	}
}
