package command

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"streamstack/events/connect"
	"streamstack/gateway/certificate"
	"streamstack/gateway/turn"
)

// What --tls takes, beside two files.
const (
	TLSOff  = "off"
	TLSAuto = "auto"
)

// parseTLS checks the flag.
func parseTLS(value string) error {
	cert, key, two := strings.Cut(value, ",")
	if value == "" || value == TLSOff || value == TLSAuto || two && cert != "" && key != "" {
		return nil
	}
	return connect.Usagef("--tls takes %s, %s, or the files of a certificate and of its key as CERT,KEY, not %q", TLSAuto, TLSOff, value)
}

// secure puts TLS before the listener, if it shall be there.
func (s *Service) secure(o Options, secrets string) (err error) {
	switch o.TLS {
	case "", TLSOff:
		return nil
	case TLSAuto:
		hosts, err := s.hosts()
		if err != nil {
			return err
		}
		if s.cert, err = certificate.SelfSigned(secrets, hosts, time.Now, o.Logger); err != nil {
			return err
		}
	default:
		cert, key, _ := strings.Cut(o.TLS, ",")
		if s.cert, err = certificate.Files(strings.TrimSpace(cert), strings.TrimSpace(key), o.Logger); err != nil {
			return fmt.Errorf("%w (see --tls)", err)
		}
	}
	s.listen = tls.NewListener(s.listen, s.cert.Config())
	return nil
}

// hosts are what clients may call this gateway: the public address, what it listens on, and loopback for this machine.
func (s *Service) hosts() (hosts []string, err error) {
	if u, err := url.Parse(s.public); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	addr, ok := s.listen.Addr().(*net.TCPAddr)
	switch {
	case !ok:
	case addr.IP.IsUnspecified():
		local, err := turn.LocalNetworks()
		if err != nil {
			return nil, err
		}
		for _, network := range local {
			hosts = append(hosts, network.Addr().String())
		}
		if name, err := os.Hostname(); err == nil {
			hosts = append(hosts, name)
		}
	default:
		if ip, ok := netip.AddrFromSlice(addr.IP); ok {
			hosts = append(hosts, ip.Unmap().String())
		}
	}
	return append(hosts, "localhost", "127.0.0.1", "::1"), nil
}

// secureTURN is where clients reach the embedded TURN server over TLS: at its address, or by the gateway's public name, whichever
// the certificate has; empty if it has neither, or there is none.
func (s *Service) secureTURN(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if s.cert == nil || err != nil {
		return ""
	}
	names := []string{host}
	if u, err := url.Parse(s.public); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	for _, name := range names {
		if s.cert.Covers(name) {
			return net.JoinHostPort(name, port)
		}
	}
	return ""
}

// Certificate is the file of the certificate that clients on this machine trust, and its SHA-256; both empty without TLS.
func (s *Service) Certificate() (file, fingerprint string) {
	if s.cert == nil {
		return "", ""
	}
	file = s.cert.Path()
	if abs, err := filepath.Abs(file); err == nil { // for commands that run in other folders
		file = abs
	}
	return file, s.cert.Fingerprint()
}
