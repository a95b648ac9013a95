package client

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/connect"
)

const webhookJSON = `{"id":"w-1","url":"https://example.net/hook","types":["failed"],"created_at":"2026-11-22T00:00:00Z","pending":3,
	"parked_sessions":1,"failing":2,"last_success":"2026-11-22T01:00:00Z","last_error":"it answered 500\u001b[2J","last_error_at":"2026-11-22T02:00:00Z"}`

func TestWebhookCommands(t *testing.T) {
	c := newContract().
		on("POST /1.0/webhooks", 201, made(`{"id":"w-1","url":"https://example.net/hook","types":["failed"],"created_at":"2026-11-22T00:00:00Z","secret":"whsec_x"}`)).
		on("GET /1.0/webhooks", 200, ok("["+webhookJSON+"]")).
		on("GET /1.0/webhooks/w-1", 200, ok(webhookJSON)).
		on("DELETE /1.0/webhooks/w-1", 200, ok("null"))
	t.Setenv("STREAMSTACK_DATA", c.serveSocket(t))

	out, errOut, err := run(t, "webhook", "add", "https://example.net/hook", "--type", "failed", "--type", "agent.terminated", "--region", "eu")
	require.NoError(t, err)
	require.Equal(t, "whsec_x\n", out, "the secret, alone")
	require.Contains(t, errOut, "webhook w-1")
	require.NotContains(t, errOut, "whsec_x")
	sameJSON(t, `{"url":"https://example.net/hook","types":["failed","agent.terminated"],"region":"eu"}`, c.last(t).Body)
	out, _, err = run(t, "webhook", "add", "https://example.net/hook", "--json")
	require.NoError(t, err)
	require.Contains(t, out, `"secret":"whsec_x"`)
	sameJSON(t, `{"url":"https://example.net/hook"}`, c.last(t).Body)

	out, _, err = run(t, "webhook", "ls")
	require.NoError(t, err)
	require.Equal(t, "ID   URL                       PENDING  PARKED  LAST SUCCESS          LAST ERROR\n"+
		`w-1  https://example.net/hook  3        1       2026-11-22T01:00:00Z  2026-11-22T02:00:00Z it answered 500\x1b[2J`+"\n", out)
	out, _, err = run(t, "webhook", "ls", "--json")
	require.NoError(t, err)
	sameJSON(t, webhookJSON, out)
	out, _, err = run(t, "webhook", "show", "w-1")
	require.NoError(t, err)
	require.Contains(t, out, "pending       3 events\n")
	require.Contains(t, out, "region        all\n")
	_, errOut, err = run(t, "webhook", "delete", "w-1")
	require.NoError(t, err)
	require.Contains(t, errOut, "webhook w-1 is deleted")
	_, _, err = run(t, "webhook", "show", "w-2")
	require.Equal(t, connect.ExitFailed, connect.ExitStatus(err))
	for line, want := range map[string]string{
		"webhook": "use one of add, ls, show, secret, delete", "webhook add": "give one URL", "webhook ls x": "no arguments", "webhook show": "give one ID", "webhook delete": "give one ID",
	} {
		_, _, err := run(t, strings.Fields(line)...)
		require.Equal(t, connect.ExitUsage, connect.ExitStatus(err), line)
		require.ErrorContains(t, err, want, line)
	}
}
