package client

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// step is an event of a session.
func step(seq int, actor events.Actor, name events.Name, data string) events.Event {
	return events.Event{ID: fmt.Sprintf("e%d", seq), Source: events.SourceOf(actor), Type: events.TypeOf(name), Time: time.Unix(1e9+int64(seq), 0).UTC(),
		Subject: "sessions.local." + string(id) + "." + string(actor) + "." + string(name), Sequence: events.Seq(seq), ContentType: "application/json",
		Data: events.Raw(data), Region: "local", Session: id, Actor: actor, Name: name}
}

func TestWatchers(t *testing.T) {
	come := []events.Event{
		step(1, events.Gateway, events.Joined, `{"peer":"c","role":"slave"}`), step(2, events.Streamer, events.Connected, `{"peer":"c"}`),
		step(3, events.Gateway, events.Joined, `{"peer":"v","role":"viewer","account":"kim"}`), step(4, events.Gateway, events.Joined, `{"peer":"w","role":"viewer"}`),
		step(5, events.Streamer, events.Connected, `{"peer":"w","codec":"VP8","pair":{"remote":{"kind":"host"},"protocol":"tcp"}}`),
		step(6, events.Streamer, events.Connected, `{"peer":"v"}`), step(7, events.Streamer, events.Connected, `{"peer":"w"}`),
	}
	for then, want := range map[events.Name]string{
		events.Resized: "v kim, w ", events.Disconnected: "v kim", events.Ready: "", events.Terminated: "", events.Claimed: "",
	} {
		actor := events.Streamer
		if then == events.Terminated || then == events.Claimed {
			actor = events.Agent
		}
		var w watchers
		for _, e := range append(come, step(8, actor, then, `{"peer":"w"}`)) {
			w.add(e)
		}
		var got []string
		for _, v := range w.list {
			got = append(got, string(v.Peer)+" "+v.Account)
		}
		require.Equal(t, want, strings.Join(got, ", "), "after %s", then)
	}
}

func TestViewerCommands(t *testing.T) {
	const peer = "0192f1c2-0000-7000-8000-00000000000a"
	joined, err := step(1, events.Gateway, events.Joined, `{"peer":"`+peer+`","generation":1,"role":"viewer","account":"kim"}`).MarshalJSON()
	require.NoError(t, err)
	connected, err := step(2, events.Streamer, events.Connected, `{"peer":"`+peer+`","codec":"VP8","pair":{"local":{"kind":"host"},"remote":{"kind":"relay"},"protocol":"udp"},"connect_ms":5}`).MarshalJSON()
	require.NoError(t, err)
	page := func(next int, list ...string) string {
		return fmt.Sprintf(`{"type":"sync","status":"success","status_code":200,"metadata":[%s],"next":%d}`, strings.Join(list, ","), next)
	}
	c := newContract().on("GET /1.0/sessions/"+string(id)+"/events", 200, page(2, string(joined), string(connected))).
		on("GET /1.0/sessions/"+string(id)+"/events", 200, page(2)).
		on("POST /1.0/sessions/"+string(id)+"/join", 200, ok(`{"id":"`+string(id)+`","url":"ws://h/s?token=x","stun_servers":[]}`))
	stack(t, c)
	out, _, err := run(t, "session", "viewers", string(id))
	require.NoError(t, err)
	require.Equal(t, "PEER                                  ACCOUNT  SINCE                 CODEC  ROUTE\n"+
		peer+"  kim      2001-09-09T01:46:42Z  VP8    relay/udp\n", out)

	out, _, err = run(t, "session", "watch", string(id))
	require.NoError(t, err)
	require.Equal(t, "ws://h/s?token=x\n", out, "the address, alone")
	sameJSON(t, `{"role":"viewer"}`, c.last(t).Body)

	_, _, err = run(t, "session", "viewers", "gone")
	require.ErrorContains(t, err, "nothing at")
}
