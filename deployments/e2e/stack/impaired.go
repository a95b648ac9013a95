package stack

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/impair"
	"streamstack/gateway/turn"
)

// RelayOnly is the part of the console's address that has its connection go through TURN, see [Stack.Console].
const RelayOnly = "&relay=1"

// Impaired starts an `up` that clients who use TURN reach through a bad network, with further flags: the console with
// [RelayOnly]. The TURN server is the gateway's own, but runs in this process, and what the gateway names is the network's
// end before it, over UDP only. The network is perfect until [impair.Relay.Apply].
func Impaired(t testing.TB, data string, seed uint64, flags ...string) (*Stack, *impair.Relay) {
	t.Helper()
	secret := turn.SecretFrom([]byte(rand.Text()))
	file := filepath.Join(t.TempDir(), "turn-secret")
	require.NoError(t, os.WriteFile(file, []byte(string(secret)+"\n"), 0o600))
	networks, err := turn.LocalNetworks()
	require.NoError(t, err)
	server, err := turn.Listen(t.Context(), turn.Config{Addr: "127.0.0.1:0", Secrets: []turn.Secret{secret}, PeerNetworks: networks})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	target, err := netip.ParseAddrPort(server.ClientAddr())
	require.NoError(t, err)
	relay, err := impair.Listen(t.Context(), impair.Config{Target: target, Seed: seed})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, relay.Close()) })
	return Up(t, data, slices.Concat([]string{"--turn", fmt.Sprintf("turn:%s?transport=udp", relay.Addr()), "--turn-secret-file", file}, flags)...), relay
}
