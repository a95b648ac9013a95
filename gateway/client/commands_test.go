package client

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// run runs a command line as main does, within a root that has a version, as the binary's has.
func run(t *testing.T, args ...string) (out, errOut string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	root := &cli.Command{
		Name: "streamstack", Version: "1.2.3", Commands: []*cli.Command{AccountCommand(), SessionCommand(), WebhookCommand()}, Writer: &o, ErrWriter: &e,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	err = root.Run(t.Context(), append([]string{"streamstack"}, args...))
	return o.String(), e.String(), err
}

// stack is a data folder that names the gateway of a contract.
func stack(t *testing.T, c *contract) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{Gateway: c.serve(t).URL, Token: "from-file"}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	return dir
}

func TestAccountCommands(t *testing.T) {
	c := newContract().
		on("POST /1.0/accounts", 201, made(`{"name":"ci","token":"secret-token","expiry":"2027-11-22T00:00:00Z"}`)).
		on("GET /1.0/accounts", 200, ok(`[{"name":"ci","scopes":"read,create","expiry":"2027-11-22T00:00:00Z","created_at":"2026-11-22T00:00:00Z"}]`)).
		on("DELETE /1.0/accounts/ci", 200, `{"type":"sync","status":"success","status_code":200}`)
	dir := c.serveSocket(t)

	out, errOut, err := run(t, "account", "create", "ci", "--expiry", "720h", "--data", dir)
	require.NoError(t, err)
	require.Equal(t, "secret-token\n", out, "the token, alone")
	require.Empty(t, errOut)
	sameJSON(t, `{"name":"ci","expiry":"720h0m0s"}`, c.last(t).Body)
	require.Empty(t, c.last(t).Auth)

	t.Setenv("STREAMSTACK_DATA", dir)
	_, _, err = run(t, "account", "create", "ci")
	require.NoError(t, err)
	sameJSON(t, `{"name":"ci"}`, c.last(t).Body)

	out, _, err = run(t, "account", "ls")
	require.NoError(t, err)
	require.Equal(t, "NAME  SCOPES       CREATED               EXPIRES\nci    read,create  2026-11-22T00:00:00Z  2027-11-22T00:00:00Z\n", out)
	out, _, err = run(t, "account", "ls", "--json")
	require.NoError(t, err)
	sameJSON(t, `{"name":"ci","scopes":"read,create","expiry":"2027-11-22T00:00:00Z","created_at":"2026-11-22T00:00:00Z"}`, out)

	out, errOut, err = run(t, "account", "delete", "ci")
	require.NoError(t, err)
	require.Empty(t, out)
	require.Contains(t, errOut, "account ci is deleted")
	_, _, err = run(t, "account", "delete", "nobody")
	require.Equal(t, connect.ExitFailed, connect.ExitStatus(err))
}

func TestSessionCreate(t *testing.T) {
	c := newContract().on("POST /1.0/sessions", 201, made(grantJSON))
	stack(t, c)
	out, errOut, err := run(t, "session", "create", "testcard")
	require.NoError(t, err)
	require.Equal(t, string(id)+"\n", out, "the id, alone: ID=$(streamstack session create APP)")
	require.Contains(t, errOut, "ws://127.0.0.1:4000/")
	sameJSON(t, `{"app":"testcard","joinable":false}`, c.last(t).Body)
	require.Equal(t, "Macaroon root=from-file", c.last(t).Auth)

	t.Setenv("STREAMSTACK_TOKEN", "from-environment")
	t.Setenv("STREAMSTACK_FPS", "24")
	out, _, err = run(t, "session", "create", "--width", "640", "--height=480", "testcard", "--version", "3", "--region", "eu-1", "--joinable",
		"--idle", "0", "--extra-data", `"text"`, "--json")
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(out)), out)
	require.Equal(t, 1, strings.Count(out, "\n"))
	sameJSON(t, grantJSON, out)
	sameJSON(t, `{"app":"testcard","app_version":3,"region":"eu-1","joinable":true,"idle_time_min":0,"extra_data":"text",
		"screen":{"width":640,"height":480,"fps":24}}`, c.last(t).Body)
	require.Equal(t, "Macaroon root=from-environment", c.last(t).Auth)
}

