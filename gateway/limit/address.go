package limit

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies tells which address a request came from. A proxy's word, in X-Forwarded-For, is taken when the proxy is trusted:
// when it runs on this machine, or in one of the networks that the operator names. Anybody else could write there what he
// likes, and get a new allowance with each request.
type Proxies struct{ Trusted []netip.Prefix }

// Client is the address that a request came from; invalid where the connection has none, as on a Unix socket.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trusts(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // what no proxy writes: the last that is known stands
		}
		addr = hop.Unmap()
	}
	return addr
}

func (p Proxies) trusts(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, n := range p.Trusted {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// Direct tells whether a request comes from a program on this machine that speaks for itself: no proxy hands it on, and no
// page in a browser asks (Fetch standard, "Origin header"; W3C Fetch Metadata, "Sec-Fetch-Site").
func Direct(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via", "Origin"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "none" || site == "same-origin"
}

// Key is what an address counts as. A network of IPv6 gives each of its machines 2^64 addresses (RFC 4291, section 2.5.4), so
// they count as one.
func Key(a netip.Addr) string {
	if a.Is6() {
		p, err := a.WithZone("").Prefix(64)
		if err == nil {
			return p.String()
		}
	}
	return a.String()
}
