package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// Source has a certificate, which may become another one. It may be used from several goroutines.
type Source struct {
	// refresh returns the certificate as it is now, or the one it is given while nothing has changed. It is called by one
	// at a time.
	refresh func(have *tls.Certificate) *tls.Certificate
	path    string

	mu   sync.Mutex
	have *tls.Certificate
}

// Config is how a server speaks TLS with the certificate. HTTP/2 is not offered: a websocket takes a connection of HTTP/1.1
// (RFC 6455), and the limits for slow readers are those of a connection.
func (s *Source) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.current(), nil },
	}
}

// Path is the file of the certificate, in PEM: what a client on this machine trusts.
func (s *Source) Path() string { return s.path }

// Covers tells whether clients that call the server by this name or address find it in the certificate, as it is now.
func (s *Source) Covers(host string) bool { return s.current().Leaf.VerifyHostname(host) == nil }

// Fingerprint is the SHA-256 of the certificate as it is now, in the form that browsers and openssl show.
func (s *Source) Fingerprint() string { return fingerprint(s.current()) }

func (s *Source) current() *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have = s.refresh(s.have)
	return s.have
}

func fingerprint(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(pairs, ":")
}

// load reads a certificate with its chain, and its key.
func load(certFile, keyFile string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certFile, keyFile) // and so the key is the certificate's
	if err != nil {
		return nil, fmt.Errorf("certificate: %s and %s: %w", certFile, keyFile, err)
	}
	return &c, nil
}
