package command

import (
	"net/netip"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/gateway/settings"
	"streamstack/gateway/turn"
)

// Flags are the flags of a gateway, shared by `gateway` and `up`.
func Flags() []cli.Flag {
	return append(append(turnFlags(), []cli.Flag{
		&cli.StringFlag{Name: "tls", Usage: "`MODE` of --listen: off, auto (a self-signed certificate, kept in the data folder), or the files CERT,KEY, which may be replaced at any time", Value: TLSOff, Sources: connect.Env("tls")},
		&cli.StringFlag{Name: "listen", Usage: "`ADDR` of REST, websocket and console", Value: "127.0.0.1:4000", Sources: connect.Env("listen")},
		&cli.StringFlag{Name: "turn-listen", Usage: "`ADDR` of the embedded TURN/STUN server, UDP and TCP", Value: "127.0.0.1:3478", Sources: connect.Env("turn-listen")},
		&cli.StringSliceFlag{Name: "turn-peers", Usage: "networks that a relay may reach, `CIDR`…, besides this machine's own addresses", Sources: connect.Env("turn-peers")},
		&cli.StringFlag{Name: "public-url", Usage: "`URL` under which clients reach the gateway; default: as their request came", Sources: connect.Env("public-url")},
		&cli.StringSliceFlag{Name: "webhook-allow", Usage: "local networks that webhooks may reach all the same, `CIDR`…; by default none while --listen is a public address, and never link-local ones", Sources: connect.Env("webhook-allow")},
		&cli.StringFlag{Name: "archive", Usage: "a `DIR` that gets each archived segment as a Parquet file as well", TakesFile: true, Sources: connect.Env("archive")},
		&cli.DurationFlag{Name: "archive-retention", Usage: "lifetime of the sessions' history in the archive, `DURATION` longer than --retention, or 0 for ever; what --archive copied stays", Sources: connect.Env("archive-retention")},
		&cli.StringSliceFlag{Name: "cors", Usage: "`ORIGIN`… of web pages that may use the API, * for any; default: any while --listen is a loopback address", Sources: connect.Env("cors")},
	}...), limitFlags()...)
}

// ParseFlags reads [Flags] into options, checked.
func ParseFlags(cmd *cli.Command) (o Options, err error) {
	o = Options{Listen: cmd.String("listen"), TURNListen: cmd.String("turn-listen"), Origins: cmd.StringSlice("cors"), PublicURL: cmd.String("public-url"),
		Archive: cmd.String("archive"), ArchiveRetention: cmd.Duration("archive-retention"), TLS: cmd.String("tls"), Metrics: cmd.String("metrics")}
	if live := cmd.Duration("retention"); o.ArchiveRetention != 0 && o.ArchiveRetention <= live {
		return o, connect.Usagef("--archive-retention %s must be longer than --retention (%s), after which the archive is all there is; 0 keeps it for ever", o.ArchiveRetention, live)
	}
	if err := parseTLS(o.TLS); err != nil {
		return o, err
	}
	if err := o.parseTURN(cmd); err != nil {
		return o, err
	}
	if o.PublicURL != "" && !settings.IsBase(o.PublicURL) {
		return o, connect.Usagef("--public-url takes an address such as https://stream.example.net, not %q", o.PublicURL)
	}
	for _, origin := range o.Origins {
		if err := settings.CheckOrigin(origin); err != nil {
			return o, connect.Usagef("--cors %w", err)
		}
	}
	if o.Limits, o.Proxies, err = parseLimits(cmd); err != nil {
		return o, err
	}
	if o.TURNPeers, err = turn.LocalNetworks(); err != nil {
		return o, err
	}
	peers, err := networks(cmd, "turn-peers")
	if err != nil {
		return o, err
	}
	o.TURNPeers = append(o.TURNPeers, peers...)
	o.WebhookAllow, err = networks(cmd, "webhook-allow")
	return o, err
}

// networks reads a flag of networks.
func networks(cmd *cli.Command, flag string) (out []netip.Prefix, err error) {
	for _, text := range cmd.StringSlice(flag) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, connect.Usagef("--%s takes networks such as 10.0.0.0/8, not %q", flag, text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
