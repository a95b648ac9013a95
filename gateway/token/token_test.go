package token_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/macaroon.v2"
	"pgregory.net/rapid"

	"streamstack/gateway/keyfile"
	"streamstack/gateway/token"
)

var now = time.Date(2026, 11, 22, 6, 27, 9, 0, time.UTC)

func newMint(tb testing.TB) *token.Mint {
	tb.Helper()
	mint, err := token.Open(tb.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(tb, err)
	return mint
}

func issueAPI(tb testing.TB, mint *token.Mint) (string, token.Claims) {
	tb.Helper()
	id, err := token.NewID()
	require.NoError(tb, err)
	claims := token.Claims{Account: "kim", ID: id, Expiry: now.Add(time.Hour), Scopes: token.AllScopes}
	text, err := mint.IssueAPI(claims)
	require.NoError(tb, err)
	return text, claims
}

func issueSocket(tb testing.TB, mint *token.Mint) (string, token.SocketClaims) {
	tb.Helper()
	claims := token.SocketClaims{Session: "s-1", Peer: "p-1", Role: token.RoleSlave, Expiry: now.Add(time.Minute)}
	text, err := mint.IssueSocket(claims)
	require.NoError(tb, err)
	return text, claims
}

// narrow adds a caveat, as any holder of a token can.
func narrow(tb testing.TB, text, condition string) string {
	tb.Helper()
	binary, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(tb, err)
	var held macaroon.Macaroon
	require.NoError(tb, held.UnmarshalBinary(binary))
	require.NoError(tb, held.AddFirstPartyCaveat([]byte(condition)))
	binary, err = held.MarshalBinary()
	require.NoError(tb, err)
	return base64.RawURLEncoding.EncodeToString(binary)
}

// requireHolds: a token says what it was made of until it expires.
func requireHolds[C any](t *rapid.T, verify func(string, time.Time) (C, error), text string, claims C, expiry time.Time) {
	got, err := verify(text, now)
	require.NoError(t, err)
	require.Equal(t, claims, got)
	_, err = verify(text, expiry)
	require.ErrorIs(t, err, token.ErrExpired)
}

func TestAPITokenRoundTrip(t *testing.T) {
	mint := newMint(t)
	rapid.Check(t, func(t *rapid.T) {
		claims := token.Claims{
			Account: rapid.StringN(1, 50, 255).Draw(t, "account"),
			ID:      token.ID(rapid.StringN(1, 50, 255).Draw(t, "id")),
			Expiry:  now.Add(time.Duration(rapid.Int64Range(1, 1<<32).Draw(t, "life")) * time.Second),
			Scopes:  token.Scopes(rapid.Uint8Range(1, uint8(token.AllScopes)).Draw(t, "scopes")),
		}
		text, err := mint.IssueAPI(claims)
		require.NoError(t, err)
		require.NotContains(t, text, "=")
		requireHolds(t, mint.VerifyAPI, text, claims, claims.Expiry)
		_, err = mint.VerifySocket(text, now)
		require.ErrorIs(t, err, token.ErrInvalid, "an API token is no socket token")
	})
}

func TestSocketTokenRoundTrip(t *testing.T) {
	mint := newMint(t)
	rapid.Check(t, func(t *rapid.T) {
		claims := token.SocketClaims{
			Session: rapid.StringMatching(`[a-z0-9-]{1,63}`).Draw(t, "session"),
			Peer:    rapid.StringMatching(`[a-z0-9-]{1,63}`).Draw(t, "peer"),
			Role:    rapid.SampledFrom([]token.Role{token.RoleMaster, token.RoleSlave, token.RoleViewer, token.RoleADB}).Draw(t, "role"),
			Expiry:  now.Add(time.Duration(rapid.Int64Range(1, 1<<32).Draw(t, "life")) * time.Second),
		}
		text, err := mint.IssueSocket(claims)
		require.NoError(t, err)
		requireHolds(t, mint.VerifySocket, text, claims, claims.Expiry)
		_, err = mint.VerifyAPI(text, now)
		require.ErrorIs(t, err, token.ErrInvalid, "a socket token is no API token")
	})
}

func TestShareTokenRoundTrip(t *testing.T) {
	mint := newMint(t)
	socket, _ := issueSocket(t, mint)
	rapid.Check(t, func(t *rapid.T) {
		claims := token.ShareClaims{
			Session: rapid.StringMatching(`[a-z0-9-]{1,63}`).Draw(t, "session"),
			Share:   rapid.StringMatching(`[a-z0-9-]{1,63}`).Draw(t, "share"),
			Expiry:  now.Add(time.Duration(rapid.Int64Range(1, 1<<32).Draw(t, "life")) * time.Second),
		}
		text, err := mint.IssueShare(claims)
		require.NoError(t, err)
		again, err := mint.IssueShare(claims)
		require.NoError(t, err)
		require.Equal(t, text, again, "a share has one URL")
		requireHolds(t, mint.VerifyShare, text, claims, claims.Expiry)
		_, err = mint.VerifyAPI(text, now)
		require.ErrorIs(t, err, token.ErrInvalid, "a share's token is no API token")
		_, err = mint.VerifySocket(text, now)
		require.ErrorIs(t, err, token.ErrInvalid, "a share's token is no socket token")
		_, err = mint.VerifyShare(socket, now)
		require.ErrorIs(t, err, token.ErrInvalid, "a socket token is no share's token")
	})
}

// The original service's published sample: location, identifier, and the expiry as the first caveat.
func TestAPITokenLooksLikeTheOriginals(t *testing.T) {
	text, claims := issueAPI(t, newMint(t))
	binary, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	var read macaroon.Macaroon
	require.NoError(t, read.UnmarshalBinary(binary))
	require.Equal(t, macaroon.V2, read.Version())
	require.Equal(t, "anbox-stream-gateway", read.Location())
	require.Equal(t, "kim", string(read.Id()))
	require.Equal(t, claims.Expiry.Format(time.RFC3339), string(read.Caveats()[0].Id))
}

func TestAnyChangedByteIsRefused(t *testing.T) {
	mint := newMint(t)
	text, _ := issueAPI(t, mint)
	binary, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	for i := range binary {
		for bit := range 8 {
			changed := bytes.Clone(binary)
			changed[i] ^= 1 << bit
			_, err := mint.VerifyAPI(base64.RawURLEncoding.EncodeToString(changed), now)
			require.ErrorIs(t, err, token.ErrInvalid, "bit %d of byte %d", bit, i)
		}
		_, err := mint.VerifyAPI(base64.RawURLEncoding.EncodeToString(binary[:i]), now)
		require.ErrorIs(t, err, token.ErrInvalid, "cut off at %d", i)
	}
	_, err = mint.VerifyAPI(base64.RawURLEncoding.EncodeToString(append(binary, 0)), now)
	require.ErrorIs(t, err, token.ErrInvalid, "something appended")
}

func TestMalformedTokensAreRefused(t *testing.T) {
	mint := newMint(t)
	text, _ := issueAPI(t, mint)
	for name, malformed := range map[string]string{
		"empty": "", "spaces": " " + text, "not base64": "!!!", "JSON": `{"l":"anbox-stream-gateway"}`,
		"twice": text + text, "huge": strings.Repeat("A", 1<<20), "another mint's": issueElsewhere(t),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mint.VerifyAPI(malformed, now)
			require.ErrorIs(t, err, token.ErrInvalid)
			require.NotErrorIs(t, err, token.ErrExpired)
		})
	}
	_, err := mint.VerifyAPI(text+"==", now)
	require.NoError(t, err, "padding is harmless")
}

