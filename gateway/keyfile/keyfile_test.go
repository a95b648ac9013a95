package keyfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/keyfile"
)

func TestOpenCreatesAKeyForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets", "root.keys")
	keys, err := keyfile.Open(path)
	require.NoError(t, err)
	require.Len(t, keys.Current, keyfile.KeySize)
	require.Nil(t, keys.Previous)

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	folder, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), folder.Mode().Perm())

	again, err := keyfile.Open(path)
	require.NoError(t, err)
	require.Equal(t, keys, again)
	requireOnlyFile(t, path)
}

func TestOpenAtOnceYieldsOneKey(t *testing.T) {
	const openers = 16
	path := filepath.Join(t.TempDir(), "root.keys")
	var (
		group sync.WaitGroup
		got   [openers]keyfile.Keys
		errs  [openers]error
	)
	for i := range openers {
		group.Go(func() { got[i], errs[i] = keyfile.Open(path) })
	}
	group.Wait()
	for i := range openers {
		require.NoError(t, errs[i])
		require.Equal(t, got[0], got[i])
	}
	requireOnlyFile(t, path)
}

func TestRotateKeepsOnePrevious(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.keys")
	first, err := keyfile.Open(path)
	require.NoError(t, err)
	second, err := keyfile.Rotate(path)
	require.NoError(t, err)
	require.Equal(t, first.Current, second.Previous)
	require.NotEqual(t, first.Current, second.Current)
	require.Len(t, second.All(), 2)
	third, err := keyfile.Rotate(path)
	require.NoError(t, err)
	require.Equal(t, second.Current, third.Previous)
	require.NotContains(t, third.All(), first.Current)

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	requireOnlyFile(t, path)
}

func TestOpenRefusesAFileOthersMayAccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.keys")
	_, err := keyfile.Open(path)
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o660, 0o620, 0o610} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := keyfile.Open(path)
		require.ErrorIs(t, err, keyfile.ErrPermissions, "mode %04o", mode)
		require.ErrorContains(t, err, "chmod 600 "+path)
	}
	require.NoError(t, os.Chmod(path, 0o400), "a mounted secret may be read-only")
	_, err = keyfile.Open(path)
	require.NoError(t, err)
}

func TestOpenSaysWhatIsWrongWithTheFile(t *testing.T) {
	good := strings.Repeat("A", 85) + "A" // 86 digits of base64: 64 bytes
	for name, text := range map[string]string{
		"empty":         "",
		"comments only": "# nothing\n",
		"short":         "QUJD\n",
		"not base64":    strings.Repeat("!", 86),
		"three keys":    good + "\n" + good + "\n" + good + "\n",
		"cut off":       good + "\n" + good[:40],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "root.keys")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			_, err := keyfile.Open(path)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, "restore the file")
			require.NotContains(t, err.Error(), good[:40])
		})
	}
	_, err := keyfile.Open(t.TempDir())
	require.ErrorContains(t, err, "is a folder")
}

func TestOpenReportsAFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := keyfile.Open(filepath.Join(file, "root.keys"))
	require.ErrorContains(t, err, "keyfile:")
}

func TestKeysStayOutOfMessages(t *testing.T) {
	keys := keyfile.Keys{Current: bytes.Repeat([]byte("k"), keyfile.KeySize)}
	for _, text := range []string{fmt.Sprint(keys), fmt.Sprintf("%+v", keys), fmt.Sprintf("%#v", keys), keys.LogValue().String()} {
		require.Equal(t, "[keys]", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("# comment\n" + strings.Repeat("A", 86) + "\n")
	f.Add(strings.Repeat("B", 86) + "\r\n" + strings.Repeat("A", 86))
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := keyfile.Parse(text)
		if err != nil {
			return
		}
		for _, key := range keys.All() {
			if len(key) != keyfile.KeySize {
				t.Fatalf("a key of %d bytes", len(key))
			}
		}
	})
}

func requireOnlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "temporary files were left behind")
}
