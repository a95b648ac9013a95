package projections_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// Many wait for, and read, what one writes.
func TestRunnerUnderLoad(t *testing.T) {
	const last = 2000
	r := projections.NewRunner("sessions", projections.NewSessions())
	require.Zero(t, r.At())
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			for seq := events.Seq(i + 1); seq <= last; seq += 37 {
				if err := r.Wait(t.Context(), seq); err != nil {
					t.Error(err)
					return
				}
				r.Read(func(m *projections.Sessions) {
					if m.At() < seq {
						t.Errorf("at %d after waiting for %d", m.At(), seq)
					}
				})
			}
		})
	}
	for seq := 1; seq <= last; seq++ {
		r.Apply(eventOf("s1", seq, events.Gateway, events.Created, events.CreatedData{App: "xterm"}))
	}
	readers.Wait()
	require.Equal(t, events.Seq(last), r.At())
	r.Apply(eventOf("s1", 5, events.Gateway, events.Created, nil))
	require.Equal(t, events.Seq(last), r.At(), "an old event does not turn it back")
	require.NoError(t, r.Wait(t.Context(), 5), "what is folded is not waited for")
}

// Who gives up waiting is forgotten, and is told what did not come.
func TestRunnerWaitEndsWithItsContext(t *testing.T) {
	r := projections.NewRunner("agents", projections.NewAgents())
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { gone <- r.Wait(ctx, 7) }()
	cancel()
	err := <-gone
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "agents has not reached sequence 7")
	r.Apply(eventOf("s1", 9, events.Gateway, events.Created, nil))
	require.NoError(t, r.Wait(t.Context(), 9))
}

func TestRunnerIsReadyOnce(t *testing.T) {
	r := projections.NewRunner("accounts", projections.NewAccounts())
	select {
	case <-r.Ready():
		t.Fatal("ready before it has caught up")
	default:
	}
	r.Caught()
	r.Caught()
	<-r.Ready()
}

// Fed from a stream, a runner catches up, then follows, over a restart of the server, and leaves nothing behind.
func TestRunnerFollowsAStream(t *testing.T) {
	server := eventstest.Start(t)
	log := eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	add := func(name string) events.Seq {
		var seq events.Seq
		eventstest.Wait(t, 20*time.Second, func() string {
			var err error
			if seq, err = log.Append(t.Context(), events.NewAccountDraft(name, events.AccountCreated, events.AccountData{TokenID: "t"})); err != nil {
				return err.Error()
			}
			return ""
		})
		return seq
	}
	for _, name := range []string{"anna", "ben", "carl"} {
		add(name)
	}
	before := runtime.NumGoroutine()
	r := projections.NewRunner("accounts", projections.NewAccounts())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Follow(ctx, log, events.AccountsStream) }()
	<-r.Ready()
	r.Read(func(m *projections.Accounts) { require.Len(t, m.List(), 3) })
	require.NoError(t, r.Wait(t.Context(), add("dora")))
	server.Restart()
	require.NoError(t, r.Wait(t.Context(), add("emil")))
	r.Read(func(m *projections.Accounts) {
		_, ok := m.Get("emil")
		require.True(t, ok)
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	eventstest.Wait(t, 10*time.Second, func() string {
		if n := runtime.NumGoroutine(); n > before+5 { // the server's own come and go
			return "goroutines to end"
		}
		return ""
	})
}
