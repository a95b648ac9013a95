package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Names of the files in the folder that [SelfSigned] is given.
const (
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
)

const (
	// life is how long a certificate of ours is valid: browsers take none for longer than 398 days.
	life = 365 * 24 * time.Hour
	// renewal is how long before its end a new one is made, so that whoever pinned the old one has time.
	renewal = 30 * 24 * time.Hour
	// skew is how far a client's clock may be behind.
	skew = time.Hour
	// serialBits are enough that no two are alike, and within what RFC 5280, section 4.1.2.2 allows.
	serialBits = 127
)

// SelfSigned is a certificate that we make ourselves for these hosts (names and addresses), and keep in the folder with
// its key (mode 0600). The one of the last start stays, until 30 days before its end, or until the hosts are others. Nobody trusts it
// who has not been told its fingerprint, or given its file.
func SelfSigned(folder string, hosts []string, now func() time.Time, log *slog.Logger) (*Source, error) {
	if len(hosts) == 0 {
		return nil, errors.New("certificate: no host to make one for")
	}
	s := &selfSigned{folder: folder, hosts: hosts, now: now, log: log}
	cert, key := filepath.Join(folder, CertFile), filepath.Join(folder, KeyFile)
	have, err := load(cert, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		have, err = s.make()
	case err != nil:
		err = fmt.Errorf("%w: remove both files, and new ones are made", err)
	case !s.good(have):
		have, err = s.make()
	}
	if err != nil {
		return nil, err
	}
	return &Source{refresh: s.refresh, path: cert, have: have}, nil
}

type selfSigned struct {
	folder string
	hosts  []string
	now    func() time.Time
	log    *slog.Logger
	failed time.Time // the last try to renew
}

// good tells whether a certificate still does.
func (s *selfSigned) good(c *tls.Certificate) bool {
	fits := !slices.ContainsFunc(s.hosts, func(host string) bool { return c.Leaf.VerifyHostname(host) != nil })
	return fits && s.now().Add(renewal).Before(c.Leaf.NotAfter)
}

func (s *selfSigned) refresh(have *tls.Certificate) *tls.Certificate {
	const again = time.Hour // a full disk is not asked with each connection
	if s.good(have) || s.now().Sub(s.failed) < again {
		return have
	}
	c, err := s.make()
	if err != nil {
		s.failed = s.now()
		s.log.Error("the self-signed certificate could not be renewed: the old one stays in use", "until", have.Leaf.NotAfter, "err", err)
		return have
	}
	s.log.Warn("the self-signed certificate was renewed: who pinned the old one must be told", "sha256", fingerprint(c), "until", c.Leaf.NotAfter)
	return c
}

// make makes a certificate and keeps it. The key is written first: who reads both in between finds a pair that does not
// fit, and not a certificate without its key.
func (s *selfSigned) make() (*tls.Certificate, error) {
	certPEM, keyPEM, err := generate(s.hosts, s.now())
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{KeyFile, keyPEM}, {CertFile, certPEM}} {
		if err := replace(filepath.Join(s.folder, f.name), f.text); err != nil {
			return nil, fmt.Errorf("certificate: write %s: %w", f.name, err)
		}
	}
	return load(filepath.Join(s.folder, CertFile), filepath.Join(s.folder, KeyFile))
}

// generate makes a key on P-256, which every client of TLS 1.3 knows (RFC 8446, section 9.1), and its certificate.
func generate(hosts []string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "streamstack self-signed"},
		NotBefore: now.Add(-skew), NotAfter: now.Add(life),
		// Not one that could sign others: who trusts it trusts this gateway and nothing else.
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if addr, err := netip.ParseAddr(host); err == nil {
			c.IPAddresses = append(c.IPAddresses, addr.Unmap().AsSlice())
		} else {
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}

// replace writes a file that its owner alone reads, as a whole.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tls-*") // CreateTemp makes files with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // after the rename it is gone already
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
