package eventstest

import (
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/nats-io/nats.go"
)

// clusterSize is what a stream with three replicas needs.
const clusterSize = 3

// Cluster is three NATS servers that make one JetStream domain.
type Cluster struct {
	Servers []*Server
}

// StartCluster starts three servers on free loopback ports and waits until they have elected a leader. Streams on it
// are made with StreamsConfig{Replicas: 3}.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	// A server of a JetStream cluster must know its routes when it starts, so the ports are picked before.
	ports := freePorts(t, clusterSize)
	routes := make([]*url.URL, clusterSize)
	for i, p := range ports {
		routes[i] = &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)}
	}
	c := &Cluster{}
	for i := range clusterSize {
		o := options(t.TempDir(), -1)
		o.ServerName = fmt.Sprintf("n%d", i+1)
		o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "eventstest", "127.0.0.1", ports[i]
		o.Routes = routes
		s := &Server{t: t, opts: o}
		t.Cleanup(s.Stop)
		c.Servers = append(c.Servers, s)
	}
	for _, s := range c.Servers {
		s.run()
	}
	Wait(t, readyWithin, func() string {
		for _, s := range c.Servers {
			if s.srv.JetStreamIsLeader() && len(s.srv.JetStreamClusterPeers()) == clusterSize {
				return ""
			}
		}
		return "a meta leader that sees three peers"
	})
	return c
}

// Connect connects to the i-th server (0, 1 or 2); if that one goes away, to another.
func (c *Cluster) Connect(t testing.TB, i int, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return c.Servers[i].Connect(t, opts...)
}

// freePorts picks n loopback ports that nobody listens on. All are held until the last is known, so they differ.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports, held := make([]int, 0, n), make([]net.Listener, 0, n)
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports, held = append(ports, port(t, l.Addr())), append(held, l)
	}
	for _, l := range held {
		_ = l.Close() // it only reserved the port
	}
	return ports
}
