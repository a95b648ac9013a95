package trust

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

func newAuthority(t *testing.T, regions ...events.Region) *Authority {
	t.Helper()
	a, err := Open(filepath.Join(t.TempDir(), "secrets"))
	require.NoError(t, err)
	for _, r := range regions {
		_, err := a.AddRegion(r)
		require.NoError(t, err)
	}
	return a
}

func TestKeysAreMadeOnceAndAreTheirOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	operators := make([]string, 8)
	var wg sync.WaitGroup
	for i := range operators {
		wg.Go(func() { // several processes start at once
			a, err := Open(dir)
			if err == nil {
				k, kerr := readKeys(a.path)
				operators[i], err = k.Operator, kerr
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, o := range operators {
		require.NotEmpty(t, o)
		require.Equal(t, operators[0], o)
	}
	path := filepath.Join(dir, KeyFile)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.Chmod(path, 0o640))
	_, err = Open(dir)
	require.ErrorIs(t, err, ErrPermissions)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte(`{"operator": "SO-half`), 0o600))
	_, err = Open(dir)
	require.ErrorContains(t, err, "damaged")
	require.NotContains(t, err.Error(), "SO-half")
}

func TestRotationKeepsTwoKeys(t *testing.T) {
	a := newAuthority(t)
	signers := func() []string {
		accounts, err := a.Accounts()
		require.NoError(t, err)
		c, err := jwt.DecodeAccountClaims(accounts[1].JWT)
		require.NoError(t, err)
		require.Equal(t, mainAccount, c.Name)
		var list []string
		for pub, s := range c.SigningKeys {
			scope, ok := s.(*jwt.UserScope)
			require.True(t, ok, "every key has a scope")
			if scope.Role == string(Operator) && len(scope.Template.AllowedConnectionTypes) == 0 {
				list = append(list, pub)
			}
		}
		return list
	}
	issuer := func() string {
		c, err := a.Credentials(Identity{Role: Operator}, 0)
		require.NoError(t, err)
		u, err := jwt.DecodeUserClaims(c.jwt)
		require.NoError(t, err)
		return u.Issuer
	}
	first := issuer()
	require.Equal(t, []string{first}, signers())
	require.NoError(t, a.Rotate(Operator, ""))
	second := issuer()
	require.NotEqual(t, first, second, "the newest signs")
	require.ElementsMatch(t, []string{first, second}, signers())
	require.NoError(t, a.Rotate(Operator, ""))
	require.ElementsMatch(t, []string{second, issuer()}, signers())

	for range 20 {
		require.NoError(t, a.Rotate(Operator, ""))
	}
	k, err := readKeys(a.path)
	require.NoError(t, err)
	require.Len(t, k.Retired[string(Operator)], retiredKeys)
	require.Len(t, signers(), keptKeys)

	require.ErrorContains(t, a.Rotate(Agent, "r"), "make credentials first")
	require.ErrorIs(t, a.Rotate(Agent, ""), ErrIdentity)
	require.ErrorIs(t, a.Rotate("chief", ""), ErrIdentity)
	require.ErrorIs(t, a.Rotate(Operator, "r"), ErrIdentity)
}

// All roles' credentials are read back as who they are, by us and by NATS's own parsers.
func TestCredentialsComeBack(t *testing.T) {
	a := newAuthority(t, "r")
	for _, i := range []Identity{
		{Role: Gateway}, {Role: Operator}, {Role: Analytics}, {Role: AnalyticsSDP},
		{Role: Agent, Region: "r", Agent: "a1"}, {Role: Streamer, Region: "r", Session: "s1"},
	} {
		c, err := a.Credentials(i, time.Hour)
		require.NoError(t, err)
		text, err := c.Text()
		require.NoError(t, err)
		back, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, c, back)
		token, err := nkeys.ParseDecoratedJWT([]byte(text))
		require.NoError(t, err)
		require.Equal(t, c.jwt, token)
		kp, err := nkeys.ParseDecoratedUserNKey([]byte(text))
		require.NoError(t, err, "a third block does not confuse the libraries")
		pub, err := kp.PublicKey()
		require.NoError(t, err)
		u, err := jwt.DecodeUserClaims(token)
		require.NoError(t, err)
		require.Equal(t, pub, u.Subject)
		require.True(t, u.HasEmptyPermissions(), "the scope alone says what it may")
		require.WithinDuration(t, time.Now().Add(time.Hour), time.Unix(u.Expires, 0), time.Minute)
		_, err = back.Minter()
		require.Equal(t, i.Role == Agent, err == nil)
	}
	_, err := Parse("no credentials")
	require.ErrorIs(t, err, ErrCredentials)
}

func TestSecretsDoNotPrint(t *testing.T) {
	a := newAuthority(t, "r")
	c, err := a.Credentials(Identity{Role: Agent, Region: "r", Agent: "a1"}, 0)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "credentials", c)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), log.String()} {
		for _, secret := range []string{c.jwt, c.seed, c.streamers} {
			require.NotContains(t, text, secret)
		}
	}
	config, err := a.ServerConfig("./jwt")
	require.NoError(t, err)
	k, err := readKeys(a.path)
	require.NoError(t, err)
	seeds := []string{k.Operator}
	for _, seed := range k.Accounts {
		seeds = append(seeds, seed)
	}
	for _, list := range k.Signing {
		seeds = append(seeds, list...)
	}
	require.GreaterOrEqual(t, len(seeds), 10)
	for _, seed := range seeds {
		require.NotContains(t, config, seed)
	}
}

