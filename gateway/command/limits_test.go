package command

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/gateway/limit"
)

// parse reads a command line of the gateway's flags.
func parse(t *testing.T, args ...string) (o Options, err error) {
	t.Helper()
	cmd := &cli.Command{Name: "gateway", Flags: Flags(), OnUsageError: connect.OnUsageError, Action: func(_ context.Context, cmd *cli.Command) error {
		var perr error
		o, perr = ParseFlags(cmd)
		return perr
	}, ExitErrHandler: func(context.Context, *cli.Command, error) {}, Writer: io.Discard, ErrWriter: io.Discard}
	return o, cmd.Run(t.Context(), append([]string{"gateway"}, args...)) //nolint:wrapcheck // for a test
}

// Without flags the figures are the default's; a flag changes its own, and 0 is no limit.
func TestLimitFlags(t *testing.T) {
	t.Parallel()
	o, err := parse(t)
	require.NoError(t, err)
	require.Equal(t, limit.Default(), *o.Limits)
	require.Empty(t, o.Proxies)
	o, err = parse(t, "--limit-requests", "10", "--limit-sessions", "3", "--limit-sockets", "0", "--trusted-proxies", "10.0.0.0/8", "--metrics", "127.0.0.1:0")
	require.NoError(t, err)
	want := limit.Default()
	want.RequestsPerSecond, want.RequestBurst, want.SessionsPerAccount, want.SocketsPerAccount = 10, 40, 3, 0
	require.Equal(t, want, *o.Limits)
	require.NoError(t, o.Limits.Check())
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, o.Proxies)
	require.Equal(t, "127.0.0.1:0", o.Metrics)
	_, err = parse(t, "--limit-sessions=-1")
	require.ErrorContains(t, err, "--limit-sessions")
	_, err = parse(t, "--trusted-proxies", "10.0.0.1")
	require.ErrorContains(t, err, "--trusted-proxies")
}

// Pages of any origin may use a gateway that listens on this machine only; one that others reach begins with none.
func TestOrigins(t *testing.T) {
	t.Parallel()
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4000} }
	for _, local := range []string{"127.0.0.1", "127.1.2.3", "::1"} {
		require.Equal(t, []string{"*"}, origins(nil, at(local)), local)
	}
	for _, open := range []string{"0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "2001:db8::1"} {
		require.Empty(t, origins(nil, at(open)), open)
	}
	list := []string{"https://app.example.net"}
	require.Equal(t, list, origins(list, at("127.0.0.1")))
	require.Equal(t, list, origins(list, at("0.0.0.0")))
}

// --metrics gives the metrics a listener of their own, which ends with the gateway.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	o := options(t, eventstest.Log(t))
	o.Metrics = "127.0.0.1:0"
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	stop := runs(t, s)
	url := "http://" + s.metrics.Addr().String() + "/metrics"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, string(text), "streamstack_nats_connected 1")
	stop()
	_, err = client.Do(req) //nolint:bodyclose // there is none
	require.Error(t, err)

	o = options(t, eventstest.Log(t))
	o.Metrics = "203.0.113.7:0"
	_, err = Open(t.Context(), o)
	require.ErrorContains(t, err, "--metrics")
}
