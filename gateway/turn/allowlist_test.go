package turn

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAllowList(t *testing.T) {
	tests := map[string]struct {
		networks       string
		allows, denies []string
	}{
		"empty":            {denies: []string{"10.0.0.1", "127.0.0.1", "8.8.8.8"}},
		"one network":      {"10.1.0.0/16", []string{"10.1.0.1", "10.1.255.254"}, []string{"10.2.0.1", "10.0.255.255", "127.0.0.1", "::1"}},
		"host bits set":    {"10.1.2.3/16", []string{"10.1.200.1"}, []string{"10.2.2.3"}},
		"loopback address": {"127.0.0.1/32", []string{"127.0.0.1"}, []string{"127.0.0.2", "127.0.0.53", "10.0.0.1"}},
		"loopback":         {"127.0.0.0/8", []string{"127.0.0.53"}, []string{"128.0.0.1"}},
		"everything": {
			"0.0.0.0/0",
			[]string{"8.8.8.8", "10.0.0.1", "192.168.1.1"},
			[]string{
				"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1",
				"224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1",
			},
		},
		"a network around loopback": {"126.0.0.0/7", []string{"126.0.0.1"}, []string{"127.0.0.1"}},
		"link-local by name":        {"169.254.0.0/16", nil, []string{"169.254.169.254"}},
		"multicast by name":         {"224.0.0.0/4", nil, []string{"224.0.0.1"}},
		"IPv6, no detours": {
			"::/0", nil,
			[]string{
				"::1", "::", "fe80::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
				"::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
			},
		},
		"mapped, though the address is allowed": {"10.0.0.0/8", []string{"10.0.0.1"}, []string{"::ffff:10.0.0.1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			list := allowList{}
			if test.networks != "" {
				var err error
				list, err = newAllowList([]netip.Prefix{netip.MustParsePrefix(test.networks)})
				require.NoError(t, err)
			}
			for _, peer := range test.allows {
				require.True(t, list.allows(netip.MustParseAddr(peer)), "%s should be allowed", peer)
			}
			for _, peer := range test.denies {
				require.False(t, list.allows(netip.MustParseAddr(peer)), "%s should be denied", peer)
			}
		})
	}
}

func TestAllowListNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefixes := rapid.SliceOfN(rapid.Custom(drawNetwork), 0, 4).Draw(t, "networks")
		list, err := newAllowList(prefixes)
		require.NoError(t, err)
		peer := drawAddr(t)
		if !list.allows(peer) {
			return
		}
		require.False(t, peer.IsUnspecified() || peer.IsMulticast() || peer.IsLinkLocalUnicast(), "%s is allowed", peer)
		listed := false
		for _, network := range prefixes {
			listed = listed || network.Contains(peer)
		}
		require.True(t, listed, "%s is in no listed network", peer)
	})
}

func drawAddr(t *rapid.T) netip.Addr {
	first := rapid.SampledFrom([]byte{0, 10, 100, 127, 169, 192, 224, 255}).Draw(t, "first")
	rest := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 254, 255}), 3, 3).Draw(t, "rest")
	return netip.AddrFrom4([4]byte{first, rest[0], rest[1], rest[2]})
}

func drawNetwork(t *rapid.T) netip.Prefix {
	return netip.PrefixFrom(drawAddr(t), rapid.IntRange(0, 32).Draw(t, "bits"))
}

func TestNewAllowListRefusesWhatIsNoNetwork(t *testing.T) {
	for _, bad := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104")} {
		_, err := newAllowList([]netip.Prefix{bad})
		require.ErrorContains(t, err, "no network a relay may reach")
	}
}

func TestLoopbackOnlyDecidesTheBinding(t *testing.T) {
	for networks, want := range map[string]bool{"127.0.0.1/32": true, "127.0.0.0/8": true, "::1/128": true, "10.0.0.0/8": false, "0.0.0.0/0": false} {
		list, err := newAllowList([]netip.Prefix{netip.MustParsePrefix(networks)})
		require.NoError(t, err)
		require.Equal(t, want, list.loopbackOnly(), networks)
	}
}

func TestLocalNetworksAreSingleAddresses(t *testing.T) {
	networks, err := LocalNetworks()
	require.NoError(t, err)
	require.Contains(t, networks, netip.MustParsePrefix("127.0.0.1/32"))
	for _, network := range networks {
		require.True(t, network.IsSingleIP(), "%s", network)
		require.False(t, network.Addr().IsLinkLocalUnicast(), "%s", network)
	}
	list, err := newAllowList(networks)
	require.NoError(t, err)
	require.True(t, list.allows(netip.MustParseAddr("127.0.0.1")))
	require.False(t, list.allows(netip.MustParseAddr("127.0.0.53")), "the stub resolver is nobody's peer")
}

func FuzzAllows(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte(net.ParseIP("::ffff:10.0.0.1")))
	f.Add([]byte{10})
	server := &Server{networks: allowList{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, peer []byte) {
		if allowed := server.allows(net.IP(peer)); allowed != (len(peer) == 4 && peer[0] == 10) {
			t.Fatalf("%v: allowed is %v", peer, allowed)
		}
	})
}
