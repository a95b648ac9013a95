package projections

import (
	"slices"
	"strings"
	"time"

	"streamstack/events"
)

// Account is one holder of an API token.
type Account struct {
	Name    string
	TokenID string
	Expiry  string // RFC 3339; empty for never
	Scopes  string // such as read,create; empty where the log does not say
	Created time.Time
	// Expired tells that the token's expiry has come and is in the log.
	Expired bool
}

// Accounts is the read model of the ACCOUNTS stream: those that exist. It is not safe for concurrent use.
type Accounts struct {
	byName map[string]Account
	at     events.Seq
}

// NewAccounts is the empty state.
func NewAccounts() *Accounts { return &Accounts{byName: map[string]Account{}} }

// Apply folds one event of the ACCOUNTS stream.
func (m *Accounts) Apply(e events.Event) {
	if e.Sequence <= m.at {
		return
	}
	m.at = e.Sequence
	p := strings.Split(e.Subject, ".")
	if e.Quarantine != "" || len(p) != 3 || p[0] != "accounts" || e.Type != events.AccountTypeOf(events.Name(p[2])) {
		return
	}
	switch events.Name(p[2]) {
	case events.AccountCreated:
		d := data[events.AccountData](e)
		name := strings.Clone(p[1]) // no piece of the header block
		m.byName[name] = Account{Name: name, TokenID: d.TokenID, Expiry: d.Expiry, Scopes: d.Scopes, Created: e.Time}
	case events.AccountExpired:
		// One of an earlier token changes nothing.
		if a, ok := m.byName[p[1]]; ok && a.TokenID == data[events.AccountData](e).TokenID {
			a.Expired = true
			m.byName[p[1]] = a
		}
	case events.AccountDeleted:
		delete(m.byName, p[1])
	}
}

// At is the sequence folded last.
func (m *Accounts) At() events.Seq { return m.at }

// Get returns an account.
func (m *Accounts) Get(name string) (Account, bool) {
	a, ok := m.byName[name]
	return a, ok
}

// List returns the accounts by name.
func (m *Accounts) List() []Account {
	out := make([]Account, 0, len(m.byName))
	for _, a := range m.byName {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	return out
}
