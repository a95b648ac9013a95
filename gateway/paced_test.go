package gateway

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
)

// Who asks for much and reads nothing is cut off.
func TestUnreadAnswersEnd(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.times.writeWait = 300 * time.Millisecond })
	for range 60 {
		r.create(`{"app":"testcard","extra_data":"` + strings.Repeat("x", 9<<10) + `"}`)
	}
	c, _, err := dialRaw(t.Context(), strings.TrimPrefix(r.url, "http://"), "")
	require.NoError(t, err)
	defer func() { _ = c.Close() }() // the gateway has closed it
	require.NoError(t, c.SetReadBuffer(4<<10))
	const answered = `anbox_stream_gateway_http_requests_total{code="200",handler="get_events",method="get"}`
	_, err = io.WriteString(c, "GET /1.0/events?type=extra_data HTTP/1.1\r\nHost: x\r\nAuthorization: Macaroon root="+r.token+"\r\n\r\n")
	require.NoError(t, err)
	eventstest.Wait(t, within, func() string {
		if !strings.Contains(r.scrape(), answered) {
			return "the end of an answer that nobody reads"
		}
		return ""
	})
	n, _ := io.Copy(io.Discard, c) // to the connection's end, however that is told
	require.Less(t, n, int64(60*9<<10), "the rest was given up")
}
