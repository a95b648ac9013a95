package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"streamstack/events"
)

// Authority makes accounts and users with the keys of one installation. It holds nothing but the file's name: each call
// reads the file, so that a rotation by another process is seen at once. Its methods are safe for concurrent use.
type Authority struct{ path string }

// Open opens the key file in a folder of secrets. A missing one is made, with new keys, readable by its owner alone.
func Open(folder string) (*Authority, error) {
	a := &Authority{filepath.Join(folder, KeyFile)}
	if _, err := readKeys(a.path); err == nil {
		return a, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return a, a.change(func(keys) error { return nil })
}

// change reads the keys, or makes them, lets fn change them, and writes them.
func (a *Authority) change(fn func(keys) error) error {
	unlock, err := lockKeys(a.path)
	if err != nil {
		return err
	}
	defer unlock()
	k, err := readKeys(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		k, err = newKeys()
	}
	if err != nil {
		return err
	}
	if err := fn(k); err != nil {
		return err
	}
	return k.write(a.path)
}

// AddRegion makes the signing keys of a region's agents and streamers, and tells whether they are new: servers that run
// must then be told of them ([Authority.Push]).
func (a *Authority) AddRegion(r events.Region) (added bool, err error) {
	scopes := []scope{{Agent, r}, {Streamer, r}}
	if err := scopes[0].check(); err != nil {
		return false, err
	}
	k, err := readKeys(a.path)
	if err != nil || k.has(scopes[0]) && k.has(scopes[1]) {
		return false, err
	}
	return true, a.change(func(k keys) error {
		for _, s := range scopes {
			if !k.has(s) {
				if err := k.rotate(s); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Rotate makes a new signing key of a role (of a region). What the one before has signed is honoured until the next
// rotation; what was signed earlier is not any more, once servers know ([Authority.Push]).
func (a *Authority) Rotate(r Role, region events.Region) error {
	s := scope{r, region}
	if err := s.check(); err != nil {
		return err
	}
	return a.change(func(k keys) error {
		if !k.has(s) {
			return fmt.Errorf("trust: there is no key of %s yet: make credentials first", s)
		}
		return k.rotate(s)
	})
}

// Credentials makes a user that is valid for life, for ever when it is 0. The region's keys must be there
// ([Authority.AddRegion]).
func (a *Authority) Credentials(i Identity, life time.Duration) (Credentials, error) {
	if err := i.check(); err != nil {
		return Credentials{}, err
	}
	k, err := readKeys(a.path)
	if err != nil {
		return Credentials{}, err
	}
	s := i.scope()
	if !k.has(s) {
		return Credentials{}, fmt.Errorf("trust: there is no key of %s: add the region first", s)
	}
	_, account, err := pair(k.Accounts[s.account()])
	if err != nil {
		return Credentials{}, err
	}
	signer, _, err := pair(k.Signing[s.String()][0])
	if err != nil {
		return Credentials{}, err
	}
	c, err := newUser(i, account, signer, life)
	if i.Role == Agent && k.has(scope{Streamer, i.Region}) {
		c.streamers = k.Signing[scope{Streamer, i.Region}.String()][0]
	}
	return c, err
}

// Operator is the operator's JWT, by which servers know whom to trust.
func (a *Authority) Operator() (string, error) {
	k, err := readKeys(a.path)
	if err != nil {
		return "", err
	}
	return k.operator()
}

// Accounts are the accounts as they are now, the system account first.
func (a *Authority) Accounts() ([]Account, error) {
	k, err := readKeys(a.path)
	if err != nil {
		return nil, err
	}
	return k.accounts()
}

// system makes a user of the system account, which may bring accounts to servers, and nothing else.
func (a *Authority) system(life time.Duration) (Credentials, error) {
	k, err := readKeys(a.path)
	if err != nil {
		return Credentials{}, err
	}
	kp, _, err := pair(k.Accounts[systemAccount])
	if err != nil {
		return Credentials{}, err
	}
	u, seed, err := newClaims(life)
	if err != nil {
		return Credentials{}, err
	}
	u.Name = "streamstack system"
	u.Permissions = allow([]string{updateClaims, fmt.Sprintf(lookupClaims, "*")}, []string{systemInbox + ".>"})
	text, err := encode(u, kp)
	return Credentials{jwt: text, seed: seed}, err
}

// newUser makes a user within the scope of a signing key.
func newUser(i Identity, account string, signer nkeys.KeyPair, life time.Duration) (Credentials, error) {
	u, seed, err := newClaims(life)
	if err != nil {
		return Credentials{}, err
	}
	u.Name, u.IssuerAccount, u.Tags = i.Name(), account, i.tags()
	u.SetScoped(true) // it has no permissions of its own, but those of the scope
	text, err := encode(u, signer)
	return Credentials{Identity: i, jwt: text, seed: seed, account: account}, err
}

func newClaims(life time.Duration) (*jwt.UserClaims, string, error) {
	seed, err := newSeed(nkeys.PrefixByteUser)
	if err != nil {
		return nil, "", err
	}
	_, pub, err := pair(seed)
	if err != nil {
		return nil, "", err
	}
	u := jwt.NewUserClaims(pub)
	if life > 0 {
		u.Expires = time.Now().Add(life).Unix()
	}
	return u, seed, nil
}
