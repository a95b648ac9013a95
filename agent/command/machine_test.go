package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

func TestGPUs(t *testing.T) {
	drm := t.TempDir()
	require.Empty(t, gpus(drm))
	for node, vendor := range map[string]string{"renderD129": "0x8086\n", "renderD128": "0x10de\n", "renderD130": "0x1af4\n", "card0": "0x8086\n"} {
		require.NoError(t, os.MkdirAll(filepath.Join(drm, node, "device"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(drm, node, "device", "vendor"), []byte(vendor), 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(drm, "renderD131"), 0o700))
	require.Equal(t, []events.GPUData{{Vendor: "nvidia", Device: "/dev/dri/renderD128"}, {Vendor: "intel", Device: "/dev/dri/renderD129"},
		{Vendor: "0x1af4", Device: "/dev/dri/renderD130"}}, gpus(drm))
	require.GreaterOrEqual(t, load(), 0.0)
}
