package gateway

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"time"
)

// paceBytes is how much of an answer must be taken in each [timing.writeWait].
const paceBytes = 64 << 10

// paced cuts off who asks and then does not read the answer: it would keep the whole of it, and a goroutine, in the gateway's
// memory for as long as it likes. The server's own WriteTimeout is no help, for it bounds the whole of an answer, and a long
// one may take its time on a narrow line. So each piece has a deadline of its own.
//
// Sockets are not paced by it: they are hijacked, and bound each message by themselves.
func paced(h http.Handler, wait time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), wait: wait}
		// A deadline of the request before this one on the same connection would end this one's "100 Continue".
		_ = p.control.SetWriteDeadline(time.Time{}) // where there are no deadlines, nothing is paced
		defer p.last()
		h.ServeHTTP(p, r)
	})
}

// pacedWriter is an answer that has to be taken. It is the request's goroutine's.
type pacedWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	wait     time.Duration
	hijacked bool
}

// Write implements [http.ResponseWriter].
func (p *pacedWriter) Write(b []byte) (n int, err error) {
	for {
		_ = p.control.SetWriteDeadline(time.Now().Add(p.wait)) // as above
		some, err := p.ResponseWriter.Write(b[n:min(len(b), n+paceBytes)])
		if n += some; err != nil || n == len(b) {
			return n, err //nolint:wrapcheck // it stands for the writer
		}
	}
}

// last bounds what the server writes when the handler has returned: what it had gathered until then.
func (p *pacedWriter) last() {
	if !p.hijacked { // else the connection is not the server's any more
		_ = p.control.SetWriteDeadline(time.Now().Add(p.wait)) // as above
	}
}

// Hijack implements [http.Hijacker].
func (p *pacedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	p.hijacked = true
	conn, rw, err := p.control.Hijack() // which clears the deadlines
	if err != nil {
		return nil, nil, fmt.Errorf("gateway: hijack: %w", err)
	}
	return conn, rw, nil
}

// Unwrap is for [http.ResponseController].
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
