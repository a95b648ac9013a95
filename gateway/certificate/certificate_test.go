package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// logged is a log that a test reads.
func logged() (*bytes.Buffer, *slog.Logger) {
	var b bytes.Buffer
	return &b, slog.New(slog.NewTextHandler(&b, nil))
}

// put writes a new certificate and its key for a host into two files, and returns the certificate.
func put(t *testing.T, cert, key, host string) *x509.Certificate {
	t.Helper()
	certPEM, keyPEM, err := generate([]string{host}, time.Now())
	require.NoError(t, err)
	require.NoError(t, replace(key, keyPEM))
	require.NoError(t, replace(cert, certPEM))
	block, _ := pem.Decode(certPEM)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

// serve answers each connection with what it says, until the test ends.
func serve(t *testing.T, s *Source) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.Config())
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, c) // ends with the client
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// shown is the certificate that a new connection gets.
func shown(t *testing.T, addr string) *x509.Certificate {
	t.Helper()
	var got *x509.Certificate
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error { got = s.PeerCertificates[0]; return nil }})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	return got
}

// New files are used from the next connection on; a connection that is open goes on; what is broken changes nothing and is
// told of once.
func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	first := put(t, cert, key, "one.example.net")
	said, log := logged()
	s, err := Files(cert, key, log)
	require.NoError(t, err)
	addr := serve(t, s)
	require.Equal(t, first.Raw, shown(t, addr).Raw)
	open, err := tls.Dial("tcp", addr, mustTrust(t, cert, "127.0.0.1"))
	require.NoError(t, err)
	defer func() { _ = open.Close() }()

	second := put(t, cert, key, "two.example.net")
	require.Equal(t, second.Raw, shown(t, addr).Raw)
	require.Contains(t, said.String(), s.Fingerprint())
	_, err = open.Write([]byte("still here"))
	require.NoError(t, err)
	got := make([]byte, 10)
	_, err = io.ReadFull(open, got)
	require.NoError(t, err)
	require.Equal(t, "still here", string(got))

	good := map[string][]byte{}
	for _, f := range []string{cert, key} {
		good[f], err = os.ReadFile(f)
		require.NoError(t, err)
	}
	_, otherKey, err := generate([]string{"x"}, time.Now())
	require.NoError(t, err)
	for name, harm := range map[string]func() error{
		"a certificate that is none":           func() error { return replace(cert, []byte("rubbish")) },
		"half of it":                           func() error { return replace(cert, good[cert][:100]) },
		"no key":                               func() error { return os.Remove(key) },
		"the key of another":                   func() error { return replace(key, otherKey) },
		"an empty file, as a copy begins with": func() error { return os.Truncate(cert, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			said.Reset()
			require.NoError(t, harm())
			for range 3 {
				require.Equal(t, second.Raw, shown(t, addr).Raw)
			}
			require.Equal(t, 1, strings.Count(said.String(), "level=ERROR"), said.String())
			for f, text := range good {
				require.NoError(t, replace(f, text))
			}
			require.Equal(t, second.Raw, shown(t, addr).Raw)
		})
	}
	third := put(t, cert, key, "three.example.net")
	require.Equal(t, third.Raw, shown(t, addr).Raw, "and all is well again")
	_, err = Files(cert, filepath.Join(dir, "none"), log)
	require.ErrorContains(t, err, "none")
}

// A link that is turned elsewhere, as mounted secrets are replaced.
func TestFilesBehindALink(t *testing.T) {
	dir := t.TempDir()
	certs := map[string]*x509.Certificate{}
	for _, v := range []string{"v1", "v2"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, v), 0o700))
		certs[v] = put(t, filepath.Join(dir, v, "tls.crt"), filepath.Join(dir, v, "tls.key"), v+".example.net")
	}
	link := filepath.Join(dir, "data")
	require.NoError(t, os.Symlink("v1", link))
	_, log := logged()
	s, err := Files(filepath.Join(link, "tls.crt"), filepath.Join(link, "tls.key"), log)
	require.NoError(t, err)
	addr := serve(t, s)
	require.Equal(t, certs["v1"].Raw, shown(t, addr).Raw)
	require.NoError(t, os.Symlink("v2", link+".new"))
	require.NoError(t, os.Rename(link+".new", link))
	require.Equal(t, certs["v2"].Raw, shown(t, addr).Raw)
}

func TestOlderThanTLS13IsRefused(t *testing.T) {
	dir := t.TempDir()
	_, log := logged()
	s, err := SelfSigned(dir, []string{"127.0.0.1"}, time.Now, log)
	require.NoError(t, err)
	addr := serve(t, s)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		c := mustTrust(t, s.Path(), "127.0.0.1")
		c.MinVersion, c.MaxVersion = version, version
		_, err := tls.Dial("tcp", addr, c)
		require.ErrorContains(t, err, "protocol version", tls.VersionName(version))
	}
	c, err := tls.Dial("tcp", addr, mustTrust(t, s.Path(), "127.0.0.1"))
	require.NoError(t, err)
	require.Equal(t, uint16(tls.VersionTLS13), c.ConnectionState().Version)
	require.NoError(t, c.Close())
}

