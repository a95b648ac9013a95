package natsd

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
)

// bridge brings the server's log into ours. What the server calls a notice (its version, its limits, every stream that it
// read back) is of use to somebody who looks for a fault only.
type bridge struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal error // the first; with it, the server has given up starting
}

// Noticef implements server.Logger.
func (b *bridge) Noticef(format string, v ...any) { b.log.Debug("nats: " + fmt.Sprintf(format, v...)) }

// Warnf implements server.Logger.
func (b *bridge) Warnf(format string, v ...any) { b.log.Warn("nats: " + fmt.Sprintf(format, v...)) }

// Errorf implements server.Logger.
func (b *bridge) Errorf(format string, v ...any) { b.log.Error("nats: " + fmt.Sprintf(format, v...)) }

// Debugf implements server.Logger.
func (b *bridge) Debugf(format string, v ...any) { b.log.Debug("nats: " + fmt.Sprintf(format, v...)) }

// Tracef implements server.Logger. Traces hold messages, hence secrets; they are never asked for and go nowhere.
func (b *bridge) Tracef(string, ...any) {}

// Fatalf implements server.Logger. The server's own logger would end the process here; ours keeps the reason, and Start
// returns it.
func (b *bridge) Fatalf(format string, v ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fatal != nil {
		return
	}
	f := fatalError{text: fmt.Sprintf(format, v...)}
	for _, x := range v {
		if err, ok := x.(error); ok {
			f.cause = err
		}
	}
	b.fatal = f
}

// failure is why the server has given up, nil when it has not.
func (b *bridge) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fatal
}

// fatalError is what the server said when it gave up, with the error among its arguments as the cause.
type fatalError struct {
	text  string
	cause error
}

func (e fatalError) Error() string { return e.text }
func (e fatalError) Unwrap() error { return e.cause }

// startError says what to do about a server that did not start.
func startError(c Config, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("natsd: %s is in use by another program: end it, or choose another port with %s (port 0 picks a free one): %w",
			c.Listen, listenFlag, syscall.EADDRINUSE)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("natsd: cannot listen on %s: choose another address with %s: %w", c.Listen, listenFlag, errors.Unwrap(err))
	default:
		return fmt.Errorf("natsd: on the store %s: %w (a damaged store can be moved away; a new one is then made)", c.StoreDir, err)
	}
}