func issueElsewhere(t *testing.T) string {
	t.Helper()
	text, _ := issueAPI(t, newMint(t))
	return text
}

func TestHoldersCanOnlyNarrow(t *testing.T) {
	mint := newMint(t)
	text, claims := issueAPI(t, mint)
	shorter, err := mint.VerifyAPI(narrow(t, text, now.Add(time.Minute).Format(time.RFC3339)), now)
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Minute), shorter.Expiry)
	longer, err := mint.VerifyAPI(narrow(t, text, now.Add(24*time.Hour).Format(time.RFC3339)), now)
	require.NoError(t, err)
	require.Equal(t, claims.Expiry, longer.Expiry)
	_, err = mint.VerifyAPI(narrow(t, text, now.Add(-time.Minute).Format(time.RFC3339)), now)
	require.ErrorIs(t, err, token.ErrExpired)
	for _, unknown := range []string{"scope = join", "id = another", "role = slave", "peer = p", "scope = ", "scope = read,", "scope = Read", "scope=read", "anything", "", "id=x"} {
		_, err := mint.VerifyAPI(narrow(t, text, unknown), now)
		require.ErrorIs(t, err, token.ErrInvalid, "caveat %q", unknown)
	}

	socket, _ := issueSocket(t, mint)
	for _, unknown := range []string{"role = master", "peer = p-2", "id = x", "scope = join"} {
		_, err := mint.VerifySocket(narrow(t, socket, unknown), now)
		require.ErrorIs(t, err, token.ErrInvalid, "caveat %q", unknown)
	}
}