// No role may publish what the stream republishes, and none but the gateway has JetStream make a consumer.
func TestNoScopePublishesLiveOrMakesConsumers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		region := events.Region(rapid.StringMatching(`[a-z0-9-]{1,20}`).Draw(t, "region"))
		for _, s := range []scope{{Gateway, ""}, {Agent, region}, {Streamer, region}, {Analytics, ""}, {AnalyticsSDP, ""}, {Operator, ""}} {
			p := s.permissions()
			if len(p.Pub.Allow) == 0 || len(p.Sub.Allow) == 0 {
				t.Fatalf("%s has no list: all would be allowed", s)
			}
			for _, subject := range p.Pub.Allow {
				first, _, _ := strings.Cut(subject, ".")
				if first == "live" || first == ">" || first == "*" || strings.HasPrefix(first, "_INBOX") && s.role != Gateway {
					t.Fatalf("%s may publish on %s", s, subject)
				}
				makes := strings.HasPrefix(subject, api+"CONSUMER.CREATE") || strings.HasPrefix(subject, api+"CONSUMER.DURABLE") || subject == api+"CONSUMER.>" || subject == api+">"
				analyst := s.role == Analytics || s.role == AnalyticsSDP // by the guard: it is another account's API
				if makes && s.role != Gateway && !analyst {
					t.Fatalf("%s may publish on %s", s, subject)
				}
			}
		}
	})
}

func TestIdentityIsChecked(t *testing.T) {
	a := newAuthority(t, "r")
	for _, i := range []Identity{
		{}, {Role: "chief"}, {Role: Agent}, {Role: Agent, Region: "r"}, {Role: Agent, Region: "r", Agent: "*"}, {Role: Agent, Region: "R", Agent: "a"},
		{Role: Streamer, Region: "r"}, {Role: Streamer, Region: "r", Session: ">"}, {Role: Streamer, Region: "r", Session: "s", Agent: "a"},
		{Role: Gateway, Region: "r"}, {Role: Analytics, Session: "s"},
	} {
		_, err := a.Credentials(i, 0)
		require.ErrorIs(t, err, ErrIdentity, "%+v", i)
	}
	_, err := a.Credentials(Identity{Role: Agent, Region: "other", Agent: "a"}, 0)
	require.ErrorContains(t, err, "add the region first")
	_, err = a.AddRegion("no region")
	require.ErrorIs(t, err, ErrIdentity)
}

// FuzzParse: no text makes the parser fall over, or an identity that is none.
func FuzzParse(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "secrets")
	a, err := Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	c, err := a.Credentials(Identity{Role: Operator}, 0)
	if err != nil {
		f.Fatal(err)
	}
	text, err := c.Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add(streamersBegin + "\nx\n" + streamersEnd)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		if c.jwt == "" || c.seed == "" {
			t.Fatalf("parsed, and empty: %q", text)
		}
		if again, err := c.Text(); err == nil {
			if _, err := Parse(again); err != nil {
				t.Fatalf("its own text does not come back: %v", err)
			}
		}
	})
}

// A streamer's credentials come back out of a socket token; nobody else's are one.
func TestSocketTokens(t *testing.T) {
	a := newAuthority(t, "r")
	c, err := a.Credentials(Identity{Role: Streamer, Region: "r", Session: "s1"}, time.Hour)
	require.NoError(t, err)
	token, err := c.SocketToken()
	require.NoError(t, err)
	require.NotContains(t, token, "=", "it is a word of an address")
	back, err := ParseSocketToken(token)
	require.NoError(t, err)
	require.Equal(t, c, back)
	op, err := a.Credentials(Identity{Role: Operator}, time.Hour)
	require.NoError(t, err)
	_, err = op.SocketToken()
	require.ErrorIs(t, err, ErrCredentials)
	text, err := op.Text()
	require.NoError(t, err)
	for _, bad := range []string{"", "x", token + "=", token[:100], strings.Repeat("a", maxSocketToken+1), base64.RawURLEncoding.EncodeToString([]byte(text))} {
		_, err := ParseSocketToken(bad)
		require.ErrorIs(t, err, ErrCredentials)
	}
}

// FuzzSocketToken: no word makes the parser fall over, or is taken for credentials of anybody but a streamer.
func FuzzSocketToken(f *testing.F) {
	a, err := Open(filepath.Join(f.TempDir(), "secrets"))
	if err == nil {
		_, err = a.AddRegion("r")
	}
	if err != nil {
		f.Fatal(err)
	}
	c, err := a.Credentials(Identity{Role: Streamer, Region: "r", Session: "s1"}, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	token, err := c.SocketToken()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{token, token[:len(token)/2], "", "%", "AAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := ParseSocketToken(token); err == nil && (c.Identity.Role != Streamer || c.Identity.Session == "") {
			t.Fatalf("credentials of %+v", c.Identity)
		}
	})
}
