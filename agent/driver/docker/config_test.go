package docker

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/stretchr/testify/require"
)

func TestConfig(t *testing.T) {
	sound := Config{Data: "d", Agent: "a1", Image: "streamstack-{app}:{version}"}
	require.NoError(t, sound.complete())
	require.Equal(t, "streamstack-chess:7", sound.image(app("chess", 7)))
	pem := filepath.Join(t.TempDir(), "a.pem")
	require.NoError(t, os.WriteFile(pem, nil, 0o600))
	for says, change := range map[string]func(*Config){
		"data folder and image must be given":    func(c *Config) { c.Image = "" },
		"agent id":                               func(c *Config) { c.Agent = "A.1" },
		"give unix:///path/to/socket or tcp":     func(c *Config) { c.Engine = "ssh://host" },
		"an engine over TCP needs TLS":           func(c *Config) { c.Engine = "tcp://host:2376" },
		"no such file":                           func(c *Config) { c.Engine, c.TLSCA = "tcp://host:2376", "/no/such/file" },
		"TLS is for engines over TCP":            func(c *Config) { c.TLSCA = pem },
		"give a name such as registry.example":   func(c *Config) { c.Image = "UPPER:1" },
		"limits of memory and CPUs":              func(c *Config) { c.Memory = -1 },
		"give dri, nvidia or a CDI name such as": func(c *Config) { c.GPUs = []string{"all"} },
	} {
		c := Config{Data: "d", Agent: "a1", Image: "streamstack"}
		change(&c)
		require.ErrorContains(t, c.complete(), says)
	}
}

// What is asked of the engine for graphics cards. None is here: that a card then works was not run.
func TestGPUs(t *testing.T) {
	c := Config{Data: "d", Agent: "a1", Image: "i", GPUs: []string{"dri", "nvidia", "nvidia.com/gpu=0"}}
	require.NoError(t, c.complete())
	h := c.describe(spec("steady"), []string{"44", "105"}).HostConfig
	require.Equal(t, []container.DeviceMapping{{PathOnHost: "/dev/dri", PathInContainer: "/dev/dri", CgroupPermissions: "rw"}}, h.Devices)
	require.Equal(t, []string{"44", "105"}, h.GroupAdd)
	require.Equal(t, []container.DeviceRequest{
		{Driver: "nvidia", Count: -1, Capabilities: [][]string{{"gpu", "utility", "video", "graphics", "display"}}},
		{Driver: "cdi", DeviceIDs: []string{"nvidia.com/gpu=0"}},
	}, h.DeviceRequests)
	require.Empty(t, (&Config{Agent: "a1"}).describe(spec("steady"), []string{"44"}).HostConfig.GroupAdd, "only with cards")

	folder := t.TempDir()
	require.Empty(t, renderGroups(DefaultEngine, folder))
	for _, node := range []string{"renderD128", "renderD129", "card0"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, node), nil, 0o600))
	}
	want := []string{strconv.Itoa(os.Getgid())}
	if os.Getgid() == 0 {
		want = nil // root's group lets nobody in who is not root
	}
	require.Equal(t, want, renderGroups(DefaultEngine, folder))
	require.Empty(t, renderGroups("tcp://elsewhere:2376", folder))
}

// A container's text is bounded, and shows nothing that a terminal would obey.
func TestClip(t *testing.T) {
	require.Equal(t, "a[31mb\nc", clip("a\x1b[31mb\nc\x00\xff", 100))
	require.Equal(t, "ä", clip("ää", 3))
	require.LessOrEqual(t, len(clip(string(make([]rune, 9000)), 50)), 50)
}
