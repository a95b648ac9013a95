package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// shortestSecret is how long a text must be to be searched for: shorter ones stand everywhere by chance.
const shortestSecret = 12

// secrets are texts that must be in no message, with what each is.
type secrets map[string]string

// add adds a secret in the forms in which it may be written.
func (s secrets) add(what, secret string) {
	if len(secret) < shortestSecret {
		return
	}
	for _, form := range []string{
		secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)),
		base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		s[form] = what
	}
}

// addFolder adds what stands in the files of a folder, line by line, and the bytes that a line is the base64 of.
func (s secrets) addFolder(t *testing.T, folder string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "#") {
				continue
			}
			s.add(path, line)
			if key, err := base64.RawURLEncoding.DecodeString(line); err == nil {
				s.add(path, string(key))
			}
		}
		return nil
	}))
	require.NotZero(t, files, "secrets in %s", folder)
}

// addURL adds what is secret in an address: the values of its query, and the password.
func (s secrets) addURL(what, address string) {
	u, err := url.Parse(address)
	if err != nil {
		return
	}
	if password, ok := u.User.Password(); ok {
		s.add(what, password)
	}
	for key, values := range u.Query() {
		for _, v := range values {
			s.add(what+"?"+key, v)
		}
	}
}

// patterns are what secrets look like, also those that this test does not know.
var patterns = map[string]*regexp.Regexp{
	"a seed of NATS's keys": regexp.MustCompile(`\bS[UACNOX][A-Z2-7]{56}\b`),
	"a JWT":                 regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}\.`),
	"a PEM block":           regexp.MustCompile(`-----BEGIN `),
	"a macaroon":            regexp.MustCompile(`\bAg[EAI][\w-]{56,}`),
	"a password in a URL":   regexp.MustCompile(`://[^/\s"@:]*:[^/\s"@]+@`),
	"a token in a URL":      regexp.MustCompile(`[?&#](api_)?token=`),
	"a field for a secret":  regexp.MustCompile(`(?i)"[a-z_]*(password|passwd|secret|credential|private_key|token)"\s*:`),
}

// message is a stored message as it lies in a stream.
type message struct {
	stream, subject, text string // text is the headers and the data
	expires               bool
}

// icePassword is the one secret that may be in a message, if that expires: ICE is of no use without it, and a connection
// that is up does not need it any more (RFC 8839, section 5.4).
var icePassword = regexp.MustCompile(`ice-pwd:([\w+/]+)`)

// leaks says what of a message must not be there.
func (s secrets) leaks(m message) []string {
	var found []string
	note := func(format string, args ...any) {
		found = append(found, fmt.Sprintf("%s %s: %s", m.stream, m.subject, fmt.Sprintf(format, args...)))
	}
	for form, what := range s {
		if strings.Contains(m.subject+"\n"+m.text, form) {
			note("%s", what)
		}
	}
	for what, p := range patterns {
		if at := p.FindStringIndex(m.text); at != nil {
			note("looks like %s, at byte %d", what, at[0])
		}
	}
	if icePassword.MatchString(m.text) && !m.expires {
		note("an ICE password in a message that does not expire")
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// storedMessages reads all messages of all streams as they are stored, buckets included.
func storedMessages(t *testing.T, js jetstream.JetStream) (all []message) {
	t.Helper()
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		state := stream.CachedInfo().State
		for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
			raw, err := stream.GetMsg(t.Context(), seq)
			if err != nil {
				require.ErrorIs(t, err, jetstream.ErrMsgNotFound, "%s, %d", name, seq)
				continue // expired, or done
			}
			m := message{stream: name, subject: raw.Subject, expires: raw.Header.Get("Nats-TTL") != ""}
			var text strings.Builder
			for key, values := range raw.Header {
				for _, v := range values {
					fmt.Fprintf(&text, "%s: %s\n", key, v)
				}
			}
			text.Write(raw.Data)
			m.text = text.String()
			all = append(all, m)
		}
	}
	require.NoError(t, names.Err())
	return all
}

// TestScanFindsSecrets: the scan that is trusted below finds what it should.
func TestScanFindsSecrets(t *testing.T) {
	s := secrets{}
	s.add("the password", "correct horse/battery")
	s.addURL("the socket", "ws://h/1.0/sessions/1/sockets/slave?token=opensesameopensesame")
	s.addURL("NATS", "nats://u:verylongpassword@127.0.0.1:4222")
	for text, expires := range map[string]bool{
		`{"reason":"correct horse/battery"}`:                           true,
		`{"reason":"correct+horse%2Fbattery"}`:                         true,
		`{"reason":"Y29ycmVjdCBob3JzZS9iYXR0ZXJ5"}`:                    true,
		"ce-source: verylongpassword\n{}":                              true,
		`{"m":{"auth":"opensesameopensesame"}}`:                        true,
		`SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4`:   true,
		`eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5In0.eyJqdGkiOiJYIn0.abc`:  true,
		"-----BEGIN NATS USER JWT-----":                                true,
		`AgEUYW5ib3gtc3RyZWFtLWdhdGV3YXkCBWFsaWNlAAIUMjAyNi0xMS0yMlQw`: true,
		`nats://up:hush@127.0.0.1`:                                     true,
		`{"client_secret":"x"}`:                                        true,
		"a=ice-pwd:asd88fgpdd777uzjYhagZg":                             false,
	} {
		require.NotEmpty(t, s.leaks(message{text: text, expires: expires}), text)
	}
	for text, expires := range map[string]bool{
		`{"token_id":"0192f1c2","reason":"the token has expired"}`: false,
		"a=ice-pwd:asd88fgpdd777uzjYhagZg":                         true,
		"ce-dataschema: streamstack:/1.0/schemas/x.json":           false,
	} {
		require.Empty(t, s.leaks(message{text: text, expires: expires}), text)
	}
}
