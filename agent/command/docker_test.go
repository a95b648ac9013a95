package command

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/agent"
	"streamstack/agent/driver"
	"streamstack/agent/driver/docker"
)

// parse reads the flags of a driver.
func parse(t *testing.T, args ...string) (o DriverOptions, err error) {
	t.Helper()
	cmd := &cli.Command{Flags: append(DriverFlags(), Flags()...), Action: func(_ context.Context, cmd *cli.Command) error {
		o, err = parseDriver(cmd)
		return nil
	}}
	require.NoError(t, cmd.Run(t.Context(), append([]string{"agent"}, args...)))
	return o, err
}

func TestDockerFlags(t *testing.T) {
	o, err := parse(t, "--driver", "docker", "--docker", "tcp://h:2376", "--docker-certs", "/certs", "--docker-image", "i:1", "--docker-auth", "/auth.json",
		"--docker-network", "games", "--docker-gpu", "dri", "--docker-gpu", "nvidia.com/gpu=0", "--docker-memory", "2g", "--docker-cpus", "1.5", "--instance-nats", "tls://n:4222")
	require.NoError(t, err)
	require.Equal(t, docker.Config{Engine: "tcp://h:2376", TLSCA: "/certs/ca.pem", TLSCert: "/certs/cert.pem", TLSKey: "/certs/key.pem", Image: "i:1", Auth: "/auth.json",
		Network: "games", GPUs: []string{"dri", "nvidia.com/gpu=0"}, Memory: 2 << 30, CPUs: 1.5}, o.Docker.config())
	require.Equal(t, "tls://n:4222", o.InstanceNATS)

	for says, args := range map[string][]string{
		"needs --docker-image":                       {"--driver", "docker"},
		"--docker-image is for --driver docker":      {"--docker-image", "i"},
		"--docker-gpu is for --driver docker":        {"--driver", "process", "--docker-gpu", "dri"},
		"--docker-memory takes a size":               {"--driver", "docker", "--docker-image", "i", "--docker-memory", "lots"},
		"--docker-cpus takes a number":               {"--driver", "docker", "--docker-image", "i", "--docker-cpus=-1"},
		"--ams is for --driver ams":                  {"--driver", "docker", "--docker-image", "i", "--ams", "https://h:8444"},
		"--driver takes process, docker or ams, not": {"--driver", "podman"},
	} {
		_, err := parse(t, args...)
		require.ErrorContains(t, err, says)
	}
}

// Instances are given no address that lets anybody in, nor one that leads nowhere from where they are.
func TestNATSFromContainers(t *testing.T) {
	for name, row := range map[string]struct {
		o       DriverOptions
		own     string
		refused string
	}{
		"host network":  {DriverOptions{Name: driverDocker}, "nats://127.0.0.1:4222", ""},
		"elsewhere":     {DriverOptions{Name: driverDocker, Docker: DockerOptions{Network: "games"}}, "nats://nats.example:4222", ""},
		"another":       {DriverOptions{Name: driverDocker, InstanceNATS: "nats://10.0.0.1:4222", Docker: DockerOptions{Network: "games"}}, "nats://127.0.0.1:4222", ""},
		"loopback":      {DriverOptions{Name: driverDocker, Docker: DockerOptions{Network: "games"}}, "nats://127.0.0.1:4222", "leads nowhere"},
		"localhost too": {DriverOptions{Name: driverDocker, Docker: DockerOptions{Network: "games"}}, "nats://n:4222,nats://localhost:4222", "leads nowhere"},
		"a password":    {DriverOptions{Name: driverDocker}, "nats://me:hunter2@h:4222", "a password"},
	} {
		_, err := row.o.instanceNATS(row.own)
		if row.refused == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, row.refused, name)
		require.NotContains(t, err.Error(), "hunter2", name)
	}
}

// An agent whose engine does not answer says so at its start.
func TestEquipDockerAway(t *testing.T) {
	o := Options{Data: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Driver: DriverOptions{Name: driverDocker, Docker: DockerOptions{Engine: "unix:///no/such/socket", Image: "i"}}}
	cfg := agent.Config{ID: "a1"}
	err := o.equipDocker(t.Context(), &cfg)
	require.ErrorIs(t, err, driver.ErrAway)
	require.ErrorContains(t, err, "/no/such/socket")
	require.ErrorContains(t, err, "is it running")
}
