package turn_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/turn"
)

// One secret, one code: what the gateway gives out for a server elsewhere is accepted by Debian's coturn and by our own
// server alike, to the same effect.
func TestCredentialsForBothServers(t *testing.T) {
	const both = turn.Secret("shared-with-coturn") // no spaces: it is a line of coturn's configuration
	path := filepath.Join(t.TempDir(), "turn.secret")
	require.NoError(t, os.WriteFile(path, []byte("# shared with coturn\n\n"+string(both)+"\n"), 0o600))
	shared, err := turn.SecretFile(path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ours, _ := startServer(t, func(c *turn.Config) { c.Secrets = []turn.Secret{both} })
	servers := map[string]string{"coturn": startCoturn(t, both), "ours": ours.Addr().String()}
	urls := []string{"turn:" + servers["coturn"], "turn:" + servers["ours"]}
	external, err := turn.NewExternal(urls, turn.Credentials{Now: shared})
	require.NoError(t, err)
	list := external.ICEServers(time.Now(), "peer-1")
	require.Len(t, list, 2)
	require.Equal(t, []string{"stun:" + servers["coturn"], "stun:" + servers["ours"]}, list[0].URLs)
	require.Len(t, list[1].URLs, 4)
	for name, addr := range servers {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(name+" over "+network, func(t *testing.T) {
				require.Contains(t, list[1].URLs, "turn:"+addr+"?transport="+network)
				requireEcho(t, allocate(t, dial(t, network, addr, list[1].Username, list[1].Password)), "127.0.0.1")
				expired := external.ICEServers(time.Now().Add(-2*time.Hour), "peer-1")[1]
				_, err := dial(t, network, addr, expired.Username, expired.Password).Allocate()
				require.Error(t, err, "expired")
				_, err = dial(t, network, addr, list[1].Username, expired.Password).Allocate()
				require.Error(t, err, "another user's password")
			})
		}
	}
}

func TestExternalURLs(t *testing.T) {
	for text, want := range map[string][]string{
		"turn:turn.example.net:3478":            {"stun:turn.example.net:3478", "turn:turn.example.net:3478?transport=udp", "turn:turn.example.net:3478?transport=tcp"},
		"turn:turn.example.net":                 {"stun:turn.example.net", "turn:turn.example.net?transport=udp", "turn:turn.example.net?transport=tcp"},
		"turn:[2001:db8::1]:3478?transport=udp": {"stun:[2001:db8::1]:3478", "turn:[2001:db8::1]:3478?transport=udp"},
		"turn:192.0.2.1:3478?transport=tcp":     {"turn:192.0.2.1:3478?transport=tcp"},
		"turns:turn.example.net:5349":           {"turns:turn.example.net:5349?transport=tcp"},
		"turns:turn.example.net?transport=tcp":  {"turns:turn.example.net?transport=tcp"},
	} {
		e, err := turn.NewExternal([]string{text}, turn.Credentials{Secret: secret})
		require.NoError(t, err, text)
		var got []string
		for _, s := range e.ICEServers(time.Now(), "x") {
			got = append(got, s.URLs...)
			require.NotEmpty(t, s.URLs)
			require.Equal(t, strings.HasPrefix(s.URLs[0], "turn"), s.Username != "" && s.Password != "", "a browser refuses a turn: entry without")
		}
		require.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "turn:", "turn.example.net:3478", "stun:turn.example.net", "http://turn.example.net", "turn://turn.example.net", "turn::3478", "turn:host:",
		"turn:a@b", "turn:host?transport=sctp", "turns:host?transport=udp", "turn:a b"} {
		_, err := turn.NewExternal([]string{bad}, turn.Credentials{Secret: secret})
		require.ErrorContains(t, err, "turn:HOST:PORT", bad)
	}
	_, err := turn.NewExternal(nil, turn.Credentials{Secret: secret})
	require.Error(t, err)
}

// The secret in the file counts from the next answer on; one that cannot be read changes nothing, and is never told.
func TestSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	_, err := turn.SecretFile(path, log)
	require.Error(t, err)
	require.NoError(t, os.WriteFile(path, []byte("\n# only words\n"), 0o600))
	_, err = turn.SecretFile(path, log)
	require.ErrorContains(t, err, "static-auth-secret")
	require.NoError(t, os.WriteFile(path, []byte("hush-one\n"), 0o600))
	now, err := turn.SecretFile(path, log)
	require.NoError(t, err)
	require.Equal(t, turn.Secret("hush-one"), now())
	require.NoError(t, os.WriteFile(path, []byte("hush-two\nhush-one\n"), 0o600))
	require.Equal(t, turn.Secret("hush-two"), now())
	require.NoError(t, os.Chmod(path, 0o644))
	for range 3 {
		require.Equal(t, turn.Secret("hush-two"), now())
	}
	require.Equal(t, 1, strings.Count(said.String(), "level=ERROR"))
	require.Contains(t, said.String(), "chmod 600")
	require.NotContains(t, said.String(), "hush")
	require.NoError(t, os.Chmod(path, 0o600))
	require.Equal(t, turn.Secret("hush-two"), now())
}

func FuzzExternalURL(f *testing.F) {
	for _, seed := range []string{"turn:host:3478", "turns:[::1]:5349?transport=tcp", "turn:host?transport=udp", "turn:?", "::", "turn:[::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := turn.NewExternal([]string{text}, turn.Credentials{Secret: secret})
		if err != nil {
			return
		}
		for _, s := range e.ICEServers(time.Now(), "x") {
			require.NotEmpty(t, s.URLs)
		}
	})
}
