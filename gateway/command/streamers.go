package command

import (
	"context"
	"fmt"
	"log/slog"
	"time"

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
		kept, err := trust.Keep(c)
		if err != nil {
			return nil, fmt.Errorf("gateway: a master's credentials: %w", err)
		}
		nc, err := connect.Dial(ctx, url, "", "master", logger, append(append(kept.Options(), c.Identity.Options()...), more...)...)
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
		if err := renew(nc, log, c.Identity, kept, logger); err != nil {
			nc.Close()
			return nil, err
		}
		return log, nil
	}
}

// askEvery is how often a master's user is offered to be renewed. The agent does so when half of its life is over.
const askEvery = 30 * time.Second

// renew has the session's agent renew a master's user, as it does for streamers that connect by themselves. It goes on until the connection
// is closed.
func renew(nc *nats.Conn, log *events.Log, i trust.Identity, kept *trust.Kept, logger *slog.Logger) error {
	_, err := nc.Subscribe(trust.RenewSubject(i.Region, i.Session), func(m *nats.Msg) { // ends with the connection
		if err := kept.Replace(string(m.Data)); err != nil {
			logger.Warn("a master's credentials are not renewed", "session", i.Session, "err", err)
		}
	})
	if err != nil {
		return fmt.Errorf("gateway: a master's credentials: %w", err)
	}
	key := events.StreamerKey(i.Region, i.Session)
	closed := nc.StatusChanged(nats.CLOSED)
	go func() { // ends with the connection
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for !nc.IsClosed() {
			_ = log.AskRenewal(key, kept.User()) // NATS is away: asked again
			select {
			case <-closed:
			case <-tick.C:
			}
		}
	}()
	return nil
}
