package trust

import (
	"encoding/base64"
	"fmt"
)

// maxSocketToken bounds the text of a socket token in bytes: a user's JWT of ours has some 800.
const maxSocketToken = 8 << 10

// SocketToken is a streamer's credentials as one word for an address (base64url, RFC 4648 section 5): the token of the
// gateway's master socket, with which the gateway acts as this streamer for as long as the socket is open.
func (c Credentials) SocketToken() (string, error) {
	if c.Identity.Role != Streamer {
		return "", fmt.Errorf("%w of a streamer", ErrCredentials)
	}
	text, err := c.Text()
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text)), nil
}

// ParseSocketToken is the other way round. That the token is good is for NATS to say, when it is used.
func ParseSocketToken(token string) (Credentials, error) {
	if len(token) > maxSocketToken {
		return Credentials{}, fmt.Errorf("%w: more than %d bytes", ErrCredentials, maxSocketToken)
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return Credentials{}, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	c, err := Parse(string(text))
	switch {
	case err != nil:
		return Credentials{}, err
	case c.Identity.Role != Streamer || c.Identity.check() != nil:
		return Credentials{}, fmt.Errorf("%w of a streamer", ErrCredentials)
	}
	return c, nil
}
