package command

import (
	"context"
	"log/slog"

	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
	"streamstack/gateway"
)

// Streamers is how the gateway speaks for streamers that cannot append by themselves, with the credentials that they bring:
// see [gateway.Config]. more are further options of the connections.
func Streamers(url string, logger *slog.Logger, more ...nats.Option) func(context.Context, trust.Credentials) (*events.Log, error) {
	return func(ctx context.Context, c trust.Credentials) (*events.Log, error) {
		nc, err := connect.Dial(ctx, url, "", "master", logger, append(c.Options(), more...)...)
		if err != nil {
			return nil, err
		}
		if !nc.AuthRequired() {
			nc.Close()
			return nil, gateway.ErrNoProof
		}
		log, err := events.New(nc, logger, c.Identity.LogOptions()...)
		if err != nil {
			nc.Close()
			return nil, err
		}
		return log, nil
	}
}
