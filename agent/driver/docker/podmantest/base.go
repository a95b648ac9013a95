package podmantest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// baseName is the image that build.sh makes of this machine's packages.
const baseName = "localhost/streamstack-base:installed"

// scripts is the path of one of the files that images are made with.
func scripts(t testing.TB, name string) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	require.True(t, ok)
	return filepath.Join(filepath.Dir(here), "../../../../deployments/images", name)
}

// baseStore is Podman's storage with the base image, which others then only read. It is made once, whoever comes first. work is a
// folder that goes with the test.
func baseStore(t testing.TB, work string, env []string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	folder := filepath.Join(cache, "streamstack", "image-base", baseKey(t))
	require.NoError(t, os.MkdirAll(folder, 0o700))
	lock, err := os.Create(filepath.Join(folder, "lock"))
	require.NoError(t, err)
	defer func() { _ = lock.Close() }() // which unlocks it
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))

	store, made := filepath.Join(folder, "root"), filepath.Join(folder, "made")
	now := time.Now()
	if err := os.Chtimes(made, now, now); err == nil {
		return store
	} else if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	forgetOld(t, filepath.Dir(folder), now)
	unmount(store) // what one that was killed has left
	require.NoError(t, os.RemoveAll(store))
	empty := filepath.Join(work, "empty")
	require.NoError(t, os.WriteFile(empty, []byte("#!/bin/sh\n"), 0o700)) // the base is what counts
	build := exec.CommandContext(t.Context(), "sh", scripts(t, "build.sh"), "--base", "installed", "--tag", "streamstack-empty", "--binary", empty)
	build.Env = append(slices.Clone(env), "ENGINE="+strings.Join(podman(store, filepath.Join(work, "base")), " "))
	out, err := build.CombinedOutput()
	require.NoError(t, err, "build the base of the image: %s", out)
	unmount(store)
	require.NoError(t, os.WriteFile(made, nil, 0o600))
	return store
}

// keepUnused is how long a base that no test asks for any more takes up its half a gigabyte.
const keepUnused = 24 * time.Hour

// forgetOld removes bases that are of no use any more.
func forgetOld(t testing.TB, all string, now time.Time) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(all, "*", "made"))
	require.NoError(t, err)
	for _, made := range files {
		if info, err := os.Stat(made); err == nil && now.Sub(info.ModTime()) > keepUnused {
			require.NoError(t, os.RemoveAll(filepath.Dir(made)))
		}
	}
}

// baseKey is by what the base is made of: the scripts, and the versions of the packages that they ask for. A program that was built
// here needs this machine's libc6.
func baseKey(t testing.TB) string {
	t.Helper()
	sum := sha256.New()
	argv := []string{"-W", "libc6"}
	for _, name := range []string{"packages.txt", "installed.sh", "finish.sh", "build.sh"} {
		text, err := os.ReadFile(scripts(t, name))
		require.NoError(t, err)
		_, _ = sum.Write(text) // never fails (hash.Hash)
		if name == "packages.txt" {
			argv = append(argv, packages(string(text))...)
		}
	}
	versions, err := exec.CommandContext(t.Context(), "dpkg-query", argv...).Output()
	require.NoError(t, err, "the image is made of this machine's packages, which must be Debian's or Ubuntu's: run: task setup:test")
	_, _ = sum.Write(versions)
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// packages are the names in a list of them.
func packages(list string) (names []string) {
	for line := range strings.Lines(list) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			names = append(names, words[0])
		}
	}
	return names
}
