package trust

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Names of the accounts.
const (
	systemAccount    = "SYS"
	mainAccount      = "STREAMSTACK"
	analyticsAccount = "ANALYTICS"
	sdpAccount       = "ANALYTICS-SDP"

	operatorName = "streamstack"
)

// Account is an account as servers know it.
type Account struct {
	Name string
	ID   string // its public key
	JWT  string
}

// operator makes the operator's JWT.
func (k keys) operator() (string, error) {
	kp, pub, err := pair(k.Operator)
	if err != nil {
		return "", err
	}
	_, system, err := pair(k.Accounts[systemAccount])
	if err != nil {
		return "", err
	}
	c := jwt.NewOperatorClaims(pub)
	c.Name, c.SystemAccount = operatorName, system
	return encode(c, kp)
}

// accounts makes the accounts' JWTs, the system account first.
func (k keys) accounts() ([]Account, error) {
	ids := map[string]string{}
	for name, seed := range k.Accounts {
		_, pub, err := pair(seed)
		if err != nil {
			return nil, err
		}
		ids[name] = pub
	}
	kp, _, err := pair(k.Operator)
	if err != nil {
		return nil, err
	}
	var list []Account
	for _, name := range []string{systemAccount, mainAccount, analyticsAccount, sdpAccount} {
		c := jwt.NewAccountClaims(ids[name])
		c.Name = name
		switch name {
		case mainAccount:
			c.Limits.JetStreamLimits = jwt.JetStreamLimits{
				MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
			}
			c.Exports = exports()
		case analyticsAccount:
			c.Imports, c.Mappings = imports(Analytics, ids[mainAccount]), mappings()
		case sdpAccount:
			c.Imports, c.Mappings = imports(AnalyticsSDP, ids[mainAccount]), mappings()
		}
		if err := k.addSigners(c); err != nil {
			return nil, err
		}
		text, err := encode(c, kp)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		list = append(list, Account{name, ids[name], text})
	}
	return list, nil
}

// addSigners puts the public signing keys of an account's scopes into its claims.
func (k keys) addSigners(c *jwt.AccountClaims) error {
	for _, name := range slices.Sorted(maps.Keys(k.Signing)) {
		s, err := parseScope(name)
		if err != nil {
			return fmt.Errorf("trust: key file: %w", err)
		}
		if s.account() != c.Name {
			continue
		}
		for _, seed := range k.Signing[name] {
			_, pub, err := pair(seed)
			if err != nil {
				return err
			}
			c.SigningKeys.AddScopedSigner(s.signer(pub))
		}
		for _, pub := range k.Retired[name] {
			c.SigningKeys.AddScopedSigner(s.closed(pub))
		}
	}
	return nil
}

// encode checks and signs claims. Warnings of the checks are advice on other installations.
func encode(c jwt.Claims, kp nkeys.KeyPair) (string, error) {
	results := jwt.CreateValidationResults()
	c.Validate(results)
	if errs := results.Errors(); len(errs) > 0 {
		return "", fmt.Errorf("trust: claims: %w", errs[0])
	}
	text, err := c.Encode(kp)
	if err != nil {
		return "", fmt.Errorf("trust: sign: %w", err)
	}
	return text, nil
}
