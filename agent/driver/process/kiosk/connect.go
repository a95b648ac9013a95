package kiosk

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/jezek/xgb"
)

// xgb reports on a global logger, to standard error, what its callers also get as errors.
func init() { xgb.Logger = log.New(io.Discard, "", 0) }

// Dial connects to an X server's socket with its MIT-MAGIC-COOKIE-1. Closing the second result ends the connection
// at once, also when the server no longer answers (xgb's own Close would wait for it).
//
// xgb takes the cookie only from the file that the process-wide XAUTHORITY names; one process here speaks to many
// displays, so the first message is made anew on its way out.
func Dial(ctx context.Context, socket string, cookie []byte) (*xgb.Conn, io.Closer, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("kiosk: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })() // ends a handshake that hangs
	conn, err := xgb.NewConnNet(&authorised{Conn: raw, cookie: cookie})
	if err != nil {
		_ = raw.Close() // the first error counts
		return nil, nil, fmt.Errorf("kiosk: X server at %s: %w", socket, err)
	}
	return conn, raw, nil
}

// authorised replaces the first write, the connection setup of the X11 protocol, by one with the cookie.
type authorised struct {
	net.Conn
	cookie []byte
	sent   bool
}

func (a *authorised) Write(b []byte) (int, error) {
	if a.sent {
		return a.Conn.Write(b)
	}
	a.sent = true
	const name = "MIT-MAGIC-COOKIE-1"
	setup := make([]byte, 12+xgb.Pad(len(name))+xgb.Pad(len(a.cookie)))
	setup[0] = 'l' // little-endian, as all of xgb
	xgb.Put16(setup[2:], 11)
	xgb.Put16(setup[6:], uint16(len(name)))
	xgb.Put16(setup[8:], uint16(len(a.cookie)))
	copy(setup[12:], name)
	copy(setup[12+xgb.Pad(len(name)):], a.cookie)
	if _, err := a.Conn.Write(setup); err != nil {
		return 0, err
	}
	return len(b), nil
}
