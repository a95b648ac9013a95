package turn_test

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"streamstack/gateway/turn"
)

// The hosts behind the relay's machine: all on one wire, all reachable, and not all allowed.
const (
	allowedTen, allowedTwelve = "10.77.32.2", "172.16.77.2" // RFC 1918: of 10/8 and of 172.16/12
	otherSixteen, otherTen    = "192.168.77.2", "10.78.32.2"
	linkLocal                 = "169.254.77.2" // RFC 3927
	multicast                 = "239.77.32.1"  // RFC 2365
	// apart tells the test's program that it has a network of its own already.
	apart = "STREAMSTACK_TURN_APART"
)

// TestRelaysReachTheirNetworksOnly: hosts with addresses of RFC 1918 in another network namespace. Each answers whoever asks
// it directly; through a relay, those on the allow-list alone do. The namespaces are this test's own: it
// runs itself anew in one, for an ordinary user inside a user namespace, where that user may make them.
func TestRelaysReachTheirNetworksOnly(t *testing.T) {
	if os.Getenv(apart) == "" {
		wrapper := []string{"unshare", "--net"}
		if os.Geteuid() != 0 {
			wrapper = append(wrapper, "--map-root-user")
		}
		self, err := os.Executable()
		require.NoError(t, err)
		run := exec.CommandContext(t.Context(), wrapper[0], append(wrapper[1:], self, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count=1")...)
		run.Env = append(os.Environ(), apart+"=1")
		out, err := run.CombinedOutput()
		t.Logf("%s", out)
		require.NoError(t, err)
		return
	}
	hosts := hostsApart(t)
	for host := range hosts {
		require.Equal(t, "", answers(listenUDP(t, "0.0.0.0:0"), hosts[host]), "%s answers when it is asked directly", host)
	}
	some := []netip.Prefix{netip.MustParsePrefix("10.77.32.0/24"), netip.MustParsePrefix("172.16.77.0/24")}
	for name, x := range map[string]struct {
		networks       []netip.Prefix
		allowed, other []string
	}{
		"two networks":   {some, []string{allowedTen, allowedTwelve}, []string{otherSixteen, otherTen, linkLocal}},
		"the whole IPv4": {[]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, []string{allowedTen, allowedTwelve, otherSixteen, otherTen}, []string{linkLocal}},
		"link-local named": {append(some, netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/4")),
			[]string{allowedTen}, []string{linkLocal, otherSixteen}},
		"none": {nil, nil, []string{allowedTen, otherSixteen, linkLocal}},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := startServer(t, func(c *turn.Config) { c.PeerNetworks = x.networks })
			for _, network := range []string{"udp", "tcp"} {
				relay := allocate(t, dialAs(t, network, server, secret, network))
				for _, host := range x.allowed {
					require.Equal(t, "", answers(relay, hosts[host]), "%s over %s", host, network)
				}
				for _, host := range x.other {
					require.NotEqual(t, "", answers(relay, hosts[host]), "%s over %s", host, network)
				}
				// And never this machine itself, nor many at once, unless it is named: loopback is not here.
				for _, never := range []string{"127.0.0.1", "127.0.0.53", "0.0.0.0", multicast, "255.255.255.255"} {
					_, err := relay.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(never), Port: 9})
					require.Error(t, err, "%s over %s", never, network)
				}
			}
		})
	}
}

// hostsApart makes the hosts, each with a socket that answers, and the way to them. They end with the program, which has
// nothing else to do.
func hostsApart(t *testing.T) map[string]net.Addr {
	t.Helper()
	ip(t, "link", "set", "lo", "up")
	thread, wired := make(chan int), make(chan struct{})
	sockets := make(chan map[string]net.PacketConn)
	go func() {
		// A thread of its own in a namespace of its own; it is never given back, and ends with this goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
		}
		thread <- unix.Gettid()
		<-wired
		all := map[string]net.PacketConn{}
		for _, host := range []string{allowedTen, allowedTwelve, otherSixteen, otherTen, linkLocal} {
			if out, err := exec.Command("ip", "address", "add", host+"/24", "dev", "veth1").CombinedOutput(); err != nil {
				t.Errorf("address %s: %s", host, out)
			}
		}
		if out, err := exec.Command("ip", "link", "set", "veth1", "up").CombinedOutput(); err != nil {
			t.Errorf("link: %s", out)
		}
		for _, host := range []string{allowedTen, allowedTwelve, otherSixteen, otherTen, linkLocal} {
			conn, err := net.ListenPacket("udp4", host+":0")
			if err != nil {
				t.Errorf("%s: %v", host, err)
				continue
			}
			all[host] = conn
		}
		sockets <- all
		select {} // keeps the namespace
	}()
	ip(t, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1", "netns", strconv.Itoa(<-thread))
	for _, near := range []string{"10.77.32.1", "172.16.77.1", "192.168.77.1", "10.78.32.1", "169.254.77.1"} {
		ip(t, "address", "add", near+"/24", "dev", "veth0")
	}
	ip(t, "link", "set", "veth0", "up")
	ip(t, "route", "add", "224.0.0.0/4", "dev", "veth0")
	close(wired)
	addrs := map[string]net.Addr{}
	for host, conn := range <-sockets {
		addrs[host] = conn.LocalAddr()
		go func() {
			b := make([]byte, 1500)
			for {
				n, from, err := conn.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = conn.WriteTo(b[:n], from) // what is lost is asked for again
			}
		}()
	}
	require.Len(t, addrs, 5)
	return addrs
}

// answers asks a host until it answers, and says why it did not. A refusal is told at once, and tried no more.
func answers(through net.PacketConn, host net.Addr) string {
	b := make([]byte, 1500)
	last := "no answer"
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := through.WriteTo([]byte("marco"), host); err != nil {
			return err.Error()
		}
		if err := through.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return err.Error()
		}
		n, from, err := through.ReadFrom(b)
		if err == nil && string(b[:n]) == "marco" && from.String() == host.String() {
			return ""
		}
		if err != nil {
			last = err.Error()
		}
	}
	return last
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v: %s", args, out)
}
