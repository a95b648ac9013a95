package token

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"gopkg.in/macaroon.v2"

	"streamstack/gateway/keyfile"
)

const (
	// File is the name of the root keys' file in the folder that Open is given.
	File = "macaroon.keys"

	// location is the macaroons' location hint, as published tokens of the original service have it. It is not signed.
	location = "anbox-stream-gateway"

	// maxName limits account names, session and peer ids, in bytes.
	maxName = 255

	// idSize is the length of a token's id in bytes: enough that no two are ever alike.
	idSize = 16
)

// Errors of a token that is not accepted. Every one answers to 401.
var (
	ErrMissing = errors.New("token: none given: send the header `Authorization: macaroon root=TOKEN`")
	ErrInvalid = errors.New("token: not valid: ask for a new one")
	ErrExpired = errors.New("token: expired: ask for a new one")
)

// ID tells an account's tokens apart: an account deleted and made again has a new one.
type ID string

// NewID returns a random id.
func NewID() (ID, error) {
	random := make([]byte, idSize)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("token: random numbers: %w", err)
	}
	return ID(hex.EncodeToString(random)), nil
}

// Claims is what an API token says.
type Claims struct {
	Account string    // whose token it is
	ID      ID        // which of the account's tokens; valid only while the account has it
	Expiry  time.Time // to the second
	Scopes  Scopes    // what it may do
}

// Role is the side of a session's signalling that a socket token opens.
type Role string

// The roles, named as in the sockets' paths.
const (
	RoleMaster Role = "master" // the streamer
	RoleSlave  Role = "slave"  // the browser
	RoleViewer Role = "viewer" // a browser that only watches
	RoleADB    Role = "adb"    // a bridge for Android's debugger
)

func (r Role) valid() bool {
	return r == RoleMaster || r == RoleSlave || r == RoleViewer || r == RoleADB
}

// SocketClaims is what a socket token says.
type SocketClaims struct {
	Session string // the session's id
	// Peer is the negotiation's id; a later join makes a new one, which ends this one. For RoleADB it is the share's id.
	Peer   string
	Role   Role      // which of the session's sockets
	Expiry time.Time // to the second
}

// ShareClaims is what the token in a share's URL says.
type ShareClaims struct {
	Session string    // the session's id
	Share   string    // the share's id
	Expiry  time.Time // to the second; the share itself may end before
}

// Mint issues and verifies tokens. It may be used from several goroutines.
type Mint struct {
	file *keyfile.File // nil: the keys never change
	keys atomic.Pointer[derived]
}

// derived are the keys of each kind of token, made of the root keys; of each the first signs, all verify.
type derived struct {
	api, socket, share [][]byte
	version            uint64 // of the file
}

// Open returns a mint with the root keys of the file `macaroon.keys` in folder; they are created when there are none. See
// keyfile.Open for the errors. When the file changes (keyfile.Rotate), the mint goes on with the new keys; it says so in log.
func Open(folder string, log *slog.Logger) (*Mint, error) {
	file, err := keyfile.Follow(filepath.Join(folder, File), log)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	keys, version := file.Keys()
	mint, err := New(keys)
	if err != nil {
		return nil, err
	}
	mint.file = file
	mint.current().version = version // nobody else has it yet
	return mint, nil
}

// New returns a mint with the given root keys.
func New(keys keyfile.Keys) (*Mint, error) {
	mint := &Mint{}
	d, err := deriveAll(keys)
	if err != nil {
		return nil, err
	}
	mint.keys.Store(d)
	return mint, nil
}

// current returns the keys as the file has them now.
func (m *Mint) current() *derived {
	have := m.keys.Load()
	if m.file == nil {
		return have
	}
	keys, version := m.file.Keys()
	if version == have.version {
		return have
	}
	fresh, err := deriveAll(keys)
	if err != nil {
		return have // not so: a key file holds whole keys only
	}
	fresh.version = version
	m.keys.Store(fresh) // whoever else does so now stores the same
	return fresh
}

func deriveAll(keys keyfile.Keys) (*derived, error) {
	d := &derived{}
	for _, root := range keys.All() {
		for purpose, to := range map[string]*[][]byte{"api": &d.api, "socket": &d.socket, "share": &d.share} {
			key, err := derive(root, "streamstack "+purpose+" token v1")
			if err != nil {
				return nil, err
			}
			*to = append(*to, key)
		}
	}
	return d, nil
}

// derive makes the key of one purpose out of a root key (HKDF, RFC 5869).
func derive(root []byte, purpose string) ([]byte, error) {
	if len(root) != keyfile.KeySize {
		return nil, fmt.Errorf("token: a root key of %d bytes, want %d", len(root), keyfile.KeySize)
	}
	key, err := hkdf.Key(sha256.New, root, nil, purpose, keyfile.KeySize)
	if err != nil {
		return nil, fmt.Errorf("token: derive key: %w", err)
	}
	return key, nil
}

