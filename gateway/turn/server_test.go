package turn_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/turn/v2"
	"github.com/stretchr/testify/require"

	"streamstack/gateway/turn"
)

func TestRelaysBothWays(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			server, _ := startServer(t, nil)
			relay := allocate(t, dialAs(t, network, server, secret, "peer-1"))
			require.Equal(t, 1, server.Allocations())
			require.True(t, strings.HasPrefix(relay.LocalAddr().String(), "127.0.0.1:"), "relay on %s", relay.LocalAddr())
			requireEcho(t, relay, "127.0.0.1")
			require.NoError(t, relay.Close())
			require.Eventually(t, func() bool { return server.Allocations() == 0 }, patience, time.Millisecond, "the allocation stays")
		})
	}
}

func TestAnswersSTUN(t *testing.T) {
	server, _ := startServer(t, nil)
	addr, err := dial(t, "udp", server.Addr().String(), "", "").SendBindingRequest()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(addr.String(), "127.0.0.1:"))
}

// A relay that is told to clients as loopback still reaches, and is reached from, this machine's other addresses and
// the networks behind them, since its socket is bound to all of them.
func TestRelaysToEveryAllowedLocalAddress(t *testing.T) {
	networks, err := turn.LocalNetworks()
	require.NoError(t, err)
	server, _ := startServer(t, func(cfg *turn.Config) { cfg.PeerNetworks = networks })
	for _, network := range networks {
		if !network.Addr().Is4() {
			continue
		}
		relay := allocate(t, dialAs(t, "udp", server, secret, "peer-1"))
		requireEcho(t, relay, network.Addr().String())
	}
}

func TestDeniesPeersOutsideTheAllowList(t *testing.T) {
	server, output := startServer(t, nil)
	for _, network := range []string{"udp", "tcp"} {
		client := dialAs(t, network, server, secret, network)
		allocate(t, client)
		for _, peer := range []string{
			"127.0.0.2:9", "127.0.0.53:53", "10.0.0.1:9", "0.0.0.0:9", "169.254.169.254:80", "224.0.0.1:9", "255.255.255.255:9",
			"[::1]:9", "[fe80::1]:9", "[64:ff9b::7f00:1]:9",
		} {
			addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(peer))
			require.Error(t, client.CreatePermission(addr), "%s over %s", peer, network)
		}
		require.NoError(t, client.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}))
	}
	require.Contains(t, output.String(), "--turn-peers")
}

func TestAcceptsTwoSecretsWhileTheyAreReplaced(t *testing.T) {
	server, output := startServer(t, func(cfg *turn.Config) { cfg.Secrets = []turn.Secret{secret, oldSecret} })
	for i, signed := range []turn.Secret{secret, oldSecret} {
		requireEcho(t, allocate(t, dialAs(t, "udp", server, signed, "peer-"+strconv.Itoa(i))), "127.0.0.1")
	}
	_, err := dialAs(t, "udp", server, "another secret", "peer-3").Allocate()
	require.Error(t, err)
	require.Contains(t, output.String(), "wrong password")
}

func TestRefusesBadCredentials(t *testing.T) {
	server, output := startServer(t, nil)
	good := turn.Credentials{Secret: secret}
	username, password := good.Issue(time.Now(), "peer-1")
	later, _ := good.Issue(time.Now().Add(time.Hour), "peer-1")
	expired, itsPassword := good.Issue(time.Now().Add(-2*time.Hour), "peer-1")
	for name, test := range map[string]struct{ username, password string }{
		"wrong password":   {username, "cGFzc3dvcmQ="},
		"empty password":   {username, ""},
		"longer life":      {later, password},
		"somebody else":    {username + "0", password},
		"no expiry":        {"peer-1", password},
		"no id":            {strings.TrimSuffix(username, ":peer-1"), password},
		"expired":          {expired, itsPassword},
		"expiry overflows": {"99999999999999999999:peer-1", password},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dial(t, "udp", server.Addr().String(), test.username, test.password).Allocate()
			require.Error(t, err)
		})
	}
	require.Zero(t, server.Allocations())
	require.Contains(t, output.String(), "the credentials have expired")
	require.NotContains(t, output.String(), string(secret))
	require.NotContains(t, output.String(), password)
	require.NotContains(t, output.String(), itsPassword)
}

// A client cannot renew its credentials: what it has allocated must outlive them, and only that.
func TestAllocationOutlivesItsCredentials(t *testing.T) {
	var ahead atomic.Int64
	server, output := startServer(t, func(cfg *turn.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	client := dialAs(t, "udp", server, secret, "peer-1")
	allocate(t, client)
	ahead.Store(int64(2 * turn.DefaultTTL))
	require.NoError(t, client.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}))
	require.NotContains(t, output.String(), "expired")
	_, err := dialAs(t, "udp", server, secret, "peer-1").Allocate()
	require.Error(t, err)
	require.Contains(t, output.String(), "expired")
}

func TestQuotaIsPerUser(t *testing.T) {
	server, output := startServer(t, func(cfg *turn.Config) { cfg.QuotaPerUser = 2 })
	first := allocate(t, dialAs(t, "udp", server, secret, "peer-1"))
	allocate(t, dialAs(t, "tcp", server, secret, "peer-1"))
	for _, network := range []string{"udp", "tcp"} {
		_, err := dialAs(t, network, server, secret, "peer-1").Allocate()
		require.Error(t, err, "a third allocation over %s", network)
	}
	require.Contains(t, output.String(), "quota=2")
	allocate(t, dialAs(t, "udp", server, secret, "peer-2"))

	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { return server.Allocations() == 2 }, patience, time.Millisecond, "the allocation stays")
	allocate(t, dialAs(t, "udp", server, secret, "peer-1"))
}

