package token_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/gateway/keyfile"
	"streamstack/gateway/token"
)

func TestScopesReadAndWritten(t *testing.T) {
	for s := token.Scopes(1); s <= token.AllScopes; s++ {
		got, err := token.ParseScopes(s.String())
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	got, err := token.ParseScopes(" create, read ")
	require.NoError(t, err)
	require.Equal(t, token.Read|token.Create, got)
	for _, bad := range []string{"", ",", "read,", "write", "READ", "read create"} {
		_, err := token.ParseScopes(bad)
		require.ErrorContains(t, err, "read,create,admin", "%q", bad)
	}
}

// Whatever a holder adds, the token never does more nor lives longer: what is left is what all caveats allow.
func TestNarrowNeverWidens(t *testing.T) {
	mint := newMint(t)
	rapid.Check(t, func(t *rapid.T) {
		scopes := rapid.Map(rapid.Uint8Range(0, uint8(token.AllScopes)), func(n uint8) token.Scopes { return token.Scopes(n) })
		lives := rapid.Map(rapid.IntRange(1, 1000), func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) })
		want := token.Claims{Account: "kim", ID: "x", Expiry: lives.Draw(t, "expiry"), Scopes: scopes.Filter(func(s token.Scopes) bool { return s != 0 }).Draw(t, "scopes")}
		text, err := mint.IssueAPI(want)
		require.NoError(t, err)
		for range rapid.IntRange(0, 4).Draw(t, "times") {
			s := scopes.Draw(t, "narrower")
			expiry := time.Time{}
			if s == 0 || rapid.Bool().Draw(t, "shorter") {
				expiry = lives.Draw(t, "sooner")
			}
			text, err = token.Narrow(text, s, expiry)
			require.NoError(t, err)
			if s != 0 {
				want.Scopes &= s
			}
			if !expiry.IsZero() && expiry.Before(want.Expiry) {
				want.Expiry = expiry
			}
		}
		got, err := mint.VerifyAPI(text, now)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestNarrowRefusals(t *testing.T) {
	text, _ := issueAPI(t, newMint(t))
	_, err := token.Narrow(text, 0, time.Time{})
	require.ErrorIs(t, err, token.ErrNothing)
	_, err = token.Narrow("rubbish", token.Read, time.Time{})
	require.ErrorIs(t, err, token.ErrInvalid)
	for range 1000 {
		if text, err = token.Narrow(text, token.Read, time.Time{}); err != nil {
			break
		}
	}
	require.ErrorContains(t, err, "4096", "no token grows beyond what is looked at")
}

// A scope is nothing for tokens of sockets and shares.
func TestOnlyAPITokensHaveScopes(t *testing.T) {
	mint := newMint(t)
	socket, _ := issueSocket(t, mint)
	narrowed, err := token.Narrow(socket, token.Read, time.Time{})
	require.NoError(t, err)
	_, err = mint.VerifySocket(narrowed, now)
	require.ErrorIs(t, err, token.ErrInvalid)
	shorter, err := token.Narrow(socket, 0, now.Add(time.Second))
	require.NoError(t, err)
	_, err = mint.VerifySocket(shorter, now)
	require.NoError(t, err)
	_, err = mint.VerifySocket(shorter, now.Add(time.Second))
	require.ErrorIs(t, err, token.ErrExpired)
}

// Two mints on one file: what the one signs after a rotation the other verifies, without being told.
func TestRunningMintsFollowTheFile(t *testing.T) {
	folder := t.TempDir()
	one, err := token.Open(folder, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	other, err := token.Open(folder, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	oldAPI, _ := issueAPI(t, one)
	oldSocket, _ := issueSocket(t, one)
	_, err = keyfile.Rotate(filepath.Join(folder, token.File))
	require.NoError(t, err)
	fresh, _ := issueAPI(t, one)
	for _, m := range []*token.Mint{one, other} {
		for _, text := range []string{oldAPI, fresh} {
			_, err = m.VerifyAPI(text, now)
			require.NoError(t, err)
		}
		_, err = m.VerifySocket(oldSocket, now)
		require.NoError(t, err)
	}
	_, err = keyfile.Rotate(filepath.Join(folder, token.File))
	require.NoError(t, err)
	for _, m := range []*token.Mint{one, other} {
		_, err = m.VerifyAPI(oldAPI, now)
		require.ErrorIs(t, err, token.ErrInvalid)
		_, err = m.VerifySocket(oldSocket, now)
		require.ErrorIs(t, err, token.ErrInvalid)
		_, err = m.VerifyAPI(fresh, now)
		require.NoError(t, err)
	}
}

func FuzzParseScopes(f *testing.F) {
	for _, seed := range []string{"", "read", "read,create,admin", "read,,", strings.Repeat("read,", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := token.ParseScopes(text)
		if err != nil {
			require.Zero(t, s)
			return
		}
		again, err := token.ParseScopes(s.String())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
