package limit

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// Only a proxy that is trusted says whom it speaks for.
func TestClient(t *testing.T) {
	t.Parallel()
	p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for name, c := range map[string]struct {
		peer, want string
		forwarded  []string
	}{
		"alone":                       {peer: "192.0.2.1:5", want: "192.0.2.1"},
		"not trusted":                 {"192.0.2.1:5", "192.0.2.1", []string{"198.51.100.7"}},
		"trusted":                     {"10.1.2.3:5", "198.51.100.7", []string{"198.51.100.7"}},
		"on this machine":             {"127.0.0.1:5", "198.51.100.7", []string{"198.51.100.7"}},
		"IPv6 on this machine":        {"[::1]:5", "2001:db8::1", []string{"2001:db8::1"}},
		"IPv4 in IPv6":                {"[::ffff:10.1.2.3]:5", "198.51.100.7", []string{"::ffff:198.51.100.7"}},
		"what the client wrote first": {"10.1.2.3:5", "198.51.100.7", []string{"127.0.0.1, 198.51.100.7"}},
		"two proxies":                 {"10.1.2.3:5", "198.51.100.7", []string{"198.51.100.7", "10.9.9.9"}},
		"two headers":                 {"10.1.2.3:5", "198.51.100.7", []string{"203.0.113.9", "198.51.100.7, 10.9.9.9"}},
		"all trusted":                 {"10.1.2.3:5", "10.9.9.9", []string{"10.9.9.9"}},
		"rubbish":                     {"10.1.2.3:5", "10.1.2.3", []string{"198.51.100.7, unknown"}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		require.Equal(t, c.want, p.Client(r).String(), name)
	}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = "@"
	require.False(t, p.Client(r).IsValid(), "a Unix socket has none")
}

// One machine's addresses count as one.
func TestKey(t *testing.T) {
	t.Parallel()
	require.Equal(t, "192.0.2.1", Key(netip.MustParseAddr("192.0.2.1")))
	require.Equal(t, Key(netip.MustParseAddr("2001:db8:1:2::1")), Key(netip.MustParseAddr("2001:db8:1:2:ffff::%eth0")))
	require.NotEqual(t, Key(netip.MustParseAddr("2001:db8:1:2::1")), Key(netip.MustParseAddr("2001:db8:1:3::1")))
}

func TestDirect(t *testing.T) {
	t.Parallel()
	ask := func(peer string, header ...string) bool {
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.RemoteAddr = peer
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return Direct(r)
	}
	require.True(t, ask("127.0.0.1:7"))
	require.True(t, ask("[::1]:7"))
	require.True(t, ask("127.0.0.1:7", "Sec-Fetch-Site", "none"), "typed into the address bar")
	require.False(t, ask("192.0.2.1:7"))
	require.False(t, ask("127.0.0.1:7", "X-Forwarded-For", "192.0.2.1"))
	require.False(t, ask("127.0.0.1:7", "Forwarded", "for=192.0.2.1"))
	require.False(t, ask("127.0.0.1:7", "Origin", "https://evil.example.net"))
	require.False(t, ask("127.0.0.1:7", "Sec-Fetch-Site", "cross-site"))
}

// The figures that are there without any are good ones, and those that cannot be are named.
func TestFigures(t *testing.T) {
	t.Parallel()
	require.NoError(t, Default().Check())
	for want, change := range map[string]func(*Figures){
		"requests_per_second":  func(f *Figures) { f.RequestsPerSecond = -1 },
		"sessions_per_account": func(f *Figures) { f.SessionsPerAccount = -1 },
		"message_bytes":        func(f *Figures) { f.MessageBytes = 0 },
		"feeds":                func(f *Figures) { f.Feeds = 2e9 },
	} {
		f := Default()
		change(&f)
		require.ErrorContains(t, f.Check(), want)
	}
	f := Default().WithRequests(1000)
	require.Equal(t, Default(), f)
	f = f.WithRequests(10)
	require.InDelta(t, 10, f.RequestsPerSecond, 0)
	require.Equal(t, 40, f.RequestBurst)
	require.Equal(t, 1, f.WithRequests(0.1).RequestBurst)
}
