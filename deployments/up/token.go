package up

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	gateway "streamstack/gateway/command"
	"streamstack/gateway/token"
)

const (
	// tokenLife is how long the local account's token is good for.
	tokenLife = 365 * 24 * time.Hour
	// localAccount is whose token is in endpoints.json and in the printed address.
	localAccount = "local"
	// tokenFile keeps it among the secrets, so that a console that is open survives a restart.
	tokenFile = "local.token"
)

// accounts is what of a gateway is needed here.
type accounts interface {
	Account(ctx context.Context, token string) (string, error)
	CreateAccount(ctx context.Context, name string, expiry time.Time, scopes ...token.Scopes) (string, error)
}

// localToken is the token of the stack's own account: the one of the last start if it still stands, else a new one.
func localToken(ctx context.Context, data string, g accounts) (string, error) {
	path := filepath.Join(data, gateway.Secrets, tokenFile)
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("up: token: %w", err)
	}
	text := strings.TrimSpace(string(kept))
	if whose, err := g.Account(ctx, text); err == nil && whose == localAccount {
		return text, nil
	}
	text, err = g.CreateAccount(ctx, localAccount, time.Now().Add(tokenLife))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("up: token: %w", err)
	}
	return text, nil
}
