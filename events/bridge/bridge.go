package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"streamstack/events"
)

// maxConnections is how many connections a streamer serves at once. A session has at most 5 shares of one connection
// each, and one that was interrupted may take a moment to end.
const maxConnections = 16

// Connection is the gateway's end.
type Connection struct{ link *link }

// Dial asks the streamer of a session for a connection, and returns once the port answers. Errors: [ErrRefused],
// [ErrSilent] when nobody has answered in time, or the context's.
func Dial(ctx context.Context, nc *nats.Conn, a Address) (*Connection, error) {
	if !a.Valid() {
		return nil, fmt.Errorf("bridge: no address: %+v", a)
	}
	l, err := listen(nc, a.subject(wayDown), a.subject(wayUp))
	if err != nil {
		return nil, err
	}
	if err := l.ask(ctx, a); err != nil {
		l.close()
		return nil, err
	}
	return &Connection{l}, nil
}

// ask asks for the connection until it is answered.
func (l *link) ask(ctx context.Context, a Address) error {
	deadline, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	for {
		if err := l.nc.Publish(a.subject(wayOpen), nil); err != nil {
			return fmt.Errorf("bridge: %w", err)
		}
		wait, cancel := context.WithTimeout(deadline, openRetry)
		f, err := l.next(wait)
		cancel()
		switch {
		case err == nil && f.kind == kindOpened:
			return nil
		case err == nil && f.kind == kindEnd:
			return fmt.Errorf("%w: %s", ErrRefused, f.data)
		case ctx.Err() != nil:
			return fmt.Errorf("bridge: %w", ctx.Err())
		case deadline.Err() != nil:
			_ = l.end("nobody waits any more") // should it be answered yet
			return ErrSilent
		case err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errFrame):
			return err
		}
	}
}

// Run carries bytes until both directions have ended in order, or something has gone wrong. It is called once.
func (c *Connection) Run(ctx context.Context, local Stream) (Totals, error) {
	defer c.link.close()
	return c.link.run(ctx, local)
}

// Close gives a connection up that is not run.
func (c *Connection) Close() {
	_ = c.link.end("given up") // the other side notices the silence otherwise
	c.link.close()
}

// Server is the streamer's end.
type Server struct {
	Conn    *nats.Conn
	Region  events.Region
	Session events.SessionID
	// Dial reaches the port. Its error is shown to whoever wants the connection.
	Dial func(context.Context) (Stream, error)
	Log  *slog.Logger

	mu      sync.Mutex
	serving map[string]bool // by the connection's token
	open    int             // how many of them are not over
}

// Run serves connections until the context ends, and returns when the last has ended.
func (s *Server) Run(ctx context.Context) error {
	s.serving = map[string]bool{}
	sub, err := s.Conn.SubscribeSync(Subject(s.Region, s.Session, "*", wayOpen))
	if err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	var open sync.WaitGroup
	defer open.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("bridge: %w", ctx.Err())
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // who asked asks again
		case err != nil:
			return fmt.Errorf("bridge: %w", err)
		}
		a := Address{s.Region, s.Session, connectionOf(m.Subject)}
		if !a.Valid() || !s.begin(a.Connection) {
			continue
		}
		open.Go(func() {
			s.serve(ctx, a)
			s.forget(ctx, a.Connection)
		})
	}
}

// begin takes a connection in, unless it is being served.
func (s *Server) begin(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving[token] {
		return false
	}
	s.serving[token] = true
	s.open++
	return true
}

// forget lets go of a connection, somewhat later: it may have been asked for once more before it was answered.
func (s *Server) forget(ctx context.Context, token string) {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	select {
	case <-time.After(2 * openRetry):
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.serving, token)
}

func (s *Server) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open > maxConnections
}

// serve reaches the port for one connection, and carries its bytes.
func (s *Server) serve(ctx context.Context, a Address) {
	log := s.Log.With("connection", a.Connection)
	l, err := listen(s.Conn, a.subject(wayUp), a.subject(wayDown))
	if err != nil {
		log.Warn("bridge not opened", "err", err)
		return
	}
	defer l.close()
	local, err := s.dial(ctx)
	if err == nil {
		// The subscription must be known to the server before anybody is told to send.
		if err = s.flush(ctx); err != nil {
			_ = local.Close() // nothing came of it
		}
	}
	if err != nil {
		log.Info("bridge refused", "err", err)
		_ = l.end(err.Error()) // who asked notices the silence otherwise
		return
	}
	if err := l.send(frame{kind: kindOpened}); err != nil {
		_ = local.Close() // as above
		log.Warn("bridge not opened", "err", err)
		return
	}
	totals, err := l.run(ctx, local)
	log.Debug("bridge ended", "to the port", totals.In, "from the port", totals.Out, "err", err)
}

func (s *Server) dial(ctx context.Context) (Stream, error) {
	if s.busy() {
		return nil, fmt.Errorf("the session has %d connections already", maxConnections)
	}
	ctx, cancel := context.WithTimeout(ctx, openTime/2)
	defer cancel()
	return s.Dial(ctx)
}

func (s *Server) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTime/2)
	defer cancel()
	if err := s.Conn.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("NATS is away: %w", err)
	}
	return nil
}
