// Package bytesocket makes a websocket (RFC 6455) a stream of bytes, as the adb role has it: the content of binary frames,
// whatever their borders. A websocket cannot be closed in one direction, and TCP can: an empty binary frame says that
// nothing more comes from this side, while the other goes on. A peer that does not know this closes the socket, which
// ends both; and one that says nothing for a while after the other side has ended is taken to have ended too.
package bytesocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Errors of a socket.
var (
	// ErrGone means that the peer has closed the socket, or does not answer.
	ErrGone = errors.New("bytesocket: the peer has gone")
	// ErrText means that the peer sent a text frame, or bytes after its end.
	ErrText = errors.New("bytesocket: not the bytes of a stream")
	// errClosed is of this side's Close.
	errClosed = errors.New("bytesocket: closed")
)

const (
	// chunk is how much is read at once.
	chunk = 32 << 10
	// linger is how long a peer may be silent after this side's end, before it is taken to have ended too.
	linger = 5 * time.Second
)

// Timing are the waits of a socket; all are required.
type Timing struct {
	// PingEvery keeps proxies from closing a silent socket; a peer that does not answer within PingWait has gone.
	PingEvery, PingWait time.Duration
	// WriteWait bounds the writing of one frame, CloseWait the closing handshake.
	WriteWait, CloseWait time.Duration
}

// Socket is one. Read and Write are for one goroutine each; it implements bridge.Stream.
type Socket struct {
	conn  *websocket.Conn
	times Timing
	ctx   context.Context //nolint:containedctx // of the socket's own goroutines and its writes; End ends it
	stop  context.CancelFunc
	work  sync.WaitGroup

	in      chan []byte   // what came, to Read; closed at the end of it
	inErr   error         // why in was closed, nil for an end in order; written before
	rest    []byte        // of Read
	reading atomic.Uint64 // odd while somebody waits for a frame, so a pong would be seen; it grows with each wait's begin and end

	gone   chan struct{} // closed when nothing comes any more
	closed chan struct{} // by Close
	quiet  chan struct{} // closed when the peer was silent for too long after this side's end
	once   struct{ closed, quiet sync.Once }

	mu    sync.Mutex
	timer *time.Timer // for quiet; nil before this side's end
}

// New takes over a connection. End must be called; ctx ends with End at the latest, and does not end the socket by itself.
func New(ctx context.Context, conn *websocket.Conn, times Timing) *Socket {
	conn.SetReadLimit(-1) // a frame is read piece by piece
	s := &Socket{conn: conn, times: times, in: make(chan []byte), gone: make(chan struct{}), closed: make(chan struct{}), quiet: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(s.receive)
	s.work.Go(s.pings)
	return s
}

// Gone is closed when the peer has gone.
func (s *Socket) Gone() <-chan struct{} { return s.gone }

// receive hands on what comes until the peer has gone. Frames that control the socket are seen only by reading, so it goes
// on after the end of the bytes.
func (s *Socket) receive() {
	defer close(s.gone)
	end := sync.OnceFunc(func() { close(s.in) })
	defer end()
	buf := make([]byte, chunk)
	for ended := false; ; {
		empty, err := s.frame(ended, buf)
		switch {
		case err != nil && ended:
			return
		case err != nil:
			s.inErr = s.ending(err)
			return
		case empty:
			ended = true
			end()
		}
	}
}

// ending is what Read returns after the last byte; nil for an end in order.
func (s *Socket) ending(err error) error {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return nil
	}
	if errors.Is(err, ErrText) {
		return err
	}
	return fmt.Errorf("%w: %v", ErrGone, err) //nolint:errorlint // not as io.EOF, which it may be
}

// frame reads one and hands its content on; empty says that there was none.
func (s *Socket) frame(ended bool, buf []byte) (empty bool, err error) {
	s.reading.Add(1)
	kind, r, err := s.conn.Reader(s.ctx)
	s.reading.Add(1)
	if err != nil {
		return false, err //nolint:wrapcheck // ending asks what it is
	}
	if kind != websocket.MessageBinary {
		return false, ErrText
	}
	empty = true
	for {
		n, err := r.Read(buf)
		if n > 0 && ended {
			return false, ErrText
		}
		if n > 0 {
			empty = false
			if err := s.hand(append([]byte(nil), buf[:n]...)); err != nil {
				return false, err
			}
		}
		if errors.Is(err, io.EOF) {
			return empty, nil
		}
		if err != nil {
			return false, err //nolint:wrapcheck // as above
		}
	}
}

// hand waits until Read takes a piece.
func (s *Socket) hand(piece []byte) error {
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Reset(linger)
	}
	s.mu.Unlock()
	select {
	case s.in <- piece:
		return nil
	case <-s.closed:
		return errClosed
	}
}

// Read returns what came. [io.EOF] is the peer's end, after which it may still read.
func (s *Socket) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		var ok bool
		select {
		case s.rest, ok = <-s.in:
		case <-s.closed:
			return 0, errClosed
		case <-s.quiet:
			return 0, io.EOF
		}
		if !ok && s.inErr != nil {
			return 0, s.inErr
		}
		if !ok {
			return 0, io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write sends p as one frame. A peer that does not read holds it up, for WriteWait at most.
func (s *Socket) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // a frame of nothing would be the end
	}
	return len(p), s.write(p)
}

func (s *Socket) write(p []byte) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.times.WriteWait)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageBinary, p); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return nil
}

// CloseWrite says that nothing more comes from this side.
func (s *Socket) CloseWrite() error {
	s.mu.Lock()
	s.timer = time.AfterFunc(linger, func() { s.once.quiet.Do(func() { close(s.quiet) }) })
	s.mu.Unlock()
	return s.write(nil)
}

// Close ends Read. The socket itself is closed by End, with words.
func (s *Socket) Close() error {
	s.once.closed.Do(func() { close(s.closed) })
	return nil
}

// End closes the socket with a code and a reason of at most 123 bytes (RFC 6455, section 5.5.1), waits for the peer's
// answer, and for the socket's goroutines.
func (s *Socket) End(code websocket.StatusCode, reason string) {
	_ = s.Close() // cannot fail
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	late := time.AfterFunc(s.times.CloseWait, s.stop)
	_ = s.conn.Close(code, reason) // the peer may be gone already
	late.Stop()
	s.stop()
	_ = s.conn.CloseNow() // likewise
	s.work.Wait()
}

// pings cuts off a peer that does not answer. While nobody waits for a frame, since what came before is not taken, no
// answer would be seen; and a frame that came meanwhile shows that the peer is there, its answer maybe behind it.
func (s *Socket) pings() {
	tick := time.NewTicker(s.times.PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.gone:
			return
		case <-tick.C:
		}
		waiting := s.reading.Load()
		if waiting%2 == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.times.PingWait)
		err := s.conn.Ping(ctx)
		cancel()
		if err != nil && s.reading.Load() == waiting {
			_ = s.conn.CloseNow() // gone either way
		}
	}
}
