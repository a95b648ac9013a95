package docker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
)

// identity is a certificate, its key, and the files of both.
type identity struct {
	tls.Certificate
	cert, key string
}

// newIdentity makes a certificate that signer signed, or that signed itself.
func newIdentity(t *testing.T, name string, signer *identity) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	text := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: signer == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	parent, signing := text, any(key)
	if signer != nil {
		parent, signing = signer.Leaf, signer.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, text, parent, &key.PublicKey, signing)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	id := &identity{cert: filepath.Join(t.TempDir(), "cert.pem"), key: filepath.Join(t.TempDir(), "key.pem")}
	require.NoError(t, os.WriteFile(id.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(id.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	id.Certificate, err = tls.LoadX509KeyPair(id.cert, id.key)
	require.NoError(t, err)
	return id
}

// An engine elsewhere is talked to over TLS, both sides by certificate: also when a session is handed over.
func TestTLS(t *testing.T) {
	t.Parallel()
	e := engine(t)
	authority := newIdentity(t, "authority", nil)
	server, client, stranger := newIdentity(t, "engine", authority), newIdentity(t, "agent", authority), newIdentity(t, "stranger", nil)
	address := front(t, e.Socket, server, authority)
	c := config(t, e)
	c.Engine, c.TLSCA, c.TLSCert, c.TLSKey = "tcp://"+address, authority.cert, client.cert, client.key
	d := open(t, c)
	require.NoError(t, d.Check(t.Context()))
	require.False(t, d.Local())
	s := spec("steady")
	in := launch(t, d, s)
	printed(t, d, s.Session, "streamer: secret of 19 bytes")
	require.NoError(t, in.Stop(t.Context()))

	for what, change := range map[string]func(*Config){
		"an engine that another authority signed": func(c *Config) { c.TLSCA = stranger.cert },
		"an agent that another authority signed":  func(c *Config) { c.TLSCert, c.TLSKey = stranger.cert, stranger.key },
	} {
		c := config(t, e)
		c.Engine, c.TLSCA, c.TLSCert, c.TLSKey = "tcp://"+address, authority.cert, client.cert, client.key
		change(&c)
		err := open(t, c).Check(t.Context())
		require.Error(t, err, what)
		require.ErrorIs(t, err, driver.ErrAway, what)
		require.ErrorContains(t, err, "certificate", what)
	}
}

// front puts TLS before the engine's socket, as dockerd has it built in.
func front(t *testing.T, socket string, server, authority *identity) (address string) {
	t.Helper()
	trusted := x509.NewCertPool()
	trusted.AddCert(authority.Leaf)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server.Certificate},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted})
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() }) // which ends the loop
	ctx := context.WithoutCancel(t.Context())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(ctx, conn, strings.TrimPrefix(socket, "unix://")) // ends with either side
		}
	}()
	return listener.Addr().String()
}

func relay(ctx context.Context, conn net.Conn, socket string) {
	defer func() { _ = conn.Close() }() // what it carried has been said
	engine, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return
	}
	defer func() { _ = engine.Close() }() // likewise
	go func() {
		_, _ = io.Copy(engine, conn)
		_ = engine.Close() // which ends the other direction
	}()
	_, _ = io.Copy(conn, engine)
}
