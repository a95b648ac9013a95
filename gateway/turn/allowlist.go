package turn

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// forbidden are IPv4 networks that no relay reaches whatever the allow-list says. Loopback is judged apart.
var forbidden = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // "this network": Linux takes 0.0.0.0 for the machine itself (RFC 1122, 3.2.1.3)
	netip.MustParsePrefix("169.254.0.0/16"), // link-local: cloud metadata services answer there (RFC 3927)
	netip.MustParsePrefix("224.0.0.0/4"),    // multicast (RFC 5771)
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved, with the limited broadcast address (RFC 1112, RFC 919)
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// allowList decides which peers a relay may exchange packets with.
type allowList []netip.Prefix

// newAllowList checks the networks and brings them into the form that allows compares with.
func newAllowList(networks []netip.Prefix) (allowList, error) {
	list := make(allowList, 0, len(networks))
	for _, network := range networks {
		if !network.IsValid() || network.Addr().Is4In6() {
			return nil, fmt.Errorf("turn: %q is no network a relay may reach: write it like 10.1.0.0/16", network)
		}
		list = append(list, network.Masked())
	}
	return list, nil
}

// allows reports whether a relay may exchange packets with a peer.
//
// Relay sockets are IPv4 (pion/turn v2 has no RFC 6156 relays), so no IPv6 peer is reachable; that also closes the detours
// to IPv4 through IPv6: mapped (::ffff:127.0.0.1), compatible, NAT64 and 6to4 addresses.
func (list allowList) allows(peer netip.Addr) bool {
	if !peer.Is4() {
		return false
	}
	for _, network := range forbidden {
		if network.Contains(peer) {
			return false
		}
	}
	return slices.ContainsFunc(list, func(network netip.Prefix) bool {
		// 0.0.0.0/0 is meant for other machines: loopback has to be named itself.
		if loopback.Contains(peer) && !isLoopback(network) {
			return false
		}
		return network.Contains(peer)
	})
}

// loopbackOnly reports that no peer beyond this machine's loopback interface is allowed.
func (list allowList) loopbackOnly() bool {
	return !slices.ContainsFunc(list, func(network netip.Prefix) bool {
		return network.Addr().Is4() && !isLoopback(network)
	})
}

func isLoopback(network netip.Prefix) bool {
	return network.Bits() >= loopback.Bits() && loopback.Contains(network.Addr())
}

// LocalNetworks returns the machine's own addresses, each as a network of one (/32, /128), loopback included and
// link-local left out. It is the allow-list where the streamers run on this machine. Addresses that the machine gets
// later are not in it.
func LocalNetworks() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("turn: list this machine's addresses: %w", err)
	}
	var networks []netip.Prefix
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(network.IP)
		addr = addr.Unmap()
		if !ok || addr.IsLinkLocalUnicast() || addr.IsMulticast() {
			continue
		}
		if one := netip.PrefixFrom(addr, addr.BitLen()); !slices.Contains(networks, one) {
			networks = append(networks, one)
		}
	}
	return networks, nil
}
