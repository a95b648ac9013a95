package turn_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/gateway/turn"
)

// Checked with: printf '1433895918:ninefingers' | openssl dgst -sha1 -hmac logen -binary | base64.
func TestIssueComputesWhatOpenSSLDoes(t *testing.T) {
	username, password := turn.Credentials{Secret: "logen", TTL: time.Minute}.
		Issue(time.Unix(1433895918-60, 0), "ninefingers")
	require.Equal(t, "1433895918:ninefingers", username)
	require.Equal(t, "HY+Vd729N0UZ/xCzjg1F0GsoMK8=", password)
}

func TestIssueDefaultsToAnHour(t *testing.T) {
	username, _ := turn.Credentials{Secret: "s"}.Issue(time.Unix(0, 0), "id")
	require.Equal(t, "3600:id", username)
}

func TestICEServersAreWhatBrowsersAccept(t *testing.T) {
	servers := turn.Credentials{Secret: "logen", TTL: time.Minute}.
		ICEServers(time.Unix(1433895918-60, 0), "ninefingers", "turn.example.net:3478", "")
	printed, err := json.Marshal(servers)
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"urls": ["stun:turn.example.net:3478"]},
		{"urls": ["turn:turn.example.net:3478?transport=udp", "turn:turn.example.net:3478?transport=tcp"],
		 "username": "1433895918:ninefingers", "password": "HY+Vd729N0UZ/xCzjg1F0GsoMK8="}]`, string(printed))
}

func TestPasswordsDifferByUserAndSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.StringMatching(`[a-z0-9-]{1,40}`).Draw(t, "one")
		other := rapid.StringMatching(`[a-z0-9-]{1,40}`).Filter(func(s string) bool { return s != one }).Draw(t, "other")
		now := time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "now"), 0)
		credentials := turn.Credentials{Secret: "secret"}
		_, a := credentials.Issue(now, one)
		_, b := credentials.Issue(now, other)
		_, c := turn.Credentials{Secret: "Secret"}.Issue(now, one)
		_, again := credentials.Issue(now, one)
		require.NotEqual(t, a, b)
		require.NotEqual(t, a, c)
		require.Equal(t, a, again)
	})
}

func TestSecretsStayOutOfMessages(t *testing.T) {
	secret := turn.SecretFrom([]byte("a key of some bytes"))
	require.NotContains(t, string(secret), "=", "an equals sign would confuse coturn's configuration")
	config := turn.Config{Secrets: []turn.Secret{secret}}
	for _, text := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%#v", secret), secret.LogValue().String(),
		fmt.Sprintf("%v", config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config),
	} {
		require.False(t, strings.Contains(text, string(secret)), "the secret is in: %s", text)
	}
}
