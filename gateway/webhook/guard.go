package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrAddress is returned for an address that webhooks may not reach.
var ErrAddress = errors.New("the address is not allowed")

// Guard keeps webhooks from reaching what their gateway can reach and others must not (server-side request forgery). It
// looks at the address that is dialled, after names were resolved: a name may resolve to another address each time.
type Guard struct {
	// Public is set where the gateway serves others than its own machine. Then private and loopback addresses are refused
	// as well.
	Public bool
	// Allow are networks that may be reached all the same.
	Allow []netip.Prefix
}

// never are refused wherever the gateway listens: what answers there gives away a machine's credentials, or is no host.
var never = prefixes(
	"0.0.0.0/8",          // this network (RFC 1122)
	"169.254.0.0/16",     // link-local (RFC 3927), and the metadata service of most clouds
	"100.100.100.200/32", // Alibaba Cloud's metadata
	"192.0.0.192/32",     // Oracle Cloud's metadata
	"224.0.0.0/4", "240.0.0.0/4",
	"::/128", "fe80::/10", "fec0::/10", "ff00::/8",
	"fd00:ec2::254/128", // AWS's metadata
	"fd20:ce::254/128",  // Google Cloud's metadata
	"168.63.129.16/32",  // Azure's platform
)

// private are refused where the gateway is public.
var private = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
	"127.0.0.0/8", "::1/128",
	"100.64.0.0/10",                 // shared, behind a provider's NAT (RFC 6598)
	"fc00::/7",                      // unique local (RFC 4193)
	"192.0.0.0/24", "198.18.0.0/15", // protocol assignments, benchmarks
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", // documentation
)

// embedding are the networks whose addresses hold an IPv4 address, and at which byte: a translator may pass them on.
var embedding = []struct {
	netip.Prefix
	at int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},   // NAT64 (RFC 6052)
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12}, // NAT64, local use (RFC 8215), as most set it up
	{netip.MustParsePrefix("2002::/16"), 2},       // 6to4 (RFC 3056)
	{netip.MustParsePrefix("::/96"), 12},          // IPv4-compatible (RFC 4291, deprecated)
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// Check tells whether an address may be reached.
func (g Guard) Check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if contains(g.Allow, a) {
		return nil
	}
	if contains(never, a) || (g.Public && contains(private, a)) {
		return fmt.Errorf("%w: %s is a local or reserved one (the gateway's --webhook-allow %s would allow it)", ErrAddress, a, netip.PrefixFrom(a, a.BitLen()))
	}
	if a == netip.IPv6Loopback() {
		return nil
	}
	for _, e := range embedding {
		if e.Contains(a) {
			b := a.As16()
			return g.Check(netip.AddrFrom4([4]byte(b[e.at : e.at+4])))
		}
	}
	return nil
}

func contains(in []netip.Prefix, a netip.Addr) bool {
	for _, p := range in {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// control is [net.Dialer]'s hook: it sees each resolved address just before the connection is made.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	return g.Check(a.Addr())
}
