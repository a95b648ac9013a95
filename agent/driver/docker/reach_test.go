package docker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An engine can be asked whether it is there without a driver, an image or a folder.
func TestReach(t *testing.T) {
	t.Parallel()
	m, err := Reach(t.Context(), Config{Engine: engine(t).Socket})
	require.NoError(t, err)
	require.Positive(t, m.CPUs)
	require.Positive(t, m.Memory)
	_, err = Reach(t.Context(), Config{Engine: "ftp://h"})
	require.ErrorContains(t, err, "give unix:///path/to/socket or tcp://host:2376")
}
