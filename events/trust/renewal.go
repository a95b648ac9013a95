package trust

import (
	"fmt"
	"sync"

	"github.com/nats-io/nkeys"
)

// renewal makes a new user each time the server asks who connects. The library asks for the user and then for the
// signature, on one goroutine at a time.
type renewal struct {
	make func() (Credentials, error)

	mu   sync.Mutex
	last Credentials
}

// user is a nats.UserJWTHandler.
func (r *renewal) user() (string, error) {
	c, err := r.make()
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = c
	return c.jwt, nil
}

// sign is a nats.SignatureHandler.
func (r *renewal) sign(nonce []byte) ([]byte, error) {
	r.mu.Lock()
	seed := r.last.seed
	r.mu.Unlock()
	kp, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, fmt.Errorf("trust: sign in: %w", err)
	}
	defer kp.Wipe()
	signature, err := kp.Sign(nonce)
	if err != nil {
		return nil, fmt.Errorf("trust: sign in: %w", err)
	}
	return signature, nil
}
