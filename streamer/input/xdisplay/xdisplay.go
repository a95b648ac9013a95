// Package xdisplay connects to an X server of this machine through github.com/jezek/xgb in a way that cannot hang: xgb itself waits
// for ever for a server that is stopped or stuck. Here every write has a deadline, and a wait for an answer is guarded by a limit at whose
// end the socket is closed, which makes xgb return from whatever it is doing.
//
// The server has to admit local clients: started with -ac, or with an Xauthority file ($XAUTHORITY) whose entry names no display number.
package xdisplay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// Limit is how long an X server may take to accept or answer a request. A healthy one needs well under a millisecond; two seconds
// outlast a machine that swaps, and are short enough for a person to wait.
const Limit = 2 * time.Second

// ErrGone tells that the X server has ended or closed the connection.
var ErrGone = errors.New("the X server is gone")

// ErrStuck tells that the X server did not answer within Limit. The connection has been closed.
var ErrStuck = errors.New("the X server does not answer")

// xgb writes to standard error whatever happens to the socket; callers get it as errors from here. Set before any connection exists,
// since xgb reads the variable without a lock.
func init() { xgb.Logger = log.New(io.Discard, "", 0) }

// Conn is a connection to an X server. The requests of xgb's packages take the embedded xgb.Conn; requests may come from several
// goroutines. Somebody has to read the events (WaitForEvent) until it returns nil twice. End it with Abort, never with xgb's Close,
// which waits for the server.
type Conn struct {
	*xgb.Conn
	socket  net.Conn
	display string
	// stuck tells that a write took too long: that the connection ends then is no end of the server.
	stuck *atomic.Bool
}

// deadlineSocket gives every write a deadline.
type deadlineSocket struct {
	net.Conn
	stuck *atomic.Bool
}

func (s deadlineSocket) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(Limit)); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.stuck.Store(true)
	}
	return n, err
}

// Dial connects to a display of this machine, such as ":5" or ":5.0". It waits no longer than ctx and Limit allow.
func Dial(ctx context.Context, display string) (*Conn, error) {
	return dial(ctx, display, func(c net.Conn) net.Conn { return c })
}

// dial is Dial with something between xgb and the socket.
func dial(ctx context.Context, display string, between func(net.Conn) net.Conn) (*Conn, error) {
	path, err := socketPath(display)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, Limit, ErrStuck)
	defer cancel()
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "unix", path)
	if err != nil { // a server that could not make the file still listens on the abstract name
		var second error
		if socket, second = dialer.DialContext(ctx, "unix", "@"+path); second != nil {
			return nil, fmt.Errorf("xdisplay: no X server answers at display %q, is it running? %w", display, err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = socket.Close() }) // the error xgb then returns is the one that counts
	stuck := &atomic.Bool{}
	conn, err := xgb.NewConnNet(deadlineSocket{between(socket), stuck})
	if err == nil {
		err = register(conn)
	}
	if !stop() && err == nil { // too late: the socket is closed already
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = socket.Close()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("xdisplay: display %q: %w", display, err)
	}
	return &Conn{Conn: conn, socket: socket, display: display, stuck: stuck}, nil
}

// socketPath gives the socket of a display's name. Displays of other machines are refused: input must not cross a network unprotected.
func socketPath(display string) (string, error) {
	host, number, found := strings.Cut(display, ":")
	number, _, _ = strings.Cut(number, ".")
	if n, err := strconv.Atoi(number); !found || err != nil || n < 0 || (host != "" && host != "unix") {
		return "", fmt.Errorf("xdisplay: %q is not a display of this machine: write it as \":5\" (is DISPLAY set?)", display)
	}
	return "/tmp/.X11-unix/X" + number, nil
}

// Abort closes the connection at once, and with it ends all waits and xgb's goroutines. It may be called more than once, from any
// goroutine.
func (c *Conn) Abort() { _ = c.socket.Close() } // nothing is left to lose: requests are written before the call that makes them returns

// Lost tells what a connection that has ended by itself ended of: ErrStuck or ErrGone.
func (c *Conn) Lost() error {
	if c.stuck.Load() {
		return ErrStuck
	}
	return ErrGone
}

// Guard runs a function that waits for the server and aborts the connection when that takes longer than Limit, or when ctx ends.
func (c *Conn) Guard(ctx context.Context, wait func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Limit, ErrStuck)
	defer cancel()
	stop := context.AfterFunc(ctx, c.Abort)
	defer stop()
	err := wait()
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case cause != nil:
		err = cause
	case errors.Is(err, io.EOF):
		err = c.Lost()
	}
	return fmt.Errorf("xdisplay: display %q: %w", c.display, err)
}

// RoundTrip waits until the server has handled everything that was sent before.
func (c *Conn) RoundTrip(ctx context.Context) error {
	return c.Guard(ctx, func() error {
		_, err := xproto.GetInputFocus(c.Conn).Reply()
		return err
	})
}
