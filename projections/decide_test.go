package projections_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

func create(t testing.TB, log *events.Log, id events.SessionID) {
	t.Helper()
	st := created()
	_, err := log.AppendExpecting(t.Context(), events.NewDraft(region, id, st.actor, st.name, st.data), 0)
	require.NoError(t, err)
}

// claim is what an agent does; it reports whether it won.
func claim(ctx context.Context, log *events.Log, id events.SessionID, by events.AgentID) (won bool, err error) {
	_, seq, err := projections.Decide(ctx, log, region, id, func(s projections.Session) (*events.Draft, error) {
		if s.Claimed {
			return nil, nil
		}
		d := events.NewDraft(region, id, events.Agent, events.Claimed, events.ClaimedData{Agent: by, Attempt: s.Attempt + 1})
		return &d, nil
	})
	return seq > 0, err
}

// race lets every log's component claim each session at once, while candidates come and go, and counts the winners.
func race(t *testing.T, logs []*events.Log, rounds int) {
	t.Helper()
	for i := range rounds {
		id := events.SessionID(fmt.Sprintf("race-%d", i))
		create(t, logs[0], id)
		var both sync.WaitGroup
		var winners, unsure atomic.Int32
		for n, log := range logs {
			both.Go(func() {
				won, err := claim(t.Context(), log, id, events.AgentID(fmt.Sprintf("agent-%d", n)))
				for end := time.Now().Add(time.Minute); errors.Is(err, events.ErrUnavailable) && time.Now().Before(end); { // a machine that stands still; what was asked for may be stored
					unsure.Add(1)
					won, err = claim(t.Context(), log, id, events.AgentID(fmt.Sprintf("agent-%d", n)))
				}
				if err != nil {
					t.Error(err)
				}
				if won {
					winners.Add(1)
				}
			})
		}
		both.Go(func() {
			if _, err := logs[0].Append(t.Context(), events.NewDraft(region, id, events.Client, events.Candidate, events.CandidateData{Peer: peer1})); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if unsure.Load() == 0 {
			require.Equal(t, int32(1), winners.Load(), "winners of %s", id)
		}
		claims := 0
		eventstest.Wait(t, time.Minute, func() string { // a replica that lags may answer
			claims = 0
			err := logs[0].History(t.Context(), region, id, 0, func(e events.Event) error {
				if e.Is(events.Agent, events.Claimed) {
					claims++
				}
				return nil
			})
			if err != nil {
				return err.Error()
			}
			if claims == 0 {
				return "a claim of " + string(id) + " in the log"
			}
			return ""
		})
		require.Equal(t, 1, claims, "claims of %s in the log", id)
	}
}

func TestTwoDecidersOneWinner(t *testing.T) {
	server := eventstest.Start(t)
	first := eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	second := eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	race(t, []*events.Log{first, second}, 300)
}

// On three replicas any may answer a read, one that lags too: nobody may win on what such a one does not know yet.
func TestTwoDecidersOnACluster(t *testing.T) {
	c := eventstest.StartCluster(t)
	var logs []*events.Log
	for i := range c.Servers {
		logs = append(logs, eventstest.NewLog(t, c.Connect(t, i), events.StreamsConfig{Replicas: len(c.Servers)}))
	}
	race(t, logs, 40)
}

func TestDecideOnAnUnknownSession(t *testing.T) {
	log := eventstest.Log(t)
	_, _, err := projections.Decide(t.Context(), log, region, session, func(projections.Session) (*events.Draft, error) {
		t.Error("asked about nothing")
		return nil, nil
	})
	require.ErrorIs(t, err, projections.ErrUnknownSession)
	_, _, err = projections.Decide(t.Context(), log, region, "no.token", nil)
	require.ErrorIs(t, err, events.ErrSubject)
}

func TestDecideNothing(t *testing.T) {
	log := eventstest.Log(t)
	create(t, log, session)
	s, seq, err := projections.Decide(t.Context(), log, region, session, func(projections.Session) (*events.Draft, error) { return nil, nil })
	require.NoError(t, err)
	require.Zero(t, seq)
	require.True(t, s.Known())
	reason := errors.New("not now")
	_, _, err = projections.Decide(t.Context(), log, region, session, func(projections.Session) (*events.Draft, error) { return nil, reason })
	require.ErrorIs(t, err, reason)
}

// Somebody who always appends in between is not waited for for ever.
func TestConflictsAreBounded(t *testing.T) {
	log := eventstest.Log(t)
	create(t, log, session)
	asked := 0
	_, _, err := projections.Decide(t.Context(), log, region, session, func(projections.Session) (*events.Draft, error) {
		asked++
		_, err := log.Append(t.Context(), events.NewDraft(region, session, events.Client, events.Candidate, events.CandidateData{Peer: peer1}))
		require.NoError(t, err)
		d := events.NewDraft(region, session, events.Agent, events.Claimed, events.ClaimedData{Agent: agent1, Attempt: 1})
		return &d, nil
	})
	require.ErrorIs(t, err, events.ErrConflict)
	require.Equal(t, 16, asked)
	won, err := claim(t.Context(), log, session, agent1)
	require.NoError(t, err)
	require.True(t, won, "nothing of the failed decision is left")
}

func TestDecideEndsWithItsContext(t *testing.T) {
	log := eventstest.Log(t)
	create(t, log, session)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := claim(ctx, log, session, agent1)
	require.ErrorIs(t, err, context.Canceled)
}
