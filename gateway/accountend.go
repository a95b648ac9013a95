package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/projections"
)

// scheduleAccounts sets the deadline of each new account's token. The token is refused from its expiry on whatever
// happens here; the deadline makes the expiry an event, for those who watch the accounts.
func (g *Gateway) scheduleAccounts(ctx context.Context) error {
	return g.manage(ctx, events.AccountsStream, jetstream.ConsumerConfig{
		Durable: "gateway-accounts", FilterSubject: "accounts.*." + string(events.AccountCreated),
	}, func(ctx context.Context, e events.Event) error {
		p := strings.Split(e.Subject, ".")
		if e.Quarantine != "" || len(p) != 3 {
			return nil
		}
		a, _, err := g.loadAccount(ctx, p[1])
		if err != nil {
			return err
		}
		return g.setAccountDeadline(ctx, a)
	})
}

// setAccountDeadline schedules the expiry of an account's token; a newer token's replaces it.
func (g *Gateway) setAccountDeadline(ctx context.Context, a projections.Account) error {
	expiry, ok := accountExpiry(a)
	if !ok {
		return nil
	}
	at, due := projections.AccountDeadlineSubjects(a.Name)
	return g.scheduleAt(ctx, at, due, expiry)
}

// accountExpiry is when an account's token expires; not ok where that is never, or has been recorded.
func accountExpiry(a projections.Account) (time.Time, bool) {
	expiry, err := time.Parse(time.RFC3339, a.Expiry)
	return expiry, err == nil && !a.Expired
}

// loadAccount folds an account's events as they are now; the zero account does not exist. last is the sequence to expect
// when appending on this ground.
func (g *Gateway) loadAccount(ctx context.Context, name string) (a projections.Account, last events.Seq, err error) {
	accounts := projections.NewAccounts()
	err = g.cfg.Log.Read(ctx, events.AccountsStream, events.AccountFilter(name), 0, func(e events.Event) error {
		accounts.Apply(e)
		last = e.Sequence
		return nil
	})
	if err != nil {
		return a, 0, fmt.Errorf("gateway: account %s: %w", name, err)
	}
	a, _ = accounts.Get(name)
	return a, last, nil
}

// accountDue records that an account's token has expired, unless the account has a newer one, which gets its deadline.
// When somebody else appends meanwhile it fails, and is asked again.
func (g *Gateway) accountDue(ctx context.Context, name string) error {
	a, last, err := g.loadAccount(ctx, name)
	if err != nil {
		return err
	}
	expiry, ok := accountExpiry(a)
	switch {
	case !ok:
		return nil
	case expiry.After(g.now()):
		return g.setAccountDeadline(ctx, a)
	}
	_, err = g.cfg.Log.AppendAccountExpecting(ctx, name, events.AccountExpired, events.AccountData{TokenID: a.TokenID, Expiry: a.Expiry}, last)
	return err
}
