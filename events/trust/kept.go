package trust

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"streamstack/events"
)

// RenewSubject is where a streamer gets its user renewed: a JWT, which is no secret, for nobody can sign in with it who lacks
// the user's key. The agents of the region publish there, and the session's streamer alone may read.
func RenewSubject(r events.Region, id events.SessionID) string {
	return "renew." + string(r) + "." + string(id)
}

// Renew makes a session's streamer's user anew: for the key pair that it has, of which only the public key is given,
// valid for life from now on.
func (m *Minter) Renew(id events.SessionID, user string, life time.Duration) (string, error) {
	i := Identity{Role: Streamer, Region: m.region, Session: id}
	if err := i.check(); err != nil {
		return "", err
	}
	if !nkeys.IsValidPublicUserKey(user) {
		return "", fmt.Errorf("trust: renew the user of %s: that is no user's public key", id)
	}
	u := jwt.NewUserClaims(user)
	u.Name, u.IssuerAccount, u.Tags = i.Name(), m.account, i.tags()
	u.Expires = time.Now().Add(life).Unix()
	u.SetScoped(true) // it has no permissions of its own, but those of the scope
	return encode(u, m.signer)
}

// Kept are credentials whose user can be renewed while a connection uses them: whenever it connects it signs in with the
// newest. It is safe for concurrent use.
type Kept struct {
	seed, user string

	mu    sync.Mutex
	token string
	until int64
}

// ErrRenewal is returned for what renews nothing.
var ErrRenewal = errors.New("trust: this renews nothing")

// Keep makes credentials renewable.
func Keep(c Credentials) (*Kept, error) {
	_, user, err := pair(c.seed)
	if err != nil {
		return nil, err
	}
	k := &Kept{seed: c.seed, user: user}
	return k, k.Replace(c.jwt)
}

// User is the public key.
func (k *Kept) User() string { return k.user }

// Replace takes a new JWT of the same user. One that is somebody else's, or ends sooner, is refused: it would be a way to
// cut the connection off.
func (k *Kept) Replace(token string) error {
	u, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRenewal, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case u.Subject != k.user:
		return fmt.Errorf("%w: it is another user's", ErrRenewal)
	case k.token != "" && (k.until == 0 || u.Expires != 0 && u.Expires < k.until):
		return fmt.Errorf("%w: it ends before what there is", ErrRenewal)
	}
	k.token, k.until = token, u.Expires
	return nil
}

// Options make a connection sign in with what there is then.
func (k *Kept) Options() []nats.Option {
	return []nats.Option{nats.UserJWT(func() (string, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.token, nil
	}, func(nonce []byte) ([]byte, error) {
		kp, err := nkeys.FromSeed([]byte(k.seed))
		if err != nil {
			return nil, fmt.Errorf("trust: sign in: %w", err)
		}
		defer kp.Wipe()
		signature, err := kp.Sign(nonce)
		if err != nil {
			return nil, fmt.Errorf("trust: sign in: %w", err)
		}
		return signature, nil
	})}
}

// String keeps the seed out of messages.
func (k *Kept) String() string { return "[credentials of " + k.user + "]" }

// GoString keeps the seed out of messages formatted with %#v.
func (k *Kept) GoString() string { return k.String() }
