package ams

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// After launches, failures and ends: nothing of the agent's certificate and key is in what AMS got as user data, nor in the
// log; and the session's own credentials are in the user data only.
func TestSecretsStay(t *testing.T) {
	r := newRig(t, nil)
	in := r.launch("s1")
	r.ams.Fail(r.ams.Instances()[0].ID, "the node died")
	ending := r.ends(in)
	r.ams.Distrust(r.own)
	failed, err := r.Launch(r.context(), r.spec("s2"))
	require.Error(t, err)
	require.Nil(t, failed)
	r.ams.Trust(r.own)

	data := r.ams.Launches()[0].UserData
	require.Contains(t, data, "THE-SESSION'S-OWN")
	seen := map[string]string{"user data": data, "log": r.log.String(), "ending": ending.Reason + ending.LogTail, "error": err.Error()}
	for where, text := range seen {
		for _, path := range []string{r.own.Key, r.own.Cert} {
			pem, err := os.ReadFile(path)
			require.NoError(t, err)
			for line := range strings.Lines(string(pem)) {
				require.NotContains(t, text, strings.TrimSpace(line), where)
			}
		}
		require.NotContains(t, text, r.own.Key, where)
		if where != "user data" {
			require.NotContains(t, text, "THE-SESSION'S-OWN", where)
		}
	}
	require.NotContains(t, data, r.own.Cert)
	require.NotContains(t, data, r.config.URL)
}

// User data that AMS would refuse is refused with what to do about it; nothing of a secret is in the message.
func TestUserData(t *testing.T) {
	r := newRig(t, nil)
	fits := func(n int) (string, error) {
		spec := r.spec("s1")
		spec.UserData = json.RawMessage(`{"extra_data":"` + strings.Repeat("x", n) + `"}`)
		return userData(spec)
	}
	text, err := fits(0)
	require.NoError(t, err)
	most := 10240 - len(text)
	text, err = fits(most)
	require.NoError(t, err)
	require.Len(t, text, 10240)
	_, err = fits(most + 1)
	require.ErrorContains(t, err, "smaller extra_data")

	for says, change := range map[string]func(*json.RawMessage, *[]byte){
		"must be a JSON object":   func(u *json.RawMessage, _ *[]byte) { *u = json.RawMessage(`[1]`) },
		`has a member "streamer"`: func(u *json.RawMessage, _ *[]byte) { *u = json.RawMessage(`{"streamer":1}`) },
		"secret must be JSON":     func(_ *json.RawMessage, s *[]byte) { *s = []byte("hunter2") },
	} {
		spec := r.spec("s1")
		change(&spec.UserData, &spec.Streamer.Secret)
		_, err := userData(spec)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "hunter2")
	}
	spec := r.spec("s1")
	spec.UserData, spec.Streamer.Secret = nil, nil
	text, err = userData(spec)
	require.NoError(t, err)
	require.NotContains(t, text, "stdin")
}
