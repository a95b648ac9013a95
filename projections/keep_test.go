package projections_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// appendLife appends a session that ends in order, with a candidate that expires at some time.
func appendLife(t *testing.T, log *events.Log, id events.SessionID, steps ...step) {
	t.Helper()
	for _, st := range steps {
		_, err := log.Append(t.Context(), events.NewDraft(region, id, st.actor, st.name, st.data))
		require.NoError(t, err)
	}
}

// catchUp starts a read model as a gateway does, and says where it went on from.
func catchUp(t *testing.T, log *events.Log, lines *bytes.Buffer) (*projections.Keeper[*projections.Sessions], *projections.Runner[*projections.Sessions], events.Seq) {
	t.Helper()
	r := projections.NewRunner("sessions", projections.NewSessions())
	k := projections.NewKeeper(r, events.SessionsStream, log, slog.New(slog.NewTextHandler(lines, nil)))
	after := k.Resume(t.Context())
	require.Equal(t, after, r.At())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := log.Tail(ctx, after, func(e events.Event) error {
		r.Apply(e)
		return nil
	}, nil, cancel)
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
	return k, r, after
}

func dumpOf(r *projections.Runner[*projections.Sessions]) (dump []byte) {
	r.Read(func(m *projections.Sessions) { dump = m.Dump() })
	return dump
}

// A start from a snapshot in NATS ends where a start from nothing ends, over the real log; a snapshot is written only when
// it saves something.
func TestResumeFromASnapshot(t *testing.T) {
	log, lines := eventstest.Log(t), &bytes.Buffer{}
	lives := func(n int) {
		for i := range n {
			steps := []step{created(), joined(peer1, 1), claimed(1), launched(), ready(), shortLived(events.Client, events.Candidate), connected(peer1)}
			if i%5 > 0 {
				steps = append(steps, disconnected(peer1, "left"), terminated("left"))
			}
			appendLife(t, log, events.SessionID(fmt.Sprintf("s-%d-%d", n, i)), steps...)
		}
	}
	lives(20)
	k, _, after := catchUp(t, log, lines)
	require.Zero(t, after)
	require.NoError(t, k.Save(t.Context()))
	_, _, after = catchUp(t, log, lines)
	require.Zero(t, after, "few events are no reason for a snapshot")

	lives(110)
	k, before, _ := catchUp(t, log, lines)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, k.Keep(ended), context.Canceled, "a process that ends writes one")
	lives(30)
	_, resumed, after := catchUp(t, log, lines)
	require.Equal(t, before.At(), after)
	whole := projections.NewRunner("sessions", projections.NewSessions())
	require.NoError(t, log.Read(t.Context(), events.SessionsStream, "", 0, func(e events.Event) error {
		whole.Apply(e)
		return nil
	}))
	require.Equal(t, dumpOf(whole), dumpOf(resumed))
	require.Equal(t, whole.At(), resumed.At())
}

// A snapshot whose state cannot be read, although its bytes are sound, falls back to the log.
func TestResumeWithoutAReadableState(t *testing.T) {
	log, lines := eventstest.Log(t), &bytes.Buffer{}
	appendLife(t, log, session, created())
	r := projections.NewRunner("sessions", &garbage{projections.NewSessions()})
	for seq := range projections.KeepAfter {
		r.Apply(events.Event{Sequence: events.Seq(seq + 1), Quarantine: "filler"})
	}
	// The stream must be as long as what was folded.
	for range projections.KeepAfter - 1 {
		appendLife(t, log, session, shortLived(events.Client, events.Candidate))
	}
	require.NoError(t, projections.NewKeeper(r, events.SessionsStream, log, slog.New(slog.DiscardHandler)).Save(t.Context()))
	_, resumed, after := catchUp(t, log, lines)
	require.Zero(t, after)
	require.Contains(t, lines.String(), "snapshot discarded")
	require.EqualValues(t, projections.KeepAfter, resumed.At())
}

// garbage writes states that nobody can read.
type garbage struct{ *projections.Sessions }

func (garbage) Dump() []byte { return []byte{0xff} }