func TestSessionCreateWaits(t *testing.T) {
	path := "GET /1.0/sessions/" + string(id)
	starting := strings.Replace(sessionJSON, "active", "created", 1)
	failed := strings.NewReplacer(`"active"`, `"error"`, `"status_message":""`, `"status_message":"no X server\u001b[2J"`).Replace(sessionJSON)

	stack(t, newContract().on("POST /1.0/sessions", 201, made(grantJSON)).on(path, 200, ok(starting)).on(path, 200, ok(starting)).on(path, 200, ok(sessionJSON)))
	out, _, err := run(t, "session", "create", "testcard", "--wait")
	require.NoError(t, err)
	require.Equal(t, string(id)+"\n", out)

	stack(t, newContract().on("POST /1.0/sessions", 201, made(grantJSON)).on(path, 200, ok(failed)))
	out, _, err = run(t, "session", "create", "testcard", "--wait")
	require.EqualError(t, err, "session "+string(id)+` is in status error: no X server\x1b[2J`)
	require.Equal(t, string(id)+"\n", out, "its history can be read")

	stack(t, newContract().on("POST /1.0/sessions", 201, made(grantJSON)))
	_, _, err = run(t, "session", "create", "testcard", "--wait")
	require.ErrorContains(t, err, "streamstack history "+string(id))
}

func TestSessionReadsAndDelete(t *testing.T) {
	c := newContract().on("GET /1.0/sessions", 200, ok("["+sessionJSON+"]")).on("GET /1.0/sessions/"+string(id), 200, ok(sessionJSON)).
		on("DELETE /1.0/sessions/"+string(id), 200, ok("null"))
	dir := stack(t, c)
	out, _, err := run(t, "session", "ls", "--status", "active")
	require.NoError(t, err)
	require.Contains(t, out, "ID                                    APPLICATION  REGION  STATUS  MESSAGE\n"+string(id)+"  testcard     local   active")
	require.Equal(t, "recursion=true&status=active", c.last(t).Query)
	out, _, err = run(t, "session", "ls", "--json")
	require.NoError(t, err)
	sameJSON(t, sessionJSON, out)
	out, _, err = run(t, "session", "show", string(id))
	require.NoError(t, err)
	require.Contains(t, out, "status       active\n")
	out, _, err = run(t, "session", "show", "--json", string(id))
	require.NoError(t, err)
	sameJSON(t, sessionJSON, out)
	out, errOut, err := run(t, "session", "delete", string(id), "--data", dir)
	require.NoError(t, err)
	require.Empty(t, out)
	require.Contains(t, errOut, "has ended")
	require.Equal(t, "sync=true", c.last(t).Query)
}

func TestCommandsSayWhatIsWrong(t *testing.T) {
	t.Setenv("STREAMSTACK_DATA", t.TempDir())
	for line, x := range map[string]struct {
		status int
		want   string
	}{
		"account":                                {connect.ExitUsage, "use one of create, narrow, ls, delete"},
		"account mk":                             {connect.ExitUsage, `no command "mk"`},
		"account create":                         {connect.ExitUsage, "give one NAME"},
		"account create a --expiry soon":         {connect.ExitUsage, "expiry"},
		"account create a --expiry -1h":          {connect.ExitUsage, "above 0"},
		"account create a":                       {connect.ExitFailed, "no stack runs on"},
		"account ls x":                           {connect.ExitUsage, "no arguments"},
		"session":                                {connect.ExitUsage, "use one of create, ls, show, viewers, watch, delete"},
		"session create":                         {connect.ExitUsage, "give one APP"},
		"session create a --width x":             {connect.ExitUsage, "width"},
		"session create a --width 0":             {connect.ExitUsage, "--width 0"},
		"session create a --idle -1":             {connect.ExitUsage, "--idle -1"},
		"session create a --extra-data {":        {connect.ExitUsage, "--extra-data"},
		"session create a --gateway http://h":    {connect.ExitUsage, "STREAMSTACK_TOKEN"},
		"session create a":                       {connect.ExitFailed, "no stack runs on"},
		"session ls --gateway nowhere --token t": {connect.ExitFailed, "http://HOST:PORT"},
		"session show":                           {connect.ExitUsage, "give one ID"},
		"session delete":                         {connect.ExitUsage, "give one ID"},
	} {
		out, errOut, err := run(t, strings.Fields(line)...)
		require.Equal(t, x.status, connect.ExitStatus(err), "%s: %v", line, err)
		require.ErrorContains(t, err, x.want, line)
		require.NotContains(t, err.Error(), "\n", line)
		require.Empty(t, out+errOut, line)
	}
}
