package command

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
)

// An agent knows itself again by its data folder; two folders are two agents.
func TestIdentity(t *testing.T) {
	data := t.TempDir()
	id, err := Identity(data)
	require.NoError(t, err)
	require.True(t, events.ValidToken(string(id)), id)
	again, err := Identity(data)
	require.NoError(t, err)
	require.Equal(t, id, again)
	other, err := Identity(t.TempDir())
	require.NoError(t, err)
	require.NotEqual(t, id, other)
	require.NoError(t, os.WriteFile(filepath.Join(data, idFile), []byte("No Token\n"), 0o600))
	renamed, err := Identity(data)
	require.NoError(t, err)
	require.True(t, events.ValidToken(string(renamed)))
	_, err = Identity(filepath.Join(data, "missing"))
	require.ErrorContains(t, err, "name another with --data")
}

// Applications that are isolated see neither the data folder nor the file of --creds.
func TestIsolatedApplicationsDoNotSeeTheCredentials(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	keys, err := trust.Open(filepath.Join(folder, "secrets"))
	require.NoError(t, err)
	_, err = keys.AddRegion("local")
	require.NoError(t, err)
	c, err := keys.Credentials(trust.Identity{Role: trust.Agent, Region: "local", Agent: "a1"}, 0)
	require.NoError(t, err)
	text, err := c.Text()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("agent.creds", []byte(text), 0o600))
	o := Options{Region: "local", Isolate: true, Data: folder}
	require.NoError(t, readCredentials("agent.creds", &o, true))
	require.Equal(t, []string{filepath.Join(folder, "agent.creds")}, o.processConfig("self").Hide)
}

func TestUsage(t *testing.T) {
	s := Streamers{
		Require: func(context.Context) error { return nil },
		Flags:   func() []cli.Flag { return nil },
		Env:     func(*cli.Command) []string { return nil },
		Check:   func(*cli.Command, int) error { return nil },
	}
	for name, args := range map[string][]string{
		"no server":    {},
		"bad region":   {"--nats", "nats://127.0.0.1:1", "--region", "No Token"},
		"no slots":     {"--nats", "nats://127.0.0.1:1", "--slots", "0"},
		"words":        {"--nats", "nats://127.0.0.1:1", "--slots", "many"},
		"unknown flag": {"--telepathy"},
		"argument":     {"--nats", "nats://127.0.0.1:1", "run"},
		"no driver":    {"--nats", "nats://127.0.0.1:1", "--driver", "telepathy"},
		"another's":    {"--nats", "nats://127.0.0.1:1", "--ams", "https://127.0.0.1:1"},
		"no AMS":       {"--nats", "nats://127.0.0.1:1", "--driver", "ams", "--ams-cert", "c", "--ams-key", "k", "--ams-server-cert", "s"},
		"no key":       {"--nats", "nats://127.0.0.1:1", "--driver", "ams", "--ams", "https://127.0.0.1:1", "--ams-cert", "c", "--ams-server-cert", "s"},
		"a password":   {"--nats", "nats://me:hunter2@127.0.0.1:1"},
		"files too":    {"--nats", "nats://127.0.0.1:1", "--driver", "ams", "--ams", "https://127.0.0.1:1", "--ams-cert", "c", "--ams-key", "k", "--ams-server-cert", "s", "--applications", "x.yaml"},
	} {
		cmd := Command("test", s)
		cmd.Writer, cmd.ErrWriter = io.Discard, io.Discard
		err := cmd.Run(t.Context(), append([]string{"agent", "--data", t.TempDir()}, args...))
		require.Equal(t, connect.ExitUsage, connect.ExitStatus(err), "%s: %v", name, err)
	}
}

func TestDefaultSlots(t *testing.T) { require.GreaterOrEqual(t, defaultSlots(), leastSlots) }
