package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/certificate"
	"streamstack/gateway/console/browsertest"
)

// TestTLS: a stack with a certificate of its own. The addresses that it tells are https and wss; its commands need no word of
// it; who is told the fingerprint knows the certificate again, after a restart too.
func TestTLS(t *testing.T) {
	data := stack.DataDir(t)
	printed := regexp.MustCompile(`SHA-256 is ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})`)
	var first string
	for range 2 {
		s := stack.Up(t, data, "--tls", "auto", "--ice-tcp")
		require.True(t, strings.HasPrefix(s.Gateway, "https://"), s.Gateway)
		require.Contains(t, s.Stdout(), s.Gateway+"/#token=")
		found := printed.FindStringSubmatch(s.Stdout())
		require.NotNil(t, found, s.Stdout())
		text, err := os.ReadFile(s.Certificate)
		require.NoError(t, err)
		block, _ := pem.Decode(text)
		require.Equal(t, fmt.Sprintf("%X", sha256.Sum256(block.Bytes)), strings.ReplaceAll(found[1], ":", ""))
		if first == "" {
			first = found[1]
			session(t, s)
			checkWithoutUDP(t, s, block.Bytes)
		}
		require.Equal(t, first, found[1])
		s.Signal(syscall.SIGTERM)
		require.Zero(t, s.Wait(), s.Stderr())
	}
}

// session runs one by the commands, and its socket.
func session(t *testing.T, s *stack.Stack) {
	t.Helper()
	out, code := stack.Command(t, "session", "create", "testcard", "--joinable", "--wait", "--data", s.Data)
	require.Zero(t, code, out)
	id := events.SessionID(strings.TrimSpace(out))
	out, code = stack.Command(t, "session", "ls", "--data", s.Data)
	require.Zero(t, code, out)
	require.Contains(t, out, string(id))
	require.NotEmpty(t, s.History(id))
	g, err := s.Client.Join(t.Context(), id, nil)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(g.URL, "wss://"), g.URL)
	config, err := certificate.Trust(s.Certificate, "127.0.0.1")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	over := func(c *tls.Config) *websocket.DialOptions {
		return &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: c}}}
	}
	conn, res, err := websocket.Dial(ctx, g.URL, over(config))
	require.NoError(t, err)
	if res.Body != nil {
		_ = res.Body.Close() // it is the connection's
	}
	require.NoError(t, conn.Write(ctx, websocket.MessageText, []byte(`{"type":"discover"}`)))
	_, answer, err := conn.Read(ctx)
	require.NoError(t, err)
	require.Contains(t, string(answer), "resp:discover")
	require.NoError(t, conn.CloseNow())
	old := config.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	_, res, err = websocket.Dial(ctx, g.URL, over(old))
	if err == nil {
		_ = res.Body.Close()
	}
	require.ErrorContains(t, err, "protocol version")
	out, code = stack.Command(t, "session", "delete", string(id), "--data", s.Data)
	require.Zero(t, code, out)
}

// checkWithoutUDP: the console of a stack with a certificate of its own, in a browser that was told to accept that one key, behind a
// firewall that lets no UDP out: https, wss, and the picture, over TCP to the streamer (RFC 6544), and where there is no way to that
// but by the relay's TLS, by that.
func checkWithoutUDP(t *testing.T, s *stack.Stack, certificate []byte) {
	t.Helper()
	cert, err := x509.ParseCertificate(certificate)
	require.NoError(t, err)
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	v := viewer{browsertest.Open(t, chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])),
		chromedp.Flag("user-data-dir", browsertest.Folder(t)), // without a folder of its own Chromium does not look at the list
		chromedp.Flag("webrtc-ip-handling-policy", "disable_non_proxied_udp")), s}
	v.again("")
	v.Exec(`window.sockets = []; window.WebSocket = class extends WebSocket { constructor(...a) { super(...a); sockets.push(this.url); } }`)
	v.servers(`[]`)
	id := v.start("testcard")
	checkPicture(t, v)
	var at struct {
		Protocol string
		Sockets  []string
	}
	v.Eval(`({Protocol: location.protocol, Sockets: sockets})`, &at)
	require.Equal(t, "https:", at.Protocol)
	require.Len(t, at.Sockets, 1)
	require.Regexp(t, "^wss://", at.Sockets[0])
	require.Equal(t, "tcp", v.way().Protocol, v.way())
	for _, e := range s.History(id) {
		var c events.CandidateData
		if e.Is(events.Client, events.Candidate) && e.Decode(&c) == nil {
			require.NotContains(t, strings.ToLower(c.Candidate), " udp ", "the browser has no UDP")
		}
	}

	v.again(stack.RelayOnly)
	v.servers(`servers.map((s) => ({...s, urls: s.urls.filter((url) => url.startsWith('turns:'))})).filter((s) => s.urls.length > 0)`)
	v.start("testcard")
	checkPicture(t, v)
	used := v.way()
	if used.Kind == "prflx" { // the relay's address as the streamer sees it, where its answer came before the relay's was known
		used.Kind = "relay"
	}
	require.Equal(t, way{Kind: "relay", Protocol: "udp", Relay: "tls"}, used)
}

// servers has the page use what an expression makes of the STUN and TURN servers that it is told.
func (v viewer) servers(expression string) {
	v.T.Helper()
	v.Exec(`window.RTCPeerConnection = class extends RTCPeerConnection {
		constructor(config) { const servers = config.iceServers; super({...config, iceServers: ` + expression + `}); }
	}`)
}

// way is how packets leave the browser: its end of the pair of candidates that is used.
type way struct{ Kind, Protocol, Relay string }

func (v viewer) way() (w way) {
	v.T.Helper()
	v.Eval(`streamstack.pc.getStats().then((all) => {
		const transport = [...all.values()].find((s) => s.type === 'transport');
		const local = all.get(all.get(transport.selectedCandidatePairId).localCandidateId);
		return {Kind: local.candidateType, Protocol: local.protocol, Relay: local.relayProtocol ?? ''};
	})`, &w)
	return w
}