func TestTCPConnectionTakesItsAllocationsAlong(t *testing.T) {
	server, _ := startServer(t, nil)
	username, password := turn.Credentials{Secret: secret}.Issue(time.Now(), "peer-1")
	conn := connect(t, server.Addr().String())
	_, err := dialOver(t, pion.NewSTUNConn(conn), server.Addr().String(), username, password).Allocate()
	require.NoError(t, err)
	require.Equal(t, 1, server.Allocations())
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return server.Allocations() == 0 }, patience, time.Millisecond, "the allocation stays")
}

// A length near 64 KiB wraps around in pion's framing, which would then spin for ever.
func TestFrameWithoutEndClosesTheConnection(t *testing.T) {
	server, _ := startServer(t, nil)
	conn := connect(t, server.Addr().String())
	_, err := conn.Write([]byte("\x00\x01\xff\xec\x21\x12\xa4\x42transaction1"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server keeps the connection")
}

func TestPortsStayInTheirRange(t *testing.T) {
	server, _ := startServer(t, func(cfg *turn.Config) { cfg.PortMin, cfg.PortMax = 47000, 47099 })
	for i := range 4 {
		relay := allocate(t, dialAs(t, "udp", server, secret, "peer-"+strconv.Itoa(i)))
		port := netip.MustParseAddrPort(relay.LocalAddr().String()).Port()
		require.True(t, port >= 47000 && port <= 47099, "port %d", port)
	}
}

func TestRelaysAreToldWithTheConfiguredAddress(t *testing.T) {
	server, _ := startServer(t, func(cfg *turn.Config) { cfg.RelayIP = netip.MustParseAddr("203.0.113.7") })
	relay := allocate(t, dialAs(t, "udp", server, secret, "peer-1"))
	require.True(t, strings.HasPrefix(relay.LocalAddr().String(), "203.0.113.7:"), "relay on %s", relay.LocalAddr())
	requireEcho(t, relay, "127.0.0.1")
}

func TestClientAddrIsOneThatClientsCanUse(t *testing.T) {
	server, _ := startServer(t, nil)
	require.Equal(t, server.Addr().String(), server.ClientAddr())
	require.NotZero(t, server.Addr().Port())
}

func TestBusyPortNamesTheFlag(t *testing.T) {
	server, _ := startServer(t, nil)
	_, err := turn.Listen(t.Context(), turn.Config{Addr: server.Addr().String(), Secrets: []turn.Secret{secret}})
	require.ErrorContains(t, err, "--turn-listen")
	require.ErrorContains(t, err, server.Addr().String())

	onlyUDP := listenUDP(t, "127.0.0.1:0").LocalAddr().String()
	_, err = turn.Listen(t.Context(), turn.Config{Addr: onlyUDP, Secrets: []turn.Secret{secret}})
	require.ErrorContains(t, err, "UDP port")
	require.ErrorContains(t, err, "--turn-listen")
}

func TestListenRefusesBrokenConfigurations(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*turn.Config)
		says   string
	}{
		"no secret":      {func(c *turn.Config) { c.Secrets = nil }, "secrets"},
		"three secrets":  {func(c *turn.Config) { c.Secrets = []turn.Secret{"a", "b", "c"} }, "secrets"},
		"empty secret":   {func(c *turn.Config) { c.Secrets = []turn.Secret{""} }, "empty"},
		"no port":        {func(c *turn.Config) { c.Addr = "127.0.0.1" }, "--turn-listen"},
		"not ours":       {func(c *turn.Config) { c.Addr = "203.0.113.7:0" }, "--turn-listen"},
		"ports reversed": {func(c *turn.Config) { c.PortMin, c.PortMax = 2, 1 }, "port range"},
		"IPv6 relay":     {func(c *turn.Config) { c.RelayIP = netip.IPv6Loopback() }, "relays' address"},
		"no network":     {func(c *turn.Config) { c.PeerNetworks = []netip.Prefix{{}} }, "no network"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := turn.Config{Addr: "127.0.0.1:0", Secrets: []turn.Secret{secret}}
			test.change(&cfg)
			_, err := turn.Listen(t.Context(), cfg)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	server, _ := startServer(t, nil)
	for _, network := range []string{"udp", "tcp"} {
		allocate(t, dialAs(t, network, server, secret, network))
	}
	require.NoError(t, server.Close())
	require.NoError(t, server.Close(), "closing twice")
	requireNothingLeft(t, server)
}

func TestServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server, err := turn.Listen(ctx, turn.Config{Addr: "127.0.0.1:0", Secrets: []turn.Secret{secret}})
	require.NoError(t, err)
	allocate(t, dialAs(t, "udp", server, secret, "peer-1"))
	cancel()
	require.NoError(t, server.Close())
	requireNothingLeft(t, server)
}

// requireNothingLeft checks that a closed server has freed its port, its allocations and its goroutines.
func requireNothingLeft(t *testing.T, server *turn.Server) {
	t.Helper()
	require.Zero(t, server.Allocations())
	_ = listenUDP(t, server.Addr().String()).Close() // reading from it was never tried
	stacks := make([]byte, 1<<20)
	require.Eventually(t, func() bool {
		running := string(stacks[:runtime.Stack(stacks, true)])
		return !strings.Contains(running, "turn.(*guard)") && !strings.Contains(running, "packetHandler")
	}, patience, time.Millisecond, "goroutines of the server are left")
}
