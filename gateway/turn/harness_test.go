package turn_test

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/turn/v2"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/gateway/turn"
)

const (
	secret    = turn.Secret("the current secret")
	oldSecret = turn.Secret("the secret before")

	// patience is for what happens within milliseconds on an idle machine.
	patience = 30 * time.Second
)

// startServer runs a server on loopback; change may alter its configuration.
func startServer(t *testing.T, change func(*turn.Config)) (*turn.Server, *eventstest.Output) {
	t.Helper()
	output := &eventstest.Output{}
	cfg := turn.Config{
		Addr:         "127.0.0.1:0",
		Secrets:      []turn.Secret{secret},
		PeerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Log:          slog.New(slog.NewTextHandler(output, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	server, err := turn.Listen(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server, output
}

// dial connects a TURN client to the server at addr over "udp" or "tcp".
func dial(t *testing.T, network, addr, username, password string) *pion.Client {
	t.Helper()
	if network == "tcp" {
		return dialOver(t, pion.NewSTUNConn(connect(t, addr)), addr, username, password)
	}
	return dialOver(t, listenUDP(t, "127.0.0.1:0"), addr, username, password)
}

// dialOver makes a TURN client that uses conn.
func dialOver(t *testing.T, conn net.PacketConn, addr, username, password string) *pion.Client {
	t.Helper()
	client, err := pion.NewClient(&pion.ClientConfig{
		TURNServerAddr: addr, STUNServerAddr: addr, Conn: conn, Username: username, Password: password,
		Realm: turn.DefaultRealm, RTO: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, client.Listen())
	return client
}

// connect opens a TCP connection.
func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it
	return conn
}

// dialAs connects with fresh credentials for id.
func dialAs(t *testing.T, network string, server *turn.Server, signed turn.Secret, id string) *pion.Client {
	t.Helper()
	username, password := turn.Credentials{Secret: signed}.Issue(time.Now(), id)
	return dial(t, network, server.Addr().String(), username, password)
}

func listenUDP(t *testing.T, addr string) net.PacketConn {
	t.Helper()
	var config net.ListenConfig
	conn, err := config.ListenPacket(t.Context(), "udp4", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it
	return conn
}

// allocate makes an allocation that the test gives back.
func allocate(t *testing.T, client *pion.Client) net.PacketConn {
	t.Helper()
	relay, err := client.Allocate()
	require.NoError(t, err)
	t.Cleanup(func() { _ = relay.Close() }) // the server may be gone already
	return relay
}

// requireEcho sends a message through the relay to a peer at host and expects it back.
func requireEcho(t *testing.T, relay net.PacketConn, host string) {
	t.Helper()
	peer := listenUDP(t, net.JoinHostPort(host, "0"))
	var echoing sync.WaitGroup
	echoing.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := peer.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = peer.WriteTo(buffer[:n], from) // a lost answer is asked for again
		}
	})
	defer echoing.Wait()
	defer peer.Close() //nolint:errcheck // ends the goroutine

	answer := make([]byte, 1500)
	require.Eventually(t, func() bool {
		if _, err := relay.WriteTo([]byte("marco"), peer.LocalAddr()); err != nil {
			return false
		}
		if err := relay.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return false
		}
		n, from, err := relay.ReadFrom(answer)
		return err == nil && string(answer[:n]) == "marco" && from.String() == peer.LocalAddr().String()
	}, patience, time.Millisecond, "no echo from %s through the relay", peer.LocalAddr())
}
