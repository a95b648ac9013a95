package command

import (
	"net/netip"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/gateway/limit"
)

// limitFlags are what an operator may need to say of the limits at the start; the settings of /1.0/config have the rest.
func limitFlags() []cli.Flag {
	d := limit.Default()
	return []cli.Flag{
		&cli.StringFlag{Name: "metrics", Usage: "an `ADDR` of its own for /metrics, for whoever reaches it; default: with the API, for programs on this machine only", Sources: connect.Env("metrics")},
		&cli.StringSliceFlag{Name: "trusted-proxies", Usage: "networks of reverse proxies whose X-Forwarded-For is believed, `CIDR`…, besides this machine", Sources: connect.Env("trusted-proxies")},
		&cli.IntFlag{Name: "limit-requests", Usage: "at most `N` requests a second of an account, or of an address without one, at each gateway; 0: no limit", Value: int(d.RequestsPerSecond), Sources: connect.Env("limit-requests")},
		&cli.IntFlag{Name: "limit-sessions", Usage: "at most `N` live sessions of an account; 0: no limit", Value: d.SessionsPerAccount, Sources: connect.Env("limit-sessions")},
		&cli.IntFlag{Name: "limit-viewers", Usage: "at most `N` clients that only watch in each session, and never more than 64; 0: no lower limit", Value: d.ViewersPerSession, Sources: connect.Env("limit-viewers")},
		&cli.IntFlag{Name: "limit-sockets", Usage: "at most `N` open sockets of an account's sessions at each gateway; 0: no limit", Value: d.SocketsPerAccount, Sources: connect.Env("limit-sockets")},
	}
}

// maxLimit is as good as no limit.
const maxLimit = 100_000_000

// parseLimits reads [limitFlags].
func parseLimits(cmd *cli.Command) (_ *limit.Figures, proxies []netip.Prefix, err error) {
	f := limit.Default()
	for name, set := range map[string]func(int){
		"limit-requests": func(n int) { f = f.WithRequests(float64(n)) },
		"limit-sessions": func(n int) { f.SessionsPerAccount = n },
		"limit-viewers":  func(n int) { f.ViewersPerSession = n },
		"limit-sockets":  func(n int) { f.SocketsPerAccount = n },
	} {
		n := cmd.Int(name)
		if n < 0 || n > maxLimit {
			return nil, nil, connect.Usagef("--%s takes a number from 0 (no limit) up, not %d", name, n)
		}
		set(n)
	}
	proxies, err = networks(cmd, "trusted-proxies")
	return &f, proxies, err
}
