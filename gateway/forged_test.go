package gateway

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// Who reads the log from a gateway, in pages or as a stream, is misled by a forged event as little as who reads it from
// NATS: each is where it really is, and quarantined. Half of them are there before the stream is opened, half come live.
func TestForgedEventsMisleadNobody(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	nc := s.nats.Connect(t, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	list := eventstest.Forgeries()
	var streams []*listener
	for i, f := range list {
		if i == len(list)/2 {
			streams = append(streams, r.mustListen("/1.0/events", ""), r.mustListen("/1.0/events?after=0", ""))
		}
		f.Publish(t, s.nats, nc)
		eventstest.Wait(t, within, func() string {
			if b, err := s.log.Bounds(t.Context(), events.SessionsStream); err != nil || b.Last != events.Seq(i+1) {
				return f.Name + ": to be stored"
			}
			return ""
		})
	}
	s.say("sound", events.Gateway, events.Created, events.CreatedData{App: "testcard"}, r)
	var want []string
	text := func(e events.Event) string {
		out, err := json.Marshal(e)
		require.NoError(t, err)
		return string(out)
	}
	require.NoError(t, s.log.Read(t.Context(), events.SessionsStream, "", 0, func(e events.Event) error {
		require.Equal(t, e.Session == "sound", e.Quarantine == "", e.Subject)
		want = append(want, text(e))
		return nil
	}))
	require.Len(t, want, len(list)+1)

	var page []events.Event
	r.do(http.MethodGet, "/1.0/events?limit=1000", "").into(t, &page)
	require.Len(t, page, len(want))
	for i, e := range page {
		require.JSONEq(t, want[i], text(e), "page")
	}
	var own []events.Event
	r.do(http.MethodGet, "/1.0/sessions/"+string(eventstest.ForgedSession)+"/events?limit=1000", "").into(t, &own)
	require.NotEmpty(t, own)
	for _, e := range own {
		require.Equal(t, eventstest.ForgedSession, e.Session)
		require.JSONEq(t, want[e.Sequence-1], text(e), "page of the session")
	}
	for _, l := range streams {
		for i := range want {
			require.JSONEq(t, want[i], text(l.next(t)), "stream")
		}
	}
}