// It is kept over restarts, renewed in time while it runs, and made anew for other hosts. Its key is secret.
func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	clock := func() time.Time { return now }
	said, log := logged()
	hosts := []string{"stream.example.net", "localhost", "127.0.0.1", "::1", "192.0.2.7"}
	s, err := SelfSigned(dir, hosts, clock, log)
	require.NoError(t, err)
	addr := serve(t, s)
	first := shown(t, addr)
	for _, h := range hosts {
		require.NoError(t, first.VerifyHostname(h))
	}
	require.Error(t, first.VerifyHostname("other.example.net"))
	require.False(t, first.IsCA)
	require.Less(t, first.NotAfter.Sub(first.NotBefore), 398*24*time.Hour)
	require.Regexp(t, `^([0-9A-F]{2}:){31}[0-9A-F]{2}$`, s.Fingerprint())
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	again, err := SelfSigned(dir, hosts[1:], clock, log)
	require.NoError(t, err)
	require.Equal(t, s.Fingerprint(), again.Fingerprint(), "who pinned it finds it again after a restart")

	now = first.NotAfter.Add(-renewal - time.Minute)
	require.Equal(t, first.Raw, shown(t, addr).Raw)
	now = first.NotAfter.Add(-renewal)
	second := shown(t, addr)
	require.NotEqual(t, first.Raw, second.Raw, "renewed while it runs")
	require.Equal(t, second.Raw, shown(t, addr).Raw)
	require.Contains(t, said.String(), s.Fingerprint())

	other, err := SelfSigned(dir, []string{"other.example.net"}, clock, log)
	require.NoError(t, err)
	require.NotEqual(t, s.Fingerprint(), other.Fingerprint())

	require.NoError(t, os.WriteFile(filepath.Join(dir, CertFile), []byte("rubbish"), 0o600))
	_, err = SelfSigned(dir, hosts, clock, log)
	require.ErrorContains(t, err, "remove both files")
	_, err = SelfSigned(dir, nil, clock, log)
	require.Error(t, err)
}

// A renewal that fails leaves the old certificate in use, and is not tried with each connection.
func TestRenewalThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.Mkdir(dir, 0o700))
	now := time.Now()
	said, log := logged()
	s, err := SelfSigned(dir, []string{"localhost"}, func() time.Time { return now }, log)
	require.NoError(t, err)
	before := s.Fingerprint()
	now = now.Add(life - renewal)
	require.NoError(t, os.Rename(dir, dir+"-away"))
	for range 5 {
		require.Equal(t, before, s.Fingerprint())
	}
	require.Equal(t, 1, strings.Count(said.String(), "level=ERROR"))
	require.NoError(t, os.Rename(dir+"-away", dir))
	now = now.Add(2 * time.Hour)
	require.NotEqual(t, before, s.Fingerprint())
}

// A client that pins the certificate takes it under the gateway's names and loopback, and no other one for them.
func TestTrust(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c"), filepath.Join(dir, "k")
	put(t, cert, key, "stream.example.net")
	_, log := logged()
	s, err := Files(cert, key, log)
	require.NoError(t, err)
	addr := serve(t, s)
	for _, host := range []string{"stream.example.net", "127.0.0.1"} {
		c, err := tls.Dial("tcp", addr, mustTrust(t, cert, host))
		require.NoError(t, err, host)
		require.NoError(t, c.Close())
	}
	_, err = tls.Dial("tcp", addr, mustTrust(t, cert, "other.example.net"))
	require.Error(t, err, "another host is not this gateway")
	// Somebody else with a certificate for the same name.
	theirs, theirKey := filepath.Join(dir, "c2"), filepath.Join(dir, "k2")
	put(t, theirs, theirKey, "stream.example.net")
	impostor, err := Files(theirs, theirKey, log)
	require.NoError(t, err)
	_, err = tls.Dial("tcp", serve(t, impostor), mustTrust(t, cert, "stream.example.net"))
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	_, err = Trust(key, "localhost")
	require.ErrorContains(t, err, "PEM")
	_, err = Trust(filepath.Join(dir, "none"), "localhost")
	require.Error(t, err)
}

func mustTrust(t *testing.T, path, host string) *tls.Config {
	t.Helper()
	c, err := Trust(path, host)
	require.NoError(t, err)
	return c
}

// FuzzTrust: whatever a file holds is trusted as a certificate or refused.
func FuzzTrust(f *testing.F) {
	certPEM, _, err := generate([]string{"localhost"}, time.Now())
	require.NoError(f, err)
	f.Add(certPEM)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "c")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		if c, err := Trust(path, "127.0.0.1"); err == nil && c.InsecureSkipVerify {
			t.Fatal("it trusts anybody")
		}
	})
}
