package webhook

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	const always, local, refused = "always", "unless public", "never"
	for text, want := range map[string]string{
		"93.184.215.14": always, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": always,
		"127.0.0.1": local, "127.9.9.9": local, "::1": local, "10.1.2.3": local, "172.31.0.1": local, "192.168.1.1": local,
		"100.64.0.1": local, "fd12::1": local, "198.18.0.1": local,
		"172.32.0.1": always, "100.128.0.1": always,
		"169.254.169.254": refused, "169.254.0.1": refused, "fe80::1": refused, "fe80::1%eth0": refused, "0.0.0.0": refused, "::": refused,
		"100.100.100.200": refused, "fd00:ec2::254": refused, "168.63.129.16": refused, "224.0.0.1": refused, "255.255.255.255": refused, "ff02::1": refused,
		// the same in other clothes
		"::ffff:169.254.169.254": refused, "64:ff9b::a9fe:a9fe": refused, "2002:a9fe:a9fe::1": refused, "::169.254.169.254": refused,
		"::ffff:127.0.0.1": local, "64:ff9b::7f00:1": local, "2002:7f00:1::": local, "64:ff9b::5db8:d70e": always,
	} {
		a := netip.MustParseAddr(text)
		private, public := Guard{}.Check(a), Guard{Public: true}.Check(a)
		require.Equal(t, want == refused, private != nil, "%s: %v", text, private)
		require.Equal(t, want != always, public != nil, "%s: %v", text, public)
		if public != nil {
			require.ErrorIs(t, public, ErrAddress)
		}
		allowed := Guard{Public: true, Allow: []netip.Prefix{netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen())}}
		require.NoError(t, allowed.Check(a), text)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	public := Guard{Public: true}
	for _, good := range []string{"https://example.net/hook?key=1", "http://example.net:8080", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/x"} {
		require.NoError(t, checkURL(good, public), good)
	}
	for _, bad := range []string{
		"", "example.net", "ftp://example.net", "file:///etc/passwd", "https://", "https://u:p@example.net", "https://u@example.net",
		"https://example.net/#x", "http:example.net", "http://127.0.0.1/", "http://[::1]:80/", "http://169.254.169.254/latest", "http://exa mple/", "javascript:1",
		"http://127.0.0.1/a b", "http://127.0.0.1/ ", " http://127.0.0.1/", "http://127.0.0.1/?a=b c", "http://127.0.0.1/\t", "http://127.0.0.1/\u00a0",
		"http://127.0.0.1/\u2003x", "http://127.0.0.1/\u0085", "http://127.0.0.1/?token=t", "http://127.0.0.1/?x=1&Access-Token=t", "http://127.0.0.1/?API_KEY=t",
		"https://example.net/" + string(make([]byte, 3)), "https://example.net/" + strings.Repeat("x", maxURL),
	} {
		require.ErrorIs(t, checkURL(bad, public), ErrInvalid, bad)
	}
	for _, local := range []string{"http://127.0.0.1:1/", "http://127.0.0.1/a%20b?q=c+d", "http://[::1]/hook?token_type=x"} {
		require.NoError(t, checkURL(local, Guard{}), local)
	}
	for _, c := range []struct{ url, says string }{{"http://127.0.0.1/a b", "white space"}, {"http://127.0.0.1/?Token=hush", "\"Token\" would be in the log"}} {
		err := checkURL(c.url, Guard{})
		require.ErrorIs(t, err, ErrInvalid)
		require.ErrorContains(t, err, c.says)
		require.NotContains(t, err.Error(), "hush")
	}
}
