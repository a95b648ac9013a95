package connect

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// When an account's JWT changes, the server (2.15, client.applyAccountLimits) sets each connection's longest payload to
// what the user's own JWT says, and then to what the scope of its signing key says. A user of a scoped key says nothing,
// which stands for zero: whatever a connection publishes between the two is "too long", and the server closes it. Every
// rotation of keys changes an account's JWT, so under traffic this happens (one run of deployments/nats's test in ten).
// That alone would be a reconnect. But Go's client library takes the error for the end, and never connects again.
//
// What this package and the embedded server's pipe open is therefore read through [Lasting], which leaves that last line
// out: the library finds a connection that ended, and reconnects. Nothing of ours sends longer messages than the server
// takes, for which the library itself has an error. Over TLS the line is out of reach here, and nothing is held back: what
// looks like its beginning is a byte of a record that cannot be read without it.

// violation is the server's last line on such a connection.
const violation = "-ERR 'Maximum Payload Violation'\r\n"

// Lasting wraps a connection to a NATS server so that nats.go reconnects after a payload violation.
func Lasting(conn net.Conn) net.Conn { return &lasting{Conn: conn} }

// lasting holds back the end of what it has read while that may be the violation, until more comes or the connection ends.
type lasting struct {
	net.Conn
	ready []byte // to be handed out before anything is read
	held  []byte // what may be the line, or its beginning
	end   error  // follows ready
	// secret tells that TLS has begun.
	secret atomic.Bool
}

// handshake is the type of TLS's first record (RFC 8446, section 5.1). The protocol in the open begins with letters.
const handshake = 0x16

// Write implements [io.Writer].
func (l *lasting) Write(p []byte) (int, error) {
	if len(p) > 0 && p[0] == handshake {
		l.secret.Store(true)
	}
	return l.Conn.Write(p) //nolint:wrapcheck // the connection's own
}

// Read implements [io.Reader]. It is called by one goroutine at a time, as the library does.
func (l *lasting) Read(p []byte) (int, error) {
	for {
		if len(l.ready) > 0 {
			n := copy(p, l.ready)
			l.ready = l.ready[n:]
			return n, nil
		}
		if l.end != nil {
			return 0, l.end
		}
		n, err := l.Conn.Read(p)
		if len(l.held) == 0 && (l.secret.Load() || held(p[:n]) == 0) {
			return n, err //nolint:wrapcheck // the connection's own
		}
		l.take(p[:n])
		var network net.Error
		switch {
		case err == nil:
		case errors.As(err, &network) && network.Timeout(): // no end
			if len(l.ready) == 0 {
				return 0, err //nolint:wrapcheck // as above
			}
		case string(l.held) == violation:
			l.held, l.end = nil, io.EOF
		default:
			l.ready, l.held, l.end = append(l.ready, l.held...), nil, err
		}
	}
}

// take sorts what was read into ready and held.
func (l *lasting) take(data []byte) {
	all := slices.Concat(l.held, data)
	cut := len(all) - held(all)
	l.ready, l.held = all[:cut:cut], all[cut:]
}

// held is how many of the last bytes may be the line, or its beginning. Nothing waits for long: what ends in the middle of
// a line, or of a payload, is followed by the rest, and a payload that has the whole line by whatever comes next.
func held(data []byte) int {
	for n := min(len(violation), len(data)); n > 0; n-- {
		if string(data[len(data)-n:]) == violation[:n] {
			return n
		}
	}
	return 0
}

// lastingDialer opens such connections over TCP.
type lastingDialer struct{ net.Dialer }

// Dial implements [nats.CustomDialer].
func (d *lastingDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err //nolint:wrapcheck // transient looks into it
	}
	return Lasting(conn), nil
}

var _ nats.CustomDialer = (*lastingDialer)(nil)
