package natsd

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/nats-io/nats-server/v2/server"
)

// passwordAuth lets in who knows the password. The server has the same built in, but compares a password of ours in plain
// text with a warning at each start, or by bcrypt, which is for passwords that people think of and takes but 72 bytes.
type passwordAuth struct {
	sum [sha256.Size]byte
}

func newPasswordAuth(password string) *passwordAuth {
	return &passwordAuth{sum: sha256.Sum256([]byte(password))}
}

// Check implements server.Authentication, in a time that tells nothing of the password.
func (a *passwordAuth) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	sum := sha256.Sum256([]byte(o.Password))
	return o.Username == user && subtle.ConstantTimeCompare(sum[:], a.sum[:]) == 1
}
