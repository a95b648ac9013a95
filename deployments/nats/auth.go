package natsd

import (
	"fmt"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// accountsFolder holds the accounts' JWTs, in the store.
const accountsFolder = "accounts"

// operatorMode has the server trust the operator, and know the accounts as they are now. They lie in a folder, in which
// the server replaces them when new ones are pushed to it: so keys rotate while it runs.
func operatorMode(o *server.Options, c Config) error {
	text, err := c.Trust.Operator()
	if err != nil {
		return err
	}
	operator, err := jwt.DecodeOperatorClaims(text)
	if err != nil {
		return fmt.Errorf("natsd: operator: %w", err)
	}
	accounts, err := c.Trust.Accounts()
	if err != nil {
		return err
	}
	resolver, err := server.NewDirAccResolver(filepath.Join(c.StoreDir, accountsFolder), 0, 0, server.NoDelete)
	if err != nil {
		return fmt.Errorf("natsd: accounts: %w", err)
	}
	for _, a := range accounts {
		if err := resolver.Store(a.ID, a.JWT); err != nil {
			return fmt.Errorf("natsd: account %s: %w", a.Name, err)
		}
	}
	o.TrustedOperators, o.SystemAccount, o.AccountResolver = []*jwt.OperatorClaims{operator}, operator.SystemAccount, resolver
	return nil
}
