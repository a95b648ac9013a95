package token_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/token"
)

// FuzzTampered changes a valid token of each kind: what is accepted all the same says exactly what the true one says, and
// is accepted as that kind alone.
func FuzzTampered(f *testing.F) {
	mint := newMint(f)
	api, apiClaims := issueAPI(f, mint)
	socket, socketClaims := issueSocket(f, mint)
	f.Add(uint8(0), uint16(0), uint8(0), []byte(nil))
	f.Add(uint8(1), uint16(40), uint8(1), []byte(nil))
	f.Add(uint8(0), uint16(3), uint8(255), []byte("role = master"))
	f.Add(uint8(1), uint16(200), uint8(128), []byte{0})
	f.Fuzz(func(t *testing.T, kind uint8, at uint16, flip uint8, more []byte) {
		text := map[bool]string{true: api, false: socket}[kind%2 == 0]
		raw, err := base64.RawURLEncoding.DecodeString(trim(text))
		require.NoError(t, err)
		i := int(at) % len(raw)
		raw[i] ^= flip
		raw = append(raw[:i:i], append(more, raw[i:]...)...)
		changed := base64.RawURLEncoding.EncodeToString(raw)
		if claims, err := mint.VerifyAPI(changed, now); err == nil {
			require.True(t, kind%2 == 0, "a socket's token is no API token")
			require.Equal(t, apiClaims, claims)
		}
		if claims, err := mint.VerifySocket(changed, now); err == nil {
			require.True(t, kind%2 == 1, "an API token is no socket's")
			require.Equal(t, socketClaims, claims)
		}
		_, err = mint.VerifyShare(changed, now)
		require.Error(t, err)
	})
}

// FuzzClaims: whatever is issued is verified, as what it was.
func FuzzClaims(f *testing.F) {
	mint := newMint(f)
	_, account := issueAPI(f, mint)
	f.Add("0192f1c2", "peer", uint8(0))
	f.Add("", "\x00", uint8(1))
	f.Add("a\nb", "time before 2026", uint8(2))
	f.Fuzz(func(t *testing.T, session, peer string, role uint8) {
		expiry := now.Add(time.Minute)
		want := token.SocketClaims{Session: session, Peer: peer, Role: []token.Role{token.RoleMaster, token.RoleSlave, token.RoleADB}[role%3], Expiry: expiry}
		if text, err := mint.IssueSocket(want); err == nil {
			got, err := mint.VerifySocket(text, now)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		share := token.ShareClaims{Session: session, Share: peer, Expiry: expiry}
		if text, err := mint.IssueShare(share); err == nil {
			got, err := mint.VerifyShare(text, now)
			require.NoError(t, err)
			require.Equal(t, share, got)
		}
		account := account // with all that is not varied here
		account.Account, account.ID, account.Expiry = session, token.ID(peer), expiry
		if text, err := mint.IssueAPI(account); err == nil {
			got, err := mint.VerifyAPI(text, now)
			require.NoError(t, err)
			require.Equal(t, account, got)
		}
	})
}

// trim takes the padding away, which our tokens may have or not.
func trim(text string) string {
	for len(text) > 0 && text[len(text)-1] == '=' {
		text = text[:len(text)-1]
	}
	return text
}
