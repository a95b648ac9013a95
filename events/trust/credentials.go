package trust

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"streamstack/events"
)

// ErrCredentials is returned for a text that holds no NATS credentials.
var ErrCredentials = errors.New("trust: no NATS credentials")

// Credentials are a NATS user: what a credentials file holds. An agent's hold the key as well with which it makes the
// users of its region's streamers. They are secret and print as nothing.
type Credentials struct {
	// Identity is who the user is; empty for one that was made elsewhere.
	Identity Identity

	jwt, seed string
	account   string // its id
	streamers string // seed of the signing key; agents only
}

// String keeps secrets out of messages.
func (c Credentials) String() string { return "[credentials of " + c.Identity.Name() + "]" }

// GoString keeps secrets out of messages formatted with %#v.
func (c Credentials) GoString() string { return c.String() }

// LogValue keeps secrets out of structured logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// The block that is ours in a credentials file. NATS's libraries read the first two blocks and leave what follows.
const (
	streamersBegin = "-----BEGIN STREAMERS SIGNING KEY SEED-----"
	streamersEnd   = "------END STREAMERS SIGNING KEY SEED------"
)

var streamersBlock = regexp.MustCompile(regexp.QuoteMeta(streamersBegin) + `\s+(\S+)\s+` + regexp.QuoteMeta(streamersEnd))

// Text is the content of a credentials file.
func (c Credentials) Text() (string, error) {
	text, err := jwt.FormatUserConfig(c.jwt, []byte(c.seed))
	if err != nil {
		return "", fmt.Errorf("trust: %w", err)
	}
	if c.streamers != "" {
		text = append(text, "\n"+streamersBegin+"\n"+c.streamers+"\n"+streamersEnd+"\n"...)
	}
	return string(text), nil
}

// Parse reads the content of a credentials file. Nothing is verified: that is the server's part.
func Parse(text string) (c Credentials, err error) {
	if c.jwt, err = jwt.ParseDecoratedJWT([]byte(text)); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	u, err := jwt.DecodeUserClaims(c.jwt)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	kp, err := nkeys.ParseDecoratedNKey([]byte(text))
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	seed, err := kp.Seed()
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	c.seed, c.account, c.Identity = string(seed), u.IssuerAccount, identityOf(u.Tags)
	if m := streamersBlock.FindStringSubmatch(text); m != nil {
		c.streamers = m[1]
	}
	return c, nil
}

// ReadFile is [Parse] of a file.
func ReadFile(path string) (Credentials, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("trust: credentials: %w", err)
	}
	c, err := Parse(string(text))
	if err != nil {
		return Credentials{}, fmt.Errorf("%w in %s", err, path)
	}
	return c, nil
}

// Options make a connection use the credentials, and read its answers where they allow it.
func (c Credentials) Options() []nats.Option {
	return append([]nats.Option{nats.UserJWTAndSeed(c.jwt, c.seed)}, c.Identity.Options()...)
}

// Options make a connection read its answers where the user may; credentials come beside them.
func (i Identity) Options() []nats.Option {
	if i.Role == "" {
		return nil
	}
	return []nats.Option{nats.CustomInboxPrefix(i.Inbox())}
}

// Renewed are the options of a connection that gets new credentials of the identity whenever it connects: it lives
// through any number of rotations and through the expiry of its user, after life. For processes that hold the keys.
func (a *Authority) Renewed(i Identity, life time.Duration) []nats.Option {
	r := &renewal{make: func() (Credentials, error) { return a.Credentials(i, life) }}
	return append([]nats.Option{nats.UserJWT(r.user, r.sign)}, i.Options()...)
}

// Minter makes the users of a region's streamers.
type Minter struct {
	region  events.Region
	account string
	signer  nkeys.KeyPair
}

// Minter makes users with the key that an agent's credentials hold.
func (c Credentials) Minter() (*Minter, error) {
	if c.streamers == "" || c.Identity.Role != Agent {
		return nil, fmt.Errorf("%w of an agent: make some with `streamstack credentials agent --region REGION`", ErrCredentials)
	}
	signer, _, err := pair(strings.TrimSpace(c.streamers))
	if err != nil {
		return nil, err
	}
	return &Minter{c.Identity.Region, c.account, signer}, nil
}

// Streamer makes the user of a session's streamer, valid for life.
func (m *Minter) Streamer(id events.SessionID, life time.Duration) (Credentials, error) {
	i := Identity{Role: Streamer, Region: m.region, Session: id}
	if err := i.check(); err != nil {
		return Credentials{}, err
	}
	return newUser(i, m.account, m.signer, life)
}
