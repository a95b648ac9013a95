package up

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	gateway "streamstack/gateway/command"
	"streamstack/gateway/token"
)

// book is the accounts of a gateway: which token is whose.
type book map[string]string

func (b book) Account(_ context.Context, token string) (string, error) {
	if name, ok := b[token]; ok {
		return name, nil
	}
	return "", errors.New("no such token")
}

func (b book) CreateAccount(_ context.Context, name string, _ time.Time, _ ...token.Scopes) (string, error) {
	made := "token-" + string(rune('a'+len(b)))
	b[made] = name
	return made, nil
}

func TestTheTokenOutlivesARestart(t *testing.T) {
	data, b := t.TempDir(), book{}
	require.NoError(t, os.Mkdir(filepath.Join(data, gateway.Secrets), 0o700))
	first, err := localToken(t.Context(), data, b)
	require.NoError(t, err)
	again, err := localToken(t.Context(), data, b)
	require.NoError(t, err)
	require.Equal(t, first, again)
	info, err := os.Stat(filepath.Join(data, gateway.Secrets, tokenFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	delete(b, first) // it expired, or the account was deleted
	b["kept"] = "local"
	second, err := localToken(t.Context(), data, b)
	require.NoError(t, err)
	require.NotEqual(t, first, second)

	require.NoError(t, os.WriteFile(filepath.Join(data, gateway.Secrets, tokenFile), []byte("somebody's\n"), 0o600))
	b["somebody's"] = "somebody"
	third, err := localToken(t.Context(), data, b)
	require.NoError(t, err)
	require.Equal(t, localAccount, b[third], "only a token of the stack's own account is taken")
}
