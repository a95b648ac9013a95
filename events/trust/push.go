package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

const (
	// updateClaims is where servers take accounts (ADR-14 of NATS); all servers of a cluster pass them on.
	updateClaims = "$SYS.REQ.CLAIMS.UPDATE"
	// lookupClaims is where servers tell an account's JWT.
	lookupClaims = "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP"
	systemInbox  = "_INBOX_system"
	// pushLife is how long the user lives that brings them.
	pushLife = time.Minute
	// pushTime bounds one connection and each answer.
	pushTime = 5 * time.Second
)

// Push brings the accounts as they are now to the servers at url, which take them at once: new keys are honoured, and
// users of removed ones are disconnected. The servers must keep accounts in a folder ("full" resolver).
//
// An account that says the same as before is brought in the text that the server has, which is no change to it. Any other
// goes over all of the account's connections, and may cut one that publishes at that moment (see connect.Lasting): the
// rotation of one role's keys is no business of the others' accounts.
func (a *Authority) Push(ctx context.Context, url string) error {
	c, err := a.system(pushLife)
	if err != nil {
		return err
	}
	accounts, err := a.Accounts()
	if err != nil {
		return err
	}
	nc, err := nats.Connect(url, append(c.Options(), nats.CustomInboxPrefix(systemInbox), nats.Timeout(pushTime), nats.Name("streamstack credentials"))...)
	if err != nil {
		return fmt.Errorf("trust: push accounts to NATS: %w", err)
	}
	defer nc.Close()
	for _, account := range accounts {
		if account.Name == systemAccount {
			continue // nothing in it ever changes
		}
		if known := lookup(ctx, nc, account); sameClaims(known, account.JWT) {
			account.JWT = known
		}
		if err := push(ctx, nc, account); err != nil {
			return err
		}
	}
	return nil
}

// lookup returns the account's JWT as a server has it; empty when there is none, or no answer: then it is new.
func lookup(ctx context.Context, nc *nats.Conn, account Account) string {
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, fmt.Sprintf(lookupClaims, account.ID), nil)
	if err != nil {
		return ""
	}
	return string(m.Data)
}

// sameClaims tells whether two JWTs of an account differ in nothing but when they were made.
func sameClaims(a, b string) bool {
	x, err := jwt.DecodeAccountClaims(a)
	if err != nil {
		return false
	}
	y, err := jwt.DecodeAccountClaims(b)
	if err != nil {
		return false
	}
	x.IssuedAt, x.ID = y.IssuedAt, y.ID
	return reflect.DeepEqual(x, y)
}

func push(ctx context.Context, nc *nats.Conn, account Account) error {
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, updateClaims, []byte(account.JWT))
	if err != nil {
		return fmt.Errorf("trust: push account %s: %w", account.Name, err)
	}
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("trust: push account %s: answer: %w", account.Name, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("trust: push account %s: the server refuses it: %s", account.Name, answer.Error.Description)
	}
	return nil
}
