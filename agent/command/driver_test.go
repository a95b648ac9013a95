package command

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent"
	"streamstack/agent/driver/ams/amstest"
)

// Instances are given no address that lets anybody in.
func TestInstanceNATS(t *testing.T) {
	for name, row := range map[string]struct {
		o    DriverOptions
		own  string
		want string // empty: refused
	}{
		"process":         {DriverOptions{Name: driverProcess}, "nats://h:4222,ws://i", "nats://h:4222,ws://i"},
		"on this machine": {DriverOptions{Name: driverProcess}, "nats://me:hunter2@h:4222", ""},
		"by a token":      {DriverOptions{Name: driverProcess}, "hunter2@h:4222", ""},
		"the agent's":     {DriverOptions{Name: driverAMS}, "nats://h:4222", "nats://h:4222"},
		"several":         {DriverOptions{Name: driverAMS}, "nats://h:4222,tls://i:4222", "nats://h:4222,tls://i:4222"},
		"another":         {DriverOptions{Name: driverAMS, InstanceNATS: "tls://out:4222"}, "nats://me:hunter2@h:4222", "tls://out:4222"},
		"a password":      {DriverOptions{Name: driverAMS}, "nats://me:hunter2@h:4222", ""},
		"a token":         {DriverOptions{Name: driverAMS}, "nats://h:4222,hunter2@i:4222", ""},
		"another's token": {DriverOptions{Name: driverAMS, InstanceNATS: "tls://hunter2@out"}, "nats://h:4222", ""},
	} {
		got, err := row.o.instanceNATS(row.own)
		require.Equal(t, row.want, got, name)
		if row.want == "" {
			require.ErrorContains(t, err, "nats", name)
			require.ErrorContains(t, err, "--creds", name)
			require.Equal(t, row.o.Name != driverProcess, strings.Contains(err.Error(), "--instance-nats"), name)
			require.NotContains(t, err.Error(), "hunter2", name)
		}
	}
}

// With ams the applications and the slots are AMS's.
func TestEquipAMS(t *testing.T) {
	own := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
	server := amstest.Start(t, nil, own)
	server.SetApplications(amstest.Ready("d0jz1b85q1fs739k2ar0", "racing", 0))
	o := Options{Logger: slog.New(slog.DiscardHandler), Driver: DriverOptions{Name: driverAMS, AMS: server.URL, AMSCert: own.Cert, AMSKey: own.Key, AMSServerCert: server.Certificate.Cert}}
	var cfg agent.Config
	require.ErrorContains(t, o.equipAMS(t.Context(), &cfg), "no room for an instance")
	server.SetNodes(amstest.Node{Name: "lxd0", StatusCode: 4, CPUs: 4, Memory: "16GB", DiskSize: "100GB"})
	require.NoError(t, o.equipAMS(t.Context(), &cfg))
	require.Equal(t, 8, cfg.Slots)
	require.Equal(t, []string{"racing"}, cfg.Applications.Names())
	require.NotNil(t, cfg.FollowApplications)
	require.NoError(t, cfg.Driver.Close(t.Context()))

	cfg = agent.Config{Slots: 3}
	require.NoError(t, o.equipAMS(t.Context(), &cfg))
	require.Equal(t, 3, cfg.Slots)
	server.Distrust(own)
	require.ErrorContains(t, o.equipAMS(t.Context(), &cfg), "amc auth identity create")
}
