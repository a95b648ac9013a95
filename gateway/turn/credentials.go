package turn

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the scheme and STUN's message integrity are defined with SHA-1
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
)

// DefaultTTL is how long credentials are valid where nothing else is asked for. A client uses them when it connects, which
// may be minutes after the answer that carried them; an allocation once made outlives them.
const DefaultTTL = time.Hour

// ErrUsername is returned for a user name that is not of the form `<unix seconds>:<id>`.
var ErrUsername = errors.New("turn: the user name is not <unix expiry>:<id>")

// Secret is what the issuer of credentials and the TURN server share. It is text since coturn reads it from its
// configuration (`static-auth-secret`); it never appears in logs or messages.
type Secret string

// String keeps the secret out of messages.
func (Secret) String() string { return "[secret]" }

// GoString keeps the secret out of messages formatted with %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue keeps the secret out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// SecretFrom turns a random key, as keyfile keeps it, into a secret that fits into a line of coturn's configuration.
func SecretFrom(key []byte) Secret {
	return Secret(base64.RawURLEncoding.EncodeToString(key))
}

// password returns base64(HMAC-SHA1(secret, username)), as the draft defines it.
func (s Secret) password(username string) string {
	mac := hmac.New(sha1.New, []byte(s))
	mac.Write([]byte(username)) // a hash never fails to write
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Credentials issues user names and passwords. It has no state and may be used from several goroutines.
type Credentials struct {
	Secret Secret
	TTL    time.Duration // how long what it issues is valid; 0 means DefaultTTL
	// Now, if not nil, has the secret in place of Secret, as it is at the moment.
	Now func() Secret
}

func (c Credentials) secret() Secret {
	if c.Now != nil {
		return c.Now()
	}
	return c.Secret
}

// Issue returns credentials that are valid from now until the TTL has passed. The id says whom they are for (a session's
// or a peer's id); it appears in the server's log and its allocations are counted against the server's quota.
func (c Credentials) Issue(now time.Time, id string) (username, password string) {
	ttl := c.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	username = strconv.FormatInt(now.Add(ttl).Unix(), 10) + ":" + id
	return username, c.secret().password(username)
}

// ICEServer is one element of the gateway's `stun_servers` answer.
type ICEServer struct {
	URLs     []string `json:"urls"` // never empty
	Username string   `json:"username,omitempty"`
	Password string   `json:"password,omitempty"`
}

// ICEServers returns the `stun_servers` of an answer for the server at addr (host:port as clients reach it, the same for
// UDP and TCP), with credentials for id. STUN and TURN are separate entries, since browsers refuse a `turn:` URL
// without credentials and have no use for them with a `stun:` URL. secure, if not empty, is where the same server speaks
// TLS, by a name in its certificate.
func (c Credentials) ICEServers(now time.Time, id, addr, secure string) []ICEServer {
	username, password := c.Issue(now, id)
	relays := []string{"turn:" + addr + "?transport=udp", "turn:" + addr + "?transport=tcp"}
	if secure != "" {
		relays = append(relays, "turns:"+secure+"?transport=tcp")
	}
	return []ICEServer{
		{URLs: []string{"stun:" + addr}},
		{URLs: relays, Username: username, Password: password},
	}
}

// parseUsername splits a user name into its expiry and the id that it was issued for.
func parseUsername(username string) (expiry time.Time, id string, err error) {
	stamp, id, found := strings.Cut(username, ":")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if !found || err != nil {
		return time.Time{}, "", ErrUsername
	}
	return time.Unix(seconds, 0), id, nil
}

// checkSecrets reports secrets that a server must not run with.
func checkSecrets(secrets []Secret) error {
	if n := len(secrets); n == 0 || n > 2 {
		return fmt.Errorf("turn: %d secrets, want the current one and at most the one before", n)
	}
	for _, secret := range secrets {
		if secret == "" {
			return errors.New("turn: a secret is empty, which would let everybody in")
		}
	}
	return nil
}

// hostPort joins host and port for a STUN or TURN URL (RFC 7064, RFC 7065: IPv6 addresses in brackets).
func hostPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}
