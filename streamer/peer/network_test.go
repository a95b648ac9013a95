package peer

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
)

func TestNetworkRefuses(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]NetworkConfig{
		"no log":        {},
		"ports swapped": {PortMin: 20, PortMax: 10, Log: testLog()},
		"one port":      {PortMax: 10, Log: testLog()},
		"port":          {UDPPort: 70000, Log: testLog()},
		"NAT address":   {NAT1To1: []string{"example.com"}, Log: testLog()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewNetwork(config)
			require.ErrorContains(t, err, "peer: ")
		})
	}
}

func TestUsableIP(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "192.0.2.1": true, "2001:db8::1": true, "169.254.1.1": true, "fe80::1": false,
	} {
		require.Equal(t, want, usableIP(net.ParseIP(address)), address)
	}
}

// Two clients at once share one port, as an old and a new one do at a takeover.
func TestOnePortForAll(t *testing.T) {
	t.Parallel()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	addr, ok := socket.LocalAddr().(*net.UDPAddr)
	require.True(t, ok)
	port := addr.Port
	require.NoError(t, socket.Close())
	network, err := NewNetwork(NetworkConfig{UDPPort: port, Log: testLog()})
	require.NoError(t, err)
	for range 2 {
		p, r := newPeer(t, func(cfg *Config) { cfg.Network = network })
		c := newClient(t, clientOptions{})
		connect(t, p, r, c)
		pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
		require.NoError(t, err)
		require.Equal(t, port, int(pair.Local.Port))
		defer p.Close(Gone)
	}
	t.Cleanup(func() { require.NoError(t, network.Close()) })
}

func TestPortRangeAndNAT(t *testing.T) {
	t.Parallel()
	const low, high = 40000, 40999
	network, err := NewNetwork(NetworkConfig{PortMin: low, PortMax: high, NAT1To1: []string{"192.0.2.7"}, Log: testLog()})
	require.NoError(t, err)
	var mu sync.Mutex
	var found []webrtc.ICECandidateInit
	p, _ := newPeer(t, func(cfg *Config) {
		cfg.Network = network
		cfg.Handlers.Candidate = func(c webrtc.ICECandidateInit) {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, c)
		}
	})
	_, err = p.Offer(t.Context())
	require.NoError(t, err)
	until(t, func() string {
		mu.Lock()
		defer mu.Unlock()
		if len(found) == 0 {
			return "a candidate"
		}
		return ""
	})
	mu.Lock()
	defer mu.Unlock()
	for _, c := range found {
		require.True(t, strings.HasPrefix(c.Candidate, "candidate:"))
		require.NotNil(t, c.SDPMid)
		require.Equal(t, "0", *c.SDPMid)
		require.NotNil(t, c.SDPMLineIndex)
		if fields := strings.Fields(c.Candidate); net.ParseIP(fields[4]).To4() != nil {
			require.Equal(t, "192.0.2.7", fields[4])
			require.Regexp(t, `^40\d\d\d$`, fields[5])
		}
	}
}

// What pion logs of a whole connection, at the most talkative level, holds no secret of it.
func TestNoSecretsInTheLog(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var out bytes.Buffer
	p, r := newPeer(t, func(cfg *Config) {
		cfg.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug - 8}))
	})
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	p.Close(Displaced)
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, out.String(), "the bridge works")
	for _, description := range []string{c.pc.LocalDescription().SDP, c.pc.RemoteDescription().SDP} {
		for line := range strings.SplitSeq(description, "\r\n") {
			if password, ok := strings.CutPrefix(line, "a=ice-pwd:"); ok {
				require.NotContains(t, out.String(), password)
			}
		}
	}
	require.NotContains(t, out.String(), "a=candidate")
	require.NotContains(t, out.String(), "m=application")
}

type lockedWriter struct {
	mu  *sync.Mutex
	out *bytes.Buffer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}
