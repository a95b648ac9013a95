package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"streamstack/events"
	"streamstack/events/trust"
	"streamstack/gateway/limit"
	"streamstack/gateway/token"
	"streamstack/gateway/turn"
	"streamstack/gateway/webhook"
	"streamstack/projections/progress"
)

// Limits of the gateway. Where the contract names a figure it is the contract's.
const (
	// maxBody is the longest request body, in bytes: extra_data may have 10 240, the rest is small.
	maxBody = 64 << 10
	// socketQueue is how many events may wait for a slow client before it is cut off: a negotiation has some 40. Each takes
	// eight bytes of every socket, whether there are any or not.
	socketQueue = 64
	// socketTokenLife is how long a create's or join's socket URL can be used; the SDK gives up after five minutes.
	socketTokenLife = 15 * time.Minute
	// replayPause is the wait for a replica of the stream that is behind.
	replayPause = 20 * time.Millisecond
	// maxDescription is the longest description of a share, in bytes.
	maxDescription = 1024
	// requestTime bounds a request that does not wait for an ending.
	requestTime = 10 * time.Second
	// syncTime bounds DELETE …?sync=true: a drained instance ends within seconds.
	syncTime = 60 * time.Second
	// creationTime bounds the appends of a creation, the second try included: without NATS a request is answered within 2 s.
	creationTime = 1800 * time.Millisecond
	// readYourWrites bounds how long an answer waits for the read model to contain what was just appended.
	readYourWrites = 2 * time.Second
)

// timing are the waits that a gateway's tests shorten.
type timing struct {
	// pingEvery keeps proxies from closing a socket that waits for its instance; a client that does not answer within
	// pingWait is gone.
	pingEvery, pingWait time.Duration
	// feedBeat keeps proxies from closing a stream of events on which nothing comes, and is how often its token is checked.
	feedBeat time.Duration
	// writeWait bounds the writing of one message, closeWait the closing handshake.
	writeWait, closeWait time.Duration
	// replayTime bounds the reading of a negotiation so far.
	replayTime time.Duration
	// stopGrace is how long requests, and then sockets, may take to end when the gateway stops: `up` has five seconds
	// for all it runs.
	stopGrace time.Duration
	// lostAfter is how long an agent may be away, from the expiry of its heartbeat on, before its sessions end as lost.
	lostAfter time.Duration
}

var usualTiming = timing{
	pingEvery: 15 * time.Second, pingWait: 10 * time.Second, feedBeat: 15 * time.Second,
	writeWait: 10 * time.Second, closeWait: 2 * time.Second, replayTime: 10 * time.Second,
	stopGrace: 2 * time.Second,
	lostAfter: 2 * events.HeartbeatTTL, // three lives of the heartbeat, of which the first has passed when the key expires
}

// Config is what a gateway is made of.
type Config struct {
	Log    *events.Log
	Logger *slog.Logger
	// PublicURL is where clients reach this gateway, such as https://stream.example.net; empty: as the request came.
	PublicURL string
	// Origins are the allowed origins of pages on other hosts; "*" allows any.
	Origins []string
	// Tokens makes and checks API and socket tokens.
	Tokens *token.Mint
	// Streamer opens the log as the streamer whose credentials they are, for master sockets; the log's connection is the
	// gateway's to close. It fails where NATS lets anybody in. nil: there are no master sockets.
	Streamer func(context.Context, trust.Credentials) (*events.Log, error)
	// TURN, if not nil, is told to every client.
	TURN *TURN
	// Webhooks, if not nil, delivers events to the addresses that the operator registers.
	Webhooks *webhook.Service
	// Console, if not nil, is served at / for browsers.
	Console http.Handler
	// ArchiveFolder, if not empty, gets a copy of every archived segment as a file.
	ArchiveFolder string
	// ArchiveRetention is how long after an event the archive keeps it; 0 for ever. It should exceed the log's retention.
	ArchiveRetention time.Duration
	// Limits are the figures to begin with; nil: [limit.Default]. Settings change some of them.
	Limits *limit.Figures
	// Proxies are the networks of reverse proxies whose X-Forwarded-For is believed, besides this machine.
	Proxies []netip.Prefix
	// Metrics, if not nil, serves /metrics to whoever reaches it; the public listener does not any more. [Gateway.Run]
	// closes it.
	Metrics net.Listener
	// Version is shown by the status.
	Version string
	// Progress shows the reading of a long log; nil: lines in Logger.
	Progress progress.Show
}

// TURN is what clients need to know of the TURN server.
type TURN struct {
	Credentials turn.Credentials
	// Address is host:port as clients reach it.
	Address string
	// Secure is host:port where it speaks TLS, by a name that its certificate has; empty where it does not.
	Secure string
	// External, if not nil, is in place of both.
	External *turn.External
	// Networks a relay may reach, for the log line at start only.
	Networks []netip.Prefix
}

// servers are the STUN and TURN servers for one client.
func (t *TURN) servers(now time.Time, id string) []turn.ICEServer {
	if t.External != nil {
		return t.External.ICEServers(now, id)
	}
	return t.Credentials.ICEServers(now, id, t.Address, t.Secure)
}
