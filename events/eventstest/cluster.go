package eventstest

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
)

const (
	// clusterSize is what a stream with three replicas needs.
	clusterSize = 3
	routePort   = 6222
)

// Cluster is three NATS servers that make one JetStream domain.
type Cluster struct {
	Servers []*Server
}

// StartCluster starts three servers on free loopback ports and waits until they have elected a leader. Streams on it
// are made with StreamsConfig{Replicas: 3}.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	// A server of a JetStream cluster must know its routes when it starts, so they are picked before: a port of its own address is free.
	hosts, routes := make([]string, clusterSize), make([]*url.URL, clusterSize)
	for i := range hosts {
		hosts[i] = Loopback()
		routes[i] = &url.URL{Scheme: "nats", Host: net.JoinHostPort(hosts[i], strconv.Itoa(routePort))}
	}
	c := &Cluster{}
	for i := range clusterSize {
		o := options(t.TempDir(), -1)
		o.ServerName = fmt.Sprintf("n%d", i+1)
		o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "eventstest", hosts[i], routePort
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
