package ams

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrCertificate says that a certificate is missing, expired, or not the one that was recorded.
var ErrCertificate = errors.New("certificate")

// fingerprint is a certificate's as AMS prints it: lower-case hex SHA-256 of its DER (section 1).
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// readPinned reads the server's certificate, the only one in its file.
func readPinned(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ams: the server's %w: %w", ErrCertificate, err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("ams: the server's %w: %s must hold AMS's own certificate in PEM and nothing else", ErrCertificate, path)
	}
	pinned, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("ams: the server's %w: %s: %w", ErrCertificate, path, err)
	}
	return pinned, nil
}

// ownCertificate reads the agent's certificate and key, and refuses those out of their time: AMS would only say that it
// does not trust them.
func ownCertificate(certificate, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("ams: the agent's own %w: %w; give PEM files of a certificate and its key", ErrCertificate, err)
	}
	if err := inTime(pair.Leaf, time.Now()); err != nil {
		return nil, fmt.Errorf("ams: the agent's own %w %s %w; make a new one and have AMS trust it", ErrCertificate, certificate, err)
	}
	return &pair, nil
}

func inTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("is not valid before %s", c.NotBefore.Format(time.RFC3339))
	case now.After(c.NotAfter):
		return fmt.Errorf("expired at %s", c.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// tlsConfig shows the agent's certificate, and accepts the pinned one only.
func (c Config) tlsConfig() (*tls.Config, error) {
	pinned, err := readPinned(c.ServerCertificate)
	if err != nil {
		return nil, err
	}
	if _, err := ownCertificate(c.Certificate, c.Key); err != nil { // rather now than at the first request
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter: it takes one certificate, whoever signed it
		VerifyConnection: func(s tls.ConnectionState) error {
			shown := s.PeerCertificates[0]
			if !bytes.Equal(shown.Raw, pinned.Raw) {
				return fmt.Errorf("AMS shows another %w (%s) than the recorded one (%s): if AMS has a new one, record it again; else somebody is in between",
					ErrCertificate, fingerprint(shown.Raw), fingerprint(pinned.Raw))
			}
			if err := inTime(shown, time.Now()); err != nil {
				return fmt.Errorf("AMS's %w %w; AMS needs a new one, which is then to be recorded", ErrCertificate, err)
			}
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return ownCertificate(c.Certificate, c.Key)
		},
	}, nil
}
