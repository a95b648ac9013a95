package peer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFamily(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "ipv4", "::ffff:192.0.2.1": "ipv4", "2001:db8::1": "ipv6", "fe80::1%eth0": "ipv6",
		"4d2f6b0e-93f1-4e2c-8d9a-0d8ce3a5a0f1.local": "", "": "",
	} {
		require.Equal(t, want, family(address), address)
	}
}