// IssueAPI returns a token for an account. It fails for claims that VerifyAPI could not return.
func (m *Mint) IssueAPI(claims Claims) (string, error) {
	if err := checkName("account", claims.Account); err != nil {
		return "", err
	}
	if err := checkName("token id", string(claims.ID)); err != nil {
		return "", err
	}
	caveats := []caveat{{keyID, string(claims.ID)}}
	switch claims.Scopes {
	case 0:
		return "", errors.New("token: no scope: it would be good for nothing")
	case AllScopes:
	default:
		caveats = append(caveats, caveat{keyScope, claims.Scopes.String()})
	}
	return issue(m.current().api[0], claims.Account, claims.Expiry, caveats...)
}

// VerifyAPI returns what a token says, if it was issued here and has not expired: else ErrInvalid or ErrExpired.
// The caller must still check that the account exists and has a token of this id.
func (m *Mint) VerifyAPI(text string, now time.Time) (Claims, error) {
	found, err := verify(m.current().api, text, now)
	if err != nil {
		return Claims{}, err
	}
	delete(found.values, keyScope) // which an API token may have, and no other
	values, err := found.exactly(keyID)
	if err != nil {
		return Claims{}, err
	}
	return Claims{Account: found.subject, ID: ID(values[0]), Expiry: found.expiry, Scopes: found.scopes}, nil
}

// IssueSocket returns a token for one socket. It fails for claims that VerifySocket could not return.
func (m *Mint) IssueSocket(claims SocketClaims) (string, error) {
	if err := checkName("session id", claims.Session); err != nil {
		return "", err
	}
	if err := checkName("peer id", claims.Peer); err != nil {
		return "", err
	}
	if !claims.Role.valid() {
		return "", fmt.Errorf("token: unknown role %q", claims.Role)
	}
	return issue(m.current().socket[0], claims.Session, claims.Expiry, caveat{keyPeer, claims.Peer}, caveat{keyRole, string(claims.Role)})
}

// VerifySocket returns what a socket token says, if it was issued here and has not expired: else ErrInvalid or ErrExpired.
// The caller must still check that it is for this session and role, and that the peer was not displaced.
func (m *Mint) VerifySocket(text string, now time.Time) (SocketClaims, error) {
	found, err := verify(m.current().socket, text, now)
	if err != nil {
		return SocketClaims{}, err
	}
	values, err := found.exactly(keyPeer, keyRole)
	if err != nil {
		return SocketClaims{}, err
	}
	claims := SocketClaims{Session: found.subject, Peer: values[0], Role: Role(values[1]), Expiry: found.expiry}
	if !claims.Role.valid() {
		return SocketClaims{}, fmt.Errorf("%w: unknown role", ErrInvalid)
	}
	return claims, nil
}

// IssueShare returns the token for a share's URL, the same one for the same claims. It fails for claims that VerifyShare
// could not return.
func (m *Mint) IssueShare(claims ShareClaims) (string, error) {
	if err := checkName("session id", claims.Session); err != nil {
		return "", err
	}
	if err := checkName("share id", claims.Share); err != nil {
		return "", err
	}
	return issue(m.current().share[0], claims.Session, claims.Expiry, caveat{keyShare, claims.Share})
}

// VerifyShare returns what a share's token says, if it was issued here and has not expired: else ErrInvalid or ErrExpired.
// The caller must still check that it is for this session, and that the share stands.
func (m *Mint) VerifyShare(text string, now time.Time) (ShareClaims, error) {
	found, err := verify(m.current().share, text, now)
	if err != nil {
		return ShareClaims{}, err
	}
	values, err := found.exactly(keyShare)
	if err != nil {
		return ShareClaims{}, err
	}
	return ShareClaims{Session: found.subject, Share: values[0], Expiry: found.expiry}, nil
}

// issue signs a macaroon: the subject is its identifier, the expiry its first caveat.
func issue(key []byte, subject string, expiry time.Time, caveats ...caveat) (string, error) {
	signed, err := macaroon.New(key, []byte(subject), location, macaroon.V2)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	conditions := []string{expiry.UTC().Format(time.RFC3339)}
	for _, c := range caveats {
		conditions = append(conditions, c.String())
	}
	for _, condition := range conditions {
		if err := signed.AddFirstPartyCaveat([]byte(condition)); err != nil {
			return "", fmt.Errorf("token: %w", err)
		}
	}
	return encode(signed)
}

func checkName(what, name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) {
		return fmt.Errorf("token: %s %q: must be 1 to %d bytes of UTF-8", what, name, maxName)
	}
	return nil
}
