package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
)

// Trust is how a client on the gateway's own machine speaks TLS with it: it trusts the certificate in this file (see
// [Source.Path]), and for its hosts no other. host is the one in the gateway's address; where that is an address of
// loopback, for which nobody gives out certificates, the name is expected that is in the certificate. A host that is neither is
// somebody's in between, such as a proxy, and has to show what the system trusts.
func Trust(path, host string) (*tls.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificate: the gateway's cannot be read: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("certificate: %s does not begin with a certificate in PEM", path)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate: %s: %w", path, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host}
	if leaf.VerifyHostname(host) != nil {
		if !isLoopback(host) {
			return c, nil // somebody else's certificate is there, such as a proxy's
		}
		switch {
		case len(leaf.DNSNames) > 0:
			c.ServerName = leaf.DNSNames[0]
		case len(leaf.IPAddresses) > 0:
			c.ServerName = leaf.IPAddresses[0].String()
		}
	}
	c.RootCAs = x509.NewCertPool()
	c.RootCAs.AddCert(leaf)
	return c, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
