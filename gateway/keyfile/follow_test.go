package keyfile_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/keyfile"
)

// A file that changes is read at once, one that is broken or gone leaves the keys as they are and is told of once.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.keys")
	var said bytes.Buffer
	f, err := keyfile.Follow(path, slog.New(slog.NewTextHandler(&said, nil)))
	require.NoError(t, err)
	first, version := f.Keys()
	require.Nil(t, first.Previous)
	again, same := f.Keys()
	require.Equal(t, first, again)
	require.Equal(t, version, same)

	rotated, err := keyfile.Rotate(path)
	require.NoError(t, err)
	got, newer := f.Keys()
	require.Equal(t, rotated, got)
	require.Equal(t, first.Current, got.Previous)
	require.Greater(t, newer, version)

	for name, harm := range map[string]func() error{
		"rubbish":       func() error { return os.WriteFile(path, []byte("rubbish"), 0o600) },
		"gone":          func() error { return os.Remove(path) },
		"open to all":   func() error { return os.WriteFile(path, []byte("rubbish"), 0o644) },
		"nothing in it": func() error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			good, err := keyfile.Open(path)
			require.NoError(t, err)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			_, before := f.Keys()
			said.Reset()
			require.NoError(t, harm())
			for range 3 {
				kept, v := f.Keys()
				require.Equal(t, good, kept)
				require.Equal(t, before, v)
			}
			require.Equal(t, 1, strings.Count(said.String(), "level=ERROR"), said.String())
			require.NotContains(t, said.String(), strings.Fields(string(text))[len(strings.Fields(string(text)))-1])
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, os.WriteFile(path, text, 0o600))
			back, v := f.Keys()
			require.Equal(t, good, back)
			require.Equal(t, before, v, "the same keys")
		})
	}
}
