package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/events/trust"
)

// cmd runs the command as main does.
func cmd(t *testing.T, args ...string) (out, said string, status int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := &cli.Command{Name: "streamstack", Commands: []*cli.Command{Command()}, Writer: &stdout, ErrWriter: &stderr,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}}
	err := root.Run(t.Context(), append([]string{"streamstack", "credentials"}, args...))
	if err != nil {
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), connect.ExitStatus(err)
}

func TestEveryRoleHasAFile(t *testing.T) {
	data := t.TempDir()
	for args, want := range map[string]trust.Identity{
		"analytics":                         {Role: trust.Analytics},
		"analytics --with-sdp":              {Role: trust.AnalyticsSDP},
		"operator":                          {Role: trust.Operator},
		"gateway":                           {Role: trust.Gateway},
		"agent --region eu-1 --name host-7": {Role: trust.Agent, Region: "eu-1", Agent: "host-7"},
		"streamer --region eu-1 --session 1234-ab": {Role: trust.Streamer, Region: "eu-1", Session: "1234-ab"},
	} {
		out, said, status := cmd(t, append(strings.Fields(args), "--data", data, "--expiry", "1h")...)
		require.Zero(t, status, said)
		c, err := trust.Parse(out)
		require.NoError(t, err, args)
		require.Equal(t, want, c.Identity)
	}
	out, _, status := cmd(t, "agent", "--region", "eu-1", "--data", data)
	require.Zero(t, status)
	c, err := trust.Parse(out)
	require.NoError(t, err)
	require.Regexp(t, `^agent-[0-9a-f]{8}$`, string(c.Identity.Agent), "a name of its own")
	require.Zero(t, expiry(t, out), "a component's end would come at a moment that nobody chose")
	out, _, _ = cmd(t, "analytics", "--data", data)
	require.WithinDuration(t, time.Now().Add(personLife), time.Unix(expiry(t, out), 0), time.Minute)
}

func expiry(t *testing.T, creds string) int64 {
	t.Helper()
	token, err := nkeys.ParseDecoratedJWT([]byte(creds))
	require.NoError(t, err)
	u, err := jwt.DecodeUserClaims(token)
	require.NoError(t, err)
	return u.Expires
}

func TestWrongUsage(t *testing.T) {
	data := t.TempDir()
	for args, want := range map[string]string{
		"":                                     "use one of",
		"chief":                                `no command "chief"`,
		"agent":                                "region",
		"agent --region No":                    "--region",
		"agent --region r --name a.b":          "--name",
		"streamer --region r":                  "session",
		"streamer --region r --session *":      "--session",
		"analytics --expiry -1h":               "--expiry",
		"analytics --expiry 1ms":               "--expiry",
		"analytics x":                          "no arguments",
		"rotate":                               "ROLE",
		"rotate chief":                         "chief",
		"rotate agent":                         "region",
		"server-config x":                      "no arguments",
		"gateway --with-sdp":                   "--help",
		"rotate analytics --region everywhere": "region",
	} {
		fields := strings.Fields(args)
		if len(fields) > 0 && fields[0] != "chief" {
			fields = append(fields, "--data", data)
		}
		out, said, status := cmd(t, fields...)
		require.Equal(t, connect.ExitUsage, status, "%q: %s", args, said)
		require.Contains(t, said, want, args)
		require.Empty(t, out)
	}
}

// A nats-server reads its configuration, and learns of what is made while it runs.
func TestServerConfigAndPush(t *testing.T) {
	data := t.TempDir()
	text, said, status := cmd(t, "server-config", "--data", data, "--jwt-dir", filepath.Join(data, "jwt"))
	require.Zero(t, status, said)
	path := filepath.Join(data, "nats.conf")
	require.NoError(t, os.WriteFile(path, []byte(text+"\njetstream: {store_dir: \""+filepath.Join(data, "js")+"\"}\n"), 0o600))
	o, err := server.ProcessConfigFile(path)
	require.NoError(t, err)
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(30*time.Second))
	url := "nats://" + s.Addr().String()
	connects := func(creds string) error {
		c, err := trust.Parse(creds)
		require.NoError(t, err)
		nc, err := nats.Connect(url, c.Options()...)
		if err == nil {
			nc.Close()
		}
		return err //nolint:wrapcheck // a test looks at it
	}
	gateway, _, _ := cmd(t, "gateway", "--data", data)
	require.NoError(t, connects(gateway))

	// Without an address nobody can be told, and who runs the command is.
	agent, said, status := cmd(t, "agent", "--region", "eu-1", "--data", data)
	require.Zero(t, status)
	require.Contains(t, said, "--nats URL")
	require.ErrorIs(t, connects(agent), nats.ErrAuthorization)
	agent, said, status = cmd(t, "agent", "--region", "eu-2", "--data", data, "--nats", url)
	require.Zero(t, status, said)
	require.Empty(t, said)
	require.NoError(t, connects(agent))
	_, said, status = cmd(t, "rotate", "agent", "--region", "eu-2", "--data", data, "--nats", url)
	require.Zero(t, status, said)
	require.NoError(t, connects(agent), "valid until the next rotation")

	// Where a stack runs, its address is known.
	require.NoError(t, connect.Endpoints{NATS: url}.Write(data))
	_, said, status = cmd(t, "rotate", "agent", "--region", "eu-2", "--data", data)
	require.Zero(t, status, said)
	require.ErrorIs(t, connects(agent), nats.ErrAuthorization)

	_, said, status = cmd(t, "rotate", "gateway", "--data", data, "--nats", "nats://127.0.0.1:1")
	require.Equal(t, connect.ExitFailed, status)
	require.Contains(t, said, "push")
}
