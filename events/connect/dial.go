package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/events/trust"
)

// Figures of a connection.
const (
	// dialTimeout bounds one attempt to reach one server: the TCP handshake and the server's greeting.
	dialTimeout = 2 * time.Second
	// dialRetry is the pause between the attempts of DialPatiently.
	dialRetry = 250 * time.Millisecond
	// reconnectWait and reconnectJitter space out attempts once a connection is lost. The jitter keeps the components of
	// a cluster from all knocking at the same moment; their sum bounds what a restart of a server costs a session.
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 500 * time.Millisecond
	// pingInterval and pingsOut make a silent connection a lost one after about 20 s.
	pingInterval = 10 * time.Second
	pingsOut     = 2
	// drainTimeout bounds how long closing waits for what is in flight.
	drainTimeout = 3 * time.Second
)

// Dial connects to NATS, once: without a server it fails, at the latest when ctx ends. A connection that stands is
// renewed for ever when it is lost, and is the caller's to close.
//
// url is one server or several with commas between; a user and a password may be in it. creds names a credentials file,
// or is empty. name is one token in lower case: it shows in the server's lists, and replies are read on _INBOX_<name>.>,
// never on the default _INBOX.>, so that a permission can tell the components' replies apart; credentials of a role of
// ours say themselves where.
func Dial(ctx context.Context, url, creds, name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	if !events.ValidToken(name) {
		return nil, fmt.Errorf("connect: %q is no name for a connection: use letters a-z, digits and hyphens, at most 63", name)
	}
	if err := checkURL(url); err != nil {
		return nil, err
	}
	options := append(connOptions(ctx, name, log), more...)
	if creds != "" {
		c, err := trust.ReadFile(creds)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		// The inbox is as the file says now; the library reads the file again whenever it connects, so that it can be
		// replaced by a newer one.
		options = append(append(options, c.Identity.Options()...), nats.UserCredentials(creds))
	}
	nc, err := dial(ctx, url, options)
	if err != nil {
		return nil, dialError(url, err)
	}
	return nc, nil
}

// DialPatiently is [Dial] for a component that may have been started before its server: it tries until ctx ends. What
// waiting does not mend (a malformed address, wrong credentials) fails at once.
func DialPatiently(ctx context.Context, url, creds, name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	for first := true; ; first = false {
		nc, err := Dial(ctx, url, creds, name, log, more...)
		if err == nil || !transient(err) {
			return nc, err
		}
		if first {
			log.Warn("NATS does not answer, trying on", "url", Redact(url))
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(dialRetry):
		}
	}
}

// transient tells whether a server that starts, or a name that becomes known, would mend the error.
func transient(err error) bool {
	var unknownHost *net.DNSError
	var network net.Error
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &unknownHost) ||
		(errors.As(err, &network) && network.Timeout()) // context.DeadlineExceeded is one of these
}

// dial runs the library's blocking connect under a context. When ctx ends first, the attempt ends by its own timeout and
// closes what it may have opened.
func dial(ctx context.Context, url string, options []nats.Option) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make(chan result)
	go func() {
		nc, err := nats.Connect(url, options...)
		select {
		case results <- result{nc, err}:
		case <-ctx.Done():
			if nc != nil {
				nc.Close()
			}
		}
	}()
	select {
	case r := <-results:
		return r.nc, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dialError says what to do about a failed connection, without the credentials in the address.
func dialError(url string, err error) error {
	where := Redact(url)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Errorf("connect: NATS at %s refuses these credentials: name others with --creds: %w", where, err)
	case transient(err):
		return fmt.Errorf("connect: NATS at %s does not answer: start it, or name another with --nats: %w", where, err)
	default:
		return fmt.Errorf("connect: NATS at %s: %w", where, err)
	}
}

func connOptions(ctx context.Context, name string, log *slog.Logger) []nats.Option {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Millisecond, min(timeout, time.Until(deadline)))
	}
	return []nats.Option{
		nats.Name("streamstack " + name),
		nats.CustomInboxPrefix("_INBOX_" + name),
		nats.Timeout(timeout),
		nats.SetCustomDialer(&lastingDialer{net.Dialer{Timeout: timeout}}),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		// Else the second refusal in a row closes the connection for ever, and the component lives on deaf.
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsOut),
		nats.DrainTimeout(drainTimeout),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil when we closed it ourselves
				log.Warn("NATS connection lost, reconnecting", "err", err)
			}
		}),
		nats.ClosedHandler(func(nc *nats.Conn) {
			if err := nc.LastError(); err != nil { // by the server, for good; without one, by us
				log.Error("NATS connection closed for ever: start this component again", "err", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("NATS connected again", "url", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if sub != nil {
				log.Error("NATS", "subject", sub.Subject, "err", err)
				return
			}
			log.Error("NATS", "err", err)
		}),
	}
}
