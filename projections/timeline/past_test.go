package timeline

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/projections/archive/archivetest"
)

// The history of a session that has left the stream altogether, at any moment of it, and a tail from before the stream's
// first event come from the archive; the tail goes on with what comes.
func TestCommandsReadTheArchive(t *testing.T) {
	log := eventstest.Log(t)
	archivetest.AllowExpiry(t, log)
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	appendStory(t, log, "good", session)
	var all []events.Event
	require.NoError(t, log.Read(t.Context(), events.SessionsStream, "", 0, func(e events.Event) error { all = append(all, e); return nil }))
	lasting := archivetest.Lasting(all)
	archivetest.Archive(t, log)
	archivetest.Expire(t, log, all[len(all)-1].Sequence+1)
	var want []events.Seq
	for _, e := range lasting {
		want = append(want, e.Sequence)
	}
	id := string(session)

	require.Equal(t, want, sequences(t, must(t, "history", id, "--json")))
	require.Contains(t, must(t, "history", id), "Ended in order after ")
	for n, e := range lasting {
		require.Equal(t, want[:n+1], sequences(t, must(t, "history", id, "--json", "--at", fmt.Sprint(e.Sequence))))
		at := e.Stored.Format(time.RFC3339Nano)
		require.Equal(t, want[:n+1], sequences(t, must(t, "history", id, "--json", "--at", at)), at)
	}
	out := &eventstest.Output{}
	_, err := run(t.Context(), out, "history", id, "--at", "0")
	require.ErrorContains(t, err, "did not exist as of 0: its first event is 1")

	// Into the archive by sequence and by time, and on with what comes.
	for _, since := range []string{"1", fmt.Sprint(want[3]), lasting[3].Stored.Format(time.RFC3339Nano), "24h"} {
		from := 0
		if since != "1" && since != "24h" {
			from = 3
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		tailed := &eventstest.Output{}
		go func() {
			_, err := run(ctx, tailed, "tail", "--json", "--since", since)
			done <- err
		}()
		eventstest.Wait(t, patience, func() string {
			if n := len(sequences(t, whole(tailed.String()))); n < len(want)-from {
				return fmt.Sprintf("%d events since %s, %d came", len(want)-from, since, n)
			}
			return ""
		})
		live, err := log.Append(t.Context(), events.NewDraft(region, "live", events.Gateway, events.Created, events.CreatedData{App: "testcard"}))
		require.NoError(t, err)
		want = append(want, live)
		eventstest.Wait(t, patience, func() string {
			if n := len(sequences(t, whole(tailed.String()))); n < len(want)-from {
				return fmt.Sprintf("%d events since %s, %d came", len(want)-from, since, n)
			}
			return ""
		})
		require.Equal(t, want[from:], sequences(t, tailed.String()), since)
		cancel()
		require.NoError(t, <-done)
	}
}

// A session whose creation is not kept any more is told apart from one that did not exist yet.
func TestHistoryAtOfABeheadedSession(t *testing.T) {
	log := eventstest.Log(t)
	archivetest.AllowExpiry(t, log)
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	appendStory(t, log, "good", session)
	archivetest.Expire(t, log, 3)
	_, err := run(t.Context(), &eventstest.Output{}, "history", string(session), "--at", "1")
	require.ErrorContains(t, err, "is not kept any more: the first event that is left of it is 3")
}

// whole is text up to its last line's end.
func whole(text string) string {
	for i := len(text); i > 0; i-- {
		if text[i-1] == '\n' {
			return text[:i]
		}
	}
	return ""
}
