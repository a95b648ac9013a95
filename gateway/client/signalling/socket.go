package signalling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"streamstack/events"
)

const (
	// firstPause is the longest wait before the first attempt to open a lost socket again; it doubles with each further one
	// up to longestPause. The real wait is drawn below it, so that the clients of a gateway that died do not come all at once.
	firstPause, longestPause = 250 * time.Millisecond, 5 * time.Second
)

// Close codes of the gateway after which there is nothing to come back to (RFC 6455, section 7.4.2: 4000 to 4999), and the
// code of the error message that says: not now, try again.
const (
	CloseEnded     = 4000
	CloseReplaced  = 4001
	CloseDisplaced = 4002
	codeUnready    = 103
)

// Ended is why a gateway will serve this client no more.
type Ended struct {
	// Code is the close code, or the HTTP status with which the socket was refused.
	Code int
	// Reason is for people.
	Reason string
}

func (e *Ended) Error() string { return fmt.Sprintf("signalling: over (%d): %s", e.Code, e.Reason) }

// Config is what a socket is made of; URL and Handle are required.
type Config struct {
	// URL is from create or join, opaque. It is a secret.
	URL string
	// Handle is given each message of the streamer, in the log's order and each once, on a goroutine of [Socket.Run]. An
	// error ends Run.
	Handle func(context.Context, Message) error
	// Changed, if not nil, is told when the socket is open, and when it was lost.
	Changed func(open bool)
	// HTTP makes the connections; nil for the default client.
	HTTP *http.Client
	// Logger may be nil.
	Logger *slog.Logger
}

// Socket is one client's way to the streamer. [Socket.Send] and [Socket.Close] may be called from any goroutine.
type Socket struct {
	cfg    Config
	after  events.Seq // the highest sequence seen
	heard  bool       // whether this connection has brought anything
	closed chan struct{}
	close  sync.Once

	mu      sync.Mutex
	unsaid  []said // what nobody has confirmed, in order
	count   int
	changed chan struct{} // closed and made anew when there is more to say
}

// said is a message of ours.
type said struct {
	number int
	kind   string
	data   []byte
}

// New makes a socket whose first message is discover. Nothing happens before [Socket.Run].
func New(cfg Config) *Socket {
	if cfg.Changed == nil {
		cfg.Changed = func(bool) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Socket{cfg: cfg, closed: make(chan struct{}), changed: make(chan struct{})}
	s.push(TypeDiscover, []byte(`{"type":"discover"}`))
	return s
}

// Send queues a [Message], [Settings] or anything else that has a type. It is sent as soon as there is a connection, and
// again on a later one unless the streamer's messages show by then that it arrived.
func (s *Socket) Send(message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("signalling: %w", err)
	}
	var m struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Type == "" {
		return fmt.Errorf("signalling: %s is no message: it needs a type", data)
	}
	s.push(m.Type, data)
	return nil
}

func (s *Socket) push(kind string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.unsaid = append(s.unsaid, said{s.count, kind, data})
	close(s.changed)
	s.changed = make(chan struct{})
}

// Close ends the socket in order, as a client does that is connected; Run then returns nil.
func (s *Socket) Close() { s.close.Do(func() { close(s.closed) }) }

// Run keeps the socket open until Close. It returns *[Ended] when the gateway says that it is over, the context's error, or
// that of Handle. It must be called once.
func (s *Socket) Run(ctx context.Context) error {
	opening, cancel := context.WithCancel(ctx) // Close need not wait for a connection that it does not want any more
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		select {
		case <-s.closed:
			cancel()
		case <-opening.Done():
		}
	})
	pause := firstPause
	for {
		s.heard = false
		err := s.connection(ctx, opening)
		s.cfg.Changed(false)
		var over *Ended
		var own *handleError
		switch {
		case s.isClosed():
			return nil
		case errors.As(err, &own):
			return own.error
		case errors.As(err, &over):
			return over
		case ctx.Err() != nil:
			return fmt.Errorf("signalling: %w", ctx.Err())
		}
		if s.heard {
			pause = firstPause
		}
		s.cfg.Logger.Debug("the socket was lost, trying again", "after", s.after, "err", err)
		select {
		case <-ctx.Done():
		case <-s.closed:
		case <-time.After(rand.N(pause) + time.Millisecond): //nolint:gosec // spreading clients needs no secret
		}
		pause = min(2*pause, longestPause)
	}
}

func (s *Socket) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// next is the first message after a number, or one without a number and what to wait for.
func (s *Socket) next(after int) (said, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.unsaid {
		if m.number > after {
			return m, nil
		}
	}
	return said{}, s.changed
}

// confirm forgets what one of the streamer's steps shows to have arrived.
func (s *Socket) confirm(kind string) {
	var arrived string
	switch kind {
	case TypeDiscoverR:
		arrived = TypeDiscover
	case TypeOffer:
		arrived = TypeSettings
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaid = slices.DeleteFunc(s.unsaid, func(m said) bool { return m.kind == arrived })
}
