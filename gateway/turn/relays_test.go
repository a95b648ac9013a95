package turn

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// No allow-list knows every subnet's broadcast address; the kernel does.
func TestRelaysCannotBroadcast(t *testing.T) {
	opened := relays{bind: netip.IPv4Unspecified(), listen: newListen(t.Context())}
	conn, err := opened.open("udp4", 0)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // nothing depends on it
	_, err = conn.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: 9})
	require.ErrorContains(t, err, "permission denied")
}

func TestRelaysReportAFullRange(t *testing.T) {
	opened := relays{bind: netip.AddrFrom4([4]byte{127, 0, 0, 1}), listen: newListen(t.Context())}
	conn, err := opened.open("udp4", 0)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // nothing depends on it
	taken := netip.MustParseAddrPort(conn.LocalAddr().String()).Port()
	opened.portMin, opened.portMax = taken, taken
	_, err = opened.open("udp4", 0)
	require.ErrorContains(t, err, "after 64 attempts")
}
