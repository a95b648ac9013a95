package webhook

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

// The example of the Standard Webhooks specification's libraries.
func TestSignatureOfTheStandard(t *testing.T) {
	t.Parallel()
	s, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	h, now, body := http.Header{}, time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)
	sign(h, []Secret{s}, "msg_p5jXN8AQM9LWM0D4loKWxJek", now, body)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", h.Get(HeaderSignature))
	require.Equal(t, "1614265330", h.Get(HeaderTimestamp))
	require.NoError(t, Verify(s, h, body, now))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		root := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "root")
		mine, err := Derive(root, "a")
		require.NoError(t, err)
		other, err := Derive(root, "b")
		require.NoError(t, err)
		read, err := ParseSecret(mine.Text())
		require.NoError(t, err)
		h, now, body := http.Header{}, time.Unix(rapid.Int64Range(1e6, 1e10).Draw(t, "now"), 0), rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		secrets := rapid.Permutation([]Secret{mine, other}).Draw(t, "secrets") // while a key is replaced there are two
		sign(h, secrets, "id-1", now, body)
		require.NoError(t, Verify(read, h, body, now.Add(tolerance)))
		require.NoError(t, Verify(other, h, body, now.Add(-tolerance)))
		require.ErrorIs(t, Verify(mine, h, body, now.Add(tolerance+time.Second)), ErrTimestamp)
		require.ErrorIs(t, Verify(mine, h, body, now.Add(-tolerance-time.Second)), ErrTimestamp)
		require.ErrorIs(t, Verify(mine, h, append(body, 'x'), now), ErrSignature)
		for _, key := range []string{HeaderID, HeaderTimestamp, HeaderSignature} {
			forged := h.Clone()
			forged.Set(key, fmt.Sprint(now.Unix()+1))
			require.ErrorIs(t, Verify(mine, forged, body, now), ErrSignature, key)
		}
		third, err := Derive(root, "c")
		require.NoError(t, err)
		require.ErrorIs(t, Verify(third, h, body, now), ErrSignature)
		require.ErrorIs(t, Verify(mine, http.Header{}, body, now), ErrTimestamp)
	})
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	s, err := Derive(make([]byte, 64), "a")
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s)
	text := fmt.Sprintf("%v %+v %#v %s %v", s, s, s, s, []Secret{s}) + log.String()
	require.NotContains(t, text, s.Text()[len(secretPrefix):])
	require.NotContains(t, text, fmt.Sprint(s.key[0], s.key[1]))
	for _, bad := range []string{"", "whsec_", "whsec_!", "whsec_" + "AAAA", "sk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		_, err := ParseSecret(bad)
		require.Error(t, err)
		if bad != "" {
			require.NotContains(t, err.Error(), strings.TrimPrefix(bad, "whsec_")+"x")
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		if err != nil {
			return
		}
		again, err := ParseSecret(s.Text())
		require.NoError(t, err)
		require.Equal(t, s.key, again.key)
	})
}

// Events whose id makes no header are named by their place.
func TestMessageID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"0192f1c2-5d3e-7000-8000-00000000abcd": "0192f1c2-5d3e-7000-8000-00000000abcd", "": "sequence-7", "a.b": "sequence-7",
		"a\r\nx: y": "sequence-7", strings.Repeat("a", 65): "sequence-7",
	} {
		require.Equal(t, want, messageID(events.Event{ID: id, Sequence: 7}))
	}
}
