package limit

import "fmt"

// Figures are the limits that an operator may set. 0 is no limit, wherever it stands.
type Figures struct {
	// RequestsPerSecond bounds the requests of one account, and of one address those that no account answers for;
	// RequestBurst of them may come at once. They hold for each gateway by itself.
	RequestsPerSecond float64 `json:"requests_per_second"`
	RequestBurst      int     `json:"request_burst"`
	// DeniedPerMinute bounds the bad credentials that one address is told of, DeniedBurst of them at once. Good ones of
	// the same address are taken all the same: who guesses must not lock out whoever sits behind the same NAT.
	DeniedPerMinute float64 `json:"denied_per_minute"`
	DeniedBurst     int     `json:"denied_burst"`
	// SessionsPerAccount is how many sessions of an account may live at once, over all gateways: see [Sessions] for how
	// exact that is.
	SessionsPerAccount int `json:"sessions_per_account"`
	// SocketsPerAccount is how many sockets the sessions of an account may have open, at each gateway by itself. Over all
	// of them the sessions bound it: a session has one client, and that one has one socket.
	SocketsPerAccount int `json:"sockets_per_account"`
	// ViewersPerSession is how many clients that only watch a session may have at once, besides its one client; with 0, and at
	// most, as many as projections.MaxViewers says.
	ViewersPerSession int `json:"viewers_per_session"`
	// Feeds is how many streams of events (Server-Sent Events) one gateway serves at once.
	Feeds int `json:"feeds"`
	// MessageBytes is the longest message of a socket, in bytes; a browser's SDP has 5 to 10 KiB. 0 is not to be used:
	// what a client sends would be held in memory, however long it is.
	MessageBytes int64 `json:"message_bytes"`
	// MessagesPerSecond and MessageBurst bound the messages of one socket. A browser sends some 30 candidates at once, and
	// nothing afterwards.
	MessagesPerSecond float64 `json:"messages_per_second"`
	MessageBurst      int     `json:"message_burst"`
}

// Default are the figures of a gateway that was told no others. They are far above what a front service needs, and below
// what would starve its neighbours on the same gateway.
func Default() Figures {
	return Figures{
		RequestsPerSecond: 1000, RequestBurst: burstSeconds * 1000,
		DeniedPerMinute: 60, DeniedBurst: 120,
		SessionsPerAccount: 5000, SocketsPerAccount: 5000,
		ViewersPerSession: 16,   // a streamer sends to each by itself
		Feeds:             2000, // each holds a connection and a queue
		MessageBytes:      128 << 10, MessagesPerSecond: 50, MessageBurst: 200,
	}
}

// Check says which figure cannot be.
func (f Figures) Check() error {
	for name, v := range map[string]float64{
		"requests_per_second": f.RequestsPerSecond, "request_burst": float64(f.RequestBurst),
		"denied_per_minute": f.DeniedPerMinute, "denied_burst": float64(f.DeniedBurst),
		"sessions_per_account": float64(f.SessionsPerAccount), "sockets_per_account": float64(f.SocketsPerAccount),
		"viewers_per_session": float64(f.ViewersPerSession),
		"feeds":               float64(f.Feeds), "messages_per_second": f.MessagesPerSecond, "message_burst": float64(f.MessageBurst),
	} {
		if !(v >= 0 && v <= maxFigure) { // so that NaN is none
			return fmt.Errorf("limit: %s must be from 0 (no limit) to %d, not %v", name, int(maxFigure), v)
		}
	}
	if f.MessageBytes < minMessage || f.MessageBytes > maxMessage {
		return fmt.Errorf("limit: message_bytes must be from %d, which an SDP takes, to %d, which an event holds; not %d", minMessage, maxMessage, f.MessageBytes)
	}
	return nil
}

// Bounds of the figures themselves.
const (
	maxFigure = 1e9 // an interval of at least a nanosecond
	// minMessage leaves room for the SDP of a browser with all its codecs; maxMessage is half of what an event may hold, for an
	// SDP comes as base64.
	minMessage, maxMessage = 16 << 10, 512 << 10
)

// burstSeconds is how many seconds' requests may come at once where only their rate is told.
const burstSeconds = 4

// WithRequests are the figures with another rate of requests, and as large a burst as goes with it.
func (f Figures) WithRequests(perSecond float64) Figures {
	if perSecond != f.RequestsPerSecond {
		f.RequestsPerSecond, f.RequestBurst = perSecond, max(1, int(burstSeconds*perSecond))
	}
	return f
}
