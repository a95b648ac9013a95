package folderlock_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/folderlock"
)

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	unlock, err := folderlock.Take(data, "agent.lock", "agent")
	require.NoError(t, err)
	_, err = folderlock.Take(data, "agent.lock", "agent")
	require.ErrorContains(t, err, "another agent runs on "+data+": stop it, or name another folder with --data")
	other, err := folderlock.Take(data, "lock", "stack")
	require.NoError(t, err, "of another kind")
	other()
	unlock()
	again, err := folderlock.Take(data, "agent.lock", "agent")
	require.NoError(t, err)
	again()
	_, err = folderlock.Take(filepath.Join(data, "none"), "lock", "stack")
	require.ErrorContains(t, err, "stack: the data folder cannot be written")
}
