package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// operatorMode writes the configuration of a nats-server in operator mode, as an operator does, and returns its path.
func operatorMode(t testing.TB, data string) string {
	t.Helper()
	text, code := Command(t, "credentials", "server-config", "--data", data, "--jwt-dir", filepath.Join(data, "jwt"))
	require.Zero(t, code, text)
	path := filepath.Join(data, "streamstack.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// credentials writes a credentials file of a role and returns its path. The server at url learns of a new region's keys.
func credentials(t testing.TB, data, url string, role ...string) string {
	t.Helper()
	text, code := Command(t, append(append([]string{"credentials"}, role...), "--data", data, "--nats", url)...)
	require.Zero(t, code, text)
	path := filepath.Join(data, role[0]+".creds")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
