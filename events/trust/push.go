package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// updateClaims is where servers take accounts (ADR-14 of NATS); all servers of a cluster pass them on.
	updateClaims = "$SYS.REQ.CLAIMS.UPDATE"
	systemInbox  = "_INBOX_system"
	// pushLife is how long the user lives that brings them.
	pushLife = time.Minute
	// pushTime bounds one connection and each answer.
	pushTime = 5 * time.Second
)

// Push brings the accounts as they are now to the servers at url, which take them at once: new keys are honoured, and
// users of removed ones are disconnected. The servers must keep accounts in a folder ("full" resolver).
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
		if err := push(ctx, nc, account); err != nil {
			return err
		}
	}
	return nil
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