// A forger who does not know the key learns nothing of the order of the checks: an expired forgery is invalid.
func TestExpiryIsToldToHoldersOnly(t *testing.T) {
	mint := newMint(t)
	text, _ := issueAPI(t, newMint(t))
	_, err := mint.VerifyAPI(text, now.Add(24*time.Hour))
	require.ErrorIs(t, err, token.ErrInvalid)
	require.NotErrorIs(t, err, token.ErrExpired)
}

func TestRotationHonoursOnePreviousKey(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, token.File)
	first, err := token.Open(folder, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	text, claims := issueAPI(t, first)
	old, err := keyfile.Open(path)
	require.NoError(t, err)
	stale, err := token.New(old)
	require.NoError(t, err)

	_, err = keyfile.Rotate(path)
	require.NoError(t, err)
	second, err := token.Open(folder, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	got, err := second.VerifyAPI(text, now)
	require.NoError(t, err)
	require.Equal(t, claims, got)
	newer, _ := issueAPI(t, second)
	_, err = stale.VerifyAPI(newer, now)
	require.ErrorIs(t, err, token.ErrInvalid, "new tokens are signed with the new key")

	_, err = keyfile.Rotate(path)
	require.NoError(t, err)
	third, err := token.Open(folder, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = third.VerifyAPI(text, now)
	require.ErrorIs(t, err, token.ErrInvalid)
	_, err = third.VerifyAPI(newer, now)
	require.NoError(t, err)
}

func TestOpenRefusesKeysOthersCanRead(t *testing.T) {
	folder := t.TempDir()
	_, err := token.Open(folder, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Join(folder, token.File), 0o644))
	_, err = token.Open(folder, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, keyfile.ErrPermissions)
	require.ErrorContains(t, err, "chmod 600")
}

func TestIssueRefusesWhatCouldNotBeVerified(t *testing.T) {
	mint := newMint(t)
	for _, claims := range []token.Claims{
		{ID: "x", Scopes: token.Read}, {Account: "kim", Scopes: token.Read}, {Account: strings.Repeat("x", 256), ID: "x", Scopes: token.Read},
		{Account: "\xff", ID: "x", Scopes: token.Read}, {Account: "kim", ID: "x"},
	} {
		_, err := mint.IssueAPI(claims)
		require.Error(t, err, "%+v", claims)
	}
	for _, claims := range []token.SocketClaims{
		{Peer: "p", Role: token.RoleSlave}, {Session: "s", Role: token.RoleSlave}, {Session: "s", Peer: "p"}, {Session: "s", Peer: "p", Role: "admin"},
	} {
		_, err := mint.IssueSocket(claims)
		require.Error(t, err, "%+v", claims)
	}
	for _, claims := range []token.ShareClaims{{Share: "x"}, {Session: "s"}, {Session: "s", Share: "\xff"}} {
		_, err := mint.IssueShare(claims)
		require.Error(t, err, "%+v", claims)
	}
	_, err := token.New(keyfile.Keys{Current: []byte("short")})
	require.ErrorContains(t, err, "root key")
}

func TestIDsDiffer(t *testing.T) {
	one, err := token.NewID()
	require.NoError(t, err)
	other, err := token.NewID()
	require.NoError(t, err)
	require.NotEqual(t, one, other)
	require.Len(t, string(one), 32)
}

func FuzzVerify(f *testing.F) {
	mint, elsewhere := newMint(f), newMint(f)
	api, _ := issueAPI(f, elsewhere)
	socket, _ := issueSocket(f, elsewhere)
	f.Add(api)
	f.Add(socket)
	f.Add(narrow(f, api, "scope = join"))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if claims, err := mint.VerifyAPI(text, now); err == nil {
			t.Fatalf("verified: %+v", claims)
		}
		if claims, err := mint.VerifyShare(text, now); err == nil {
			t.Fatalf("verified: %+v", claims)
		}
		if claims, err := mint.VerifySocket(text, now); err == nil {
			t.Fatalf("verified: %+v", claims)
		}
	})
}
