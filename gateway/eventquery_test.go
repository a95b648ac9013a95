package gateway

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

func TestEventPagesAreFiltered(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	say := func(region events.Region, id events.SessionID, a events.Actor, n events.Name, data any) {
		_, err := s.log.Append(t.Context(), events.NewDraft(region, id, a, n, data))
		require.NoError(t, err)
	}
	say("local", "a", events.Gateway, events.Created, events.CreatedData{}) // 1
	say("local", "a", events.Agent, events.Claimed, events.ClaimedData{})   // 2
	say("eu-1", "b", events.Gateway, events.Created, events.CreatedData{})  // 3
	say("local", "a", events.Streamer, events.Offer, events.SDPData{})      // 4
	say("local", "a", events.Client, events.Answer, events.SDPData{})       // 5
	say("local", "a", events.Client, events.Offer, events.SDPData{})        // 6
	say("eu-1", "b", events.Agent, "polished", struct{}{})                  // 7, of a newer component
	page := func(path string) (seqs []events.Seq, next int64) {
		a := r.do(http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
		var list []events.Event
		a.into(t, &list)
		for _, e := range list {
			seqs = append(seqs, e.Sequence)
		}
		return seqs, *a.Next
	}
	for query, want := range map[string][]events.Seq{
		"":                                       {1, 2, 3, 4, 5, 6, 7},
		"region=eu-1":                            {3, 7},
		"session=a&after=2":                      {4, 5, 6},
		"type=created":                           {1, 3},
		"type=client.offer":                      {6},
		"type=offer":                             {4, 6},
		"type=streamstack.session.offer.v1":      {4, 6},
		"type=streamstack.session.offer.v2":      nil,
		"type=created,client.offer":              {1, 3, 6},
		"type=created&type=client.offer&type=":   {1, 3, 6},
		"type=polished":                          {7},
		"type=created,polished&region=eu-1":      {3, 7},
		"type=agent.polished&session=b":          {7},
		"session=nobody":                         nil,
		"after=7":                                nil,
		"after=9000":                             nil,
		"session=b&region=local":                 nil,
		"limit=2&after=3":                        {4, 5},
		"type=answer,claimed&session=a&limit=1":  {2},
		"type=answer,claimed&after=2&limit=1000": {5},
	} {
		got, _ := page("/1.0/events?" + query)
		require.Equal(t, want, got, query)
	}
	got, _ := page("/1.0/sessions/a/events?type=created,offer&session=b")
	require.Equal(t, []events.Seq{1, 4, 6}, got, "the path's session counts")

	// A client that goes on until next is what after was has seen everything, whatever the page size.
	var walked []events.Seq
	for after := int64(-1); ; {
		path := "/1.0/events?type=offer,answer&limit=1"
		if after >= 0 {
			path += "&after=" + strconv.FormatInt(after, 10)
		}
		got, next := page(path)
		walked = append(walked, got...)
		if next == max(after, 0) {
			break
		}
		after = next
	}
	require.Equal(t, []events.Seq{4, 5, 6}, walked)
}

func TestEventFiltersThatAreNone(t *testing.T) {
	t.Parallel()
	r := newStack(t).gateway()
	for _, accept := range []string{"application/json", "text/event-stream"} {
		for _, query := range []string{
			"region=*", "region=EU", "session=a.b", "session=>", "type=Created", "type=*", "type=agent.created", "type=nobody.created",
			"type=agent.", "type=.created", "type=a.b.c", "type=streamstack.session.offer.vx", "type=streamstack.session..v1",
			"limit=0", "limit=1001", "limit=x", "limit=-1", "after=-1", "after=x", "after=1.5", "after=99999999999999999999",
			"type=created,>",
		} {
			a := r.do(http.MethodGet, "/1.0/events?"+query, "", "Accept", accept)
			require.Equal(t, http.StatusBadRequest, a.StatusCode, query)
			require.Equal(t, codeBadRequest, a.Code, query)
		}
		require.Equal(t, http.StatusBadRequest, r.do(http.MethodGet, "/1.0/events", "", "Accept", accept, "Last-Event-ID", "x").StatusCode)
		require.Equal(t, http.StatusNotFound, r.do(http.MethodGet, "/1.0/sessions/nobody/events", "", "Accept", accept).StatusCode)
		require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, "/1.0/events", "", "Accept", accept, "Authorization", "").StatusCode)
	}
}

func TestWantsStream(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "text/event-stream": true, "Text/Event-Stream; q=0.9": true,
		"application/json, text/event-stream": true, "text/event-streams": false,
	} {
		require.Equal(t, want, wantsStream(&http.Request{Header: http.Header{"Accept": {accept}}}), accept)
	}
}
