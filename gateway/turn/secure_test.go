package turn_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/turn/v2"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/gateway/certificate"
	"streamstack/gateway/turn"
)

// startSecure runs a server with a certificate of its own, and gives the client's side of it.
func startSecure(t *testing.T) (*turn.Server, *tls.Config, *eventstest.Output) {
	t.Helper()
	dir := t.TempDir()
	source, err := certificate.SelfSigned(dir, []string{"127.0.0.1"}, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server, output := startServer(t, func(c *turn.Config) { c.TLS = source.Config() })
	trusted := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(dir, certificate.CertFile))
	require.NoError(t, err)
	require.True(t, trusted.AppendCertsFromPEM(text))
	return server, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted, ServerName: "127.0.0.1"}, output
}

// One port takes UDP, plain TCP and TLS, and a relay over TLS is one like the others.
func TestRelaysOverTLS(t *testing.T) {
	server, config, _ := startSecure(t)
	config.NextProtos = []string{"stun.turn"} // as browsers may say (RFC 7443)
	username, password := turn.Credentials{Secret: secret}.Issue(time.Now(), "peer-1")
	conn := tls.Client(connect(t, server.Addr().String()), config)
	requireEcho(t, allocate(t, dialOver(t, pion.NewSTUNConn(conn), server.Addr().String(), username, password)), "127.0.0.1")
	require.Equal(t, uint16(tls.VersionTLS13), conn.ConnectionState().Version)
	for _, network := range []string{"udp", "tcp"} {
		requireEcho(t, allocate(t, dialAs(t, network, server, secret, network)), "127.0.0.1")
	}
	require.Equal(t, 3, server.Allocations())
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return server.Allocations() == 2 }, patience, time.Millisecond, "the allocation outlives its connection")
}

// Whoever begins with TLS and goes on with something else, or stops, is let go of; the others are served.
func TestBrokenTLS(t *testing.T) {
	server, config, _ := startSecure(t)
	for _, begin := range [][]byte{{22}, append([]byte{22, 3, 1, 0, 5}, "hello"...), []byte("GET / HTTP/1.1\r\n\r\n")} {
		conn := connect(t, server.Addr().String())
		_, err := conn.Write(begin)
		require.NoError(t, err)
		half, ok := conn.(*net.TCPConn)
		require.True(t, ok)
		require.NoError(t, half.CloseWrite())
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		for err == nil {
			_, err = conn.Read(make([]byte, 100))
		}
		require.False(t, os.IsTimeout(err), "%q is not let go of", begin)
	}
	username, password := turn.Credentials{Secret: secret}.Issue(time.Now(), "peer-1")
	conn := tls.Client(connect(t, server.Addr().String()), config)
	requireEcho(t, allocate(t, dialOver(t, pion.NewSTUNConn(conn), server.Addr().String(), username, password)), "127.0.0.1")
	require.NoError(t, server.Close())
	requireNothingLeft(t, server)
}

// Without a certificate a client that begins with TLS gets nowhere.
func TestNoTLSWithoutCertificate(t *testing.T) {
	server, _ := startServer(t, nil)
	conn := connect(t, server.Addr().String())
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	require.Error(t, tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "127.0.0.1"}).HandshakeContext(t.Context()))
	for _, s := range (turn.Credentials{Secret: secret}).ICEServers(time.Now(), "x", "turn.example.net:3478", "") {
		require.NotContains(t, strings.Join(s.URLs, " "), "turns:")
	}
	list := turn.Credentials{Secret: secret}.ICEServers(time.Now(), "x", "192.0.2.1:3478", "turn.example.net:3478")
	require.Equal(t, []string{"turn:192.0.2.1:3478?transport=udp", "turn:192.0.2.1:3478?transport=tcp", "turns:turn.example.net:3478?transport=tcp"}, list[1].URLs)
}
