package command

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/agent/driver"
	"streamstack/agent/driver/ams/amstest"
)

// reached is what a command that only looks finds.
type reached struct {
	what, says string
	err        error
}

// reach looks with flags.
func reach(t *testing.T, look func(context.Context, *cli.Command) (string, string, error), args ...string) (r reached) {
	t.Helper()
	cmd := &cli.Command{Flags: ReachFlags(), Action: func(ctx context.Context, cmd *cli.Command) error {
		r.what, r.says, r.err = look(ctx, cmd)
		return nil
	}}
	require.NoError(t, cmd.Run(t.Context(), append([]string{"look"}, args...)))
	return r
}

// silent listens and never answers.
func silent(t *testing.T, network, address string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return listener.Addr().String()
}

// An engine that is not there, or does not answer, says so in bounded time. One that answers is Podman's to show (agent/driver/docker).
func TestReachContainers(t *testing.T) {
	missing := "unix://" + filepath.Join(t.TempDir(), "s")
	r := reach(t, ReachContainers, "--docker", missing)
	require.ErrorIs(t, r.err, driver.ErrAway)
	require.Equal(t, missing, r.what)

	began := time.Now()
	r = reach(t, ReachContainers, "--docker", "unix://"+silent(t, "unix", filepath.Join(t.TempDir(), "s")))
	require.ErrorIs(t, r.err, driver.ErrAway)
	require.Less(t, time.Since(began), 10*engineTime, "it waits for as long as an agent would")
	require.ErrorContains(t, reach(t, ReachContainers, "--docker", "tcp://127.0.0.1:1").err, "needs TLS")

	for _, engine := range sockets() { // of the machine that the test runs on
		require.NotEqual(t, missing, engine)
	}
}

func TestReachAMS(t *testing.T) {
	require.ErrorIs(t, reach(t, ReachAMS).err, errNotNamed)
	require.ErrorContains(t, reach(t, ReachAMS, "--ams", "https://h:8444").err, "--ams-server-cert")

	own := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
	server := amstest.Start(t, nil, own)
	server.SetApplications(amstest.Ready("d0jz1b85q1fs739k2ar0", "racing", 0))
	server.SetNodes(amstest.Node{Name: "lxd0", StatusCode: 4, CPUs: 4, Memory: "16GB", DiskSize: "100GB"})
	flags := func(address string) []string {
		return []string{"--ams", address, "--ams-cert", own.Cert, "--ams-key", own.Key, "--ams-server-cert", server.Certificate.Cert}
	}
	r := reach(t, ReachAMS, flags(server.URL)...)
	require.NoError(t, r.err)
	require.Equal(t, server.URL, r.what)
	require.Equal(t, "trusts the agent's certificate; room for 8 instances", r.says)

	server.Distrust(own)
	require.ErrorContains(t, reach(t, ReachAMS, flags(server.URL)...).err, "amc auth identity create tls/AGENT")
	r = reach(t, ReachAMS, flags("https://"+silent(t, "tcp", "127.0.0.1:0"))...)
	require.ErrorContains(t, r.err, "no answer within 2s")
}
