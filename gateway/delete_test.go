package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// idsBody is the body of a batch deletion.
func idsBody(ids ...events.SessionID) string {
	var quotedIDs []string
	for _, id := range ids {
		quotedIDs = append(quotedIDs, fmt.Sprintf("%q", id))
	}
	return `{"ids":[` + strings.Join(quotedIDs, ",") + `]}`
}

// Several sessions at once, by section 8 of the contract: 202 where nobody waits, 200 after the last ending, 207 where
// some could not be deleted, and the status that all of them share where none could.
func TestDeleteSeveral(t *testing.T) {
	t.Parallel()
	r := house(t)
	const nobody = "0192f1c2-0000-7000-8000-000000000000"
	several := func(query string, ids ...events.SessionID) (a answer, d deletion) {
		t.Helper()
		a = r.do(http.MethodDelete, "/1.0/sessions"+query, idsBody(ids...))
		if a.StatusCode == http.StatusOK || a.StatusCode == http.StatusMultiStatus {
			a.into(t, &d)
		}
		return a, d
	}
	one, two, three := r.create(), r.create(), r.create()
	a, _ := several("", one.ID, two.ID, one.ID)
	require.Equal(t, http.StatusAccepted, a.StatusCode, a.Error)
	require.Empty(t, a.Metadata, "an empty envelope")
	require.Equal(t, "404", r.status(one.ID))
	require.Equal(t, "404", r.status(two.ID))
	r.stack.awaits(one.ID, "gateway.terminating", 1) // once, though it was named twice

	four := r.create()
	a, d := several("/?sync=true", three.ID, four.ID)
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	require.Equal(t, deletion{Deleted: []events.SessionID{three.ID, four.ID}, Errors: []deletionError{}}, d)
	require.Contains(t, string(a.Metadata), `"errors":[]`, "an array, always")

	five := r.create()
	a, d = several("", nobody, five.ID, "NOT-AN-ID")
	require.Equal(t, http.StatusMultiStatus, a.StatusCode, a.Error)
	require.Equal(t, []events.SessionID{five.ID}, d.Deleted)
	require.Equal(t, []deletionError{
		{nobody, "session " + nobody + " does not exist", http.StatusNotFound, codeNotFound},
		{"NOT-AN-ID", `"NOT-AN-ID" is not a session id`, http.StatusBadRequest, codeBadRequest},
	}, d.Errors)

	a, _ = several("?sync=1", nobody, one.ID)
	require.Equal(t, http.StatusNotFound, a.StatusCode)
	require.Equal(t, "not_found", a.Code)
	many := make([]events.SessionID, maxIDs+1)
	for i := range many {
		many[i] = events.SessionID(fmt.Sprintf("s-%d", i))
	}
	a, _ = several("", many...)
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Contains(t, a.Error, "at most 1000")
	a, _ = several("", many[1:]...)
	require.Equal(t, http.StatusNotFound, a.StatusCode, "as many as that are tried")
	for body, why := range map[string]string{
		``: "ids is required", `{}`: "ids is required", `{"ids":[]}`: "ids is required", `{"ids":null}`: "ids is required", `{"ids":"x"}`: "ids must not be",
		`{"ids":[1]}`: "ids", `[]`: "must be a JSON object", `{`: "not valid JSON",
	} {
		a := r.do(http.MethodDelete, "/1.0/sessions", body)
		require.Equal(t, http.StatusBadRequest, a.StatusCode, body)
		require.Contains(t, a.Error, why, body)
	}
	for _, query := range []string{"?sync=perhaps", "?force=2"} {
		a, _ := several(query, five.ID)
		require.Equal(t, http.StatusBadRequest, a.StatusCode, query)
	}
}

// With sync the answer waits for all endings; with force a session whose agent does not answer ends at once.
func TestDeleteSeveralWaitsAndForces(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	held, other, ghost := r.create(), r.create(), r.create()
	s.ready(held.ID, r)
	s.ready(other.ID, r)
	s.say(ghost.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "ghost", Attempt: 1}, r)
	answered := make(chan answer, 1)
	go func() {
		a, err := r.try(http.MethodDelete, "/1.0/sessions?sync=true&force=true", idsBody(held.ID, other.ID, ghost.ID))
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	s.awaits(held.ID, "gateway.terminating", 1)
	s.awaits(other.ID, "gateway.terminating", 1)
	s.awaits(ghost.ID, "gateway.agent_lost", 1)
	s.say(held.ID, events.Agent, events.Terminated, events.EndedData{Reason: "done"})
	select {
	case a := <-answered:
		t.Fatalf("answered before the last end: %+v", a)
	case <-time.After(100 * time.Millisecond):
	}
	s.say(other.ID, events.Agent, events.Terminated, events.EndedData{Reason: "done"})
	a := <-answered
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	var d deletion
	a.into(t, &d)
	require.Equal(t, []events.SessionID{held.ID, other.ID, ghost.ID}, d.Deleted)
}
