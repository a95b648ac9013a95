package confine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is hidden and kept is told on the command line, and what follows is the command's own, whatever it looks like.
func TestParse(t *testing.T) {
	want := View{Hide: []string{"/data", "/tmp"}, Keep: []string{"/data/home"}}
	got, command, err := parse(append(want.Args(), "--keep=/data", "x"))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"--keep=/data", "x"}, command)
	got, command, err = parse([]string{"true"})
	require.NoError(t, err)
	require.Equal(t, View{}, got)
	require.Equal(t, []string{"true"}, command)
	for _, bad := range []string{"--hide=/", "--hide=//", "--hide=data", "--hide=", "--keep=home"} {
		_, _, err := parse([]string{bad, "true"})
		require.ErrorContains(t, err, "absolute path", bad)
	}
}

// Folders are hidden once, by their real paths: one in another would hide the file system that took the place of that.
func TestOutermost(t *testing.T) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	in := func(name string) string { return filepath.Join(folder, name) }
	require.NoError(t, os.MkdirAll(in("a/b"), 0o700))
	require.NoError(t, os.MkdirAll(in("ab"), 0o700))
	require.NoError(t, os.Symlink(in("ab"), in("a/link")))
	got, err := outermost([]string{in("a/b"), in("a"), in("a"), in("a/link")})
	require.NoError(t, err)
	require.Equal(t, []string{in("a"), in("ab")}, got)
	require.True(t, within(in("a/link/x"), []string{in("a")}), "what is not there is taken as it is named")
	require.False(t, within(in("ab"), []string{in("a")}))
	_, err = outermost([]string{in("missing")})
	require.ErrorContains(t, err, "missing")
}
