package turn

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// tlsHandshake is the first byte of every TLS connection: the record type handshake (RFC 8446, section 5.1). A STUN message begins
// with 0 to 3 and TURN's channel data with 64 to 79 (RFC 7983, section 7), so that one port takes both.
const tlsHandshake = 22

// eitherConn speaks TLS with a client that begins with it, and plainly with one that does not. The first Read finds out;
// nothing is written before, since the client speaks first.
type eitherConn struct {
	net.Conn // what came in
	config   *tls.Config
	spoken   atomic.Pointer[net.Conn] // nil before the first Read
}

// secured has TURN's own choice of protocols for a server's TLS: clients that name one mean `stun.turn` (RFC 7443), and the server's are
// those of HTTP.
func secured(config *tls.Config) *tls.Config {
	own := config.Clone()
	own.NextProtos = nil
	return own
}

// Read implements net.Conn, for one reader.
func (c *eitherConn) Read(p []byte) (int, error) {
	if spoken := c.spoken.Load(); spoken != nil {
		return (*spoken).Read(p) //nolint:wrapcheck // a net.Conn's errors are its own
	}
	var first [1]byte
	if _, err := c.Conn.Read(first[:]); err != nil {
		return 0, err //nolint:wrapcheck // likewise
	}
	var spoken net.Conn = &begunConn{Conn: c.Conn, begun: first[:]}
	if first[0] == tlsHandshake {
		spoken = tls.Server(spoken, c.config)
	}
	c.spoken.Store(&spoken)
	return spoken.Read(p) //nolint:wrapcheck // likewise
}

// Write implements net.Conn.
func (c *eitherConn) Write(p []byte) (int, error) {
	if spoken := c.spoken.Load(); spoken != nil {
		return (*spoken).Write(p) //nolint:wrapcheck // likewise
	}
	return c.Conn.Write(p) //nolint:wrapcheck // likewise
}

// begunConn is a connection of which a little has been read already.
type begunConn struct {
	net.Conn
	begun []byte
}

// Read implements net.Conn.
func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.begun) == 0 {
		return c.Conn.Read(p) //nolint:wrapcheck // likewise
	}
	n := copy(p, c.begun)
	c.begun = c.begun[n:]
	return n, nil
}
