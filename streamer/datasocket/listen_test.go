package datasocket

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A channel that was opened again keeps its socket when the one before comes to its end.
func TestRemoveLeavesTheNextSocket(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "ds-") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	path := filepath.Join(folder, "s")
	before, removeBefore, err := listen(t.Context(), folder, "s")
	require.NoError(t, err)
	next, remove, err := listen(t.Context(), folder, "s")
	require.NoError(t, err)
	removeBefore()
	require.NoError(t, before.Close())
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	remove()
	require.NoFileExists(t, path)
	require.NoError(t, next.Close())
}
