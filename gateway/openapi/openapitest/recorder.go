package openapitest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"streamstack/gateway/sse"
)

// maxStream is how much of a stream that does not end is kept, in bytes.
const maxStream = 4 << 20

// recorder passes an answer on as it comes, and keeps it.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	// hijacked is called before the connection is given away: nothing of what follows is an answer.
	hijacked func()
}

// Unwrap lets http.ResponseController find what the writer can.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status != http.StatusContinue {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write keeps what it passes on.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if !r.streams() || r.body.Len()+len(p) <= maxStream {
		r.body.Write(p)
	}
	return r.ResponseWriter.Write(p) //nolint:wrapcheck // it stands for the writer
}

// Flush is for handlers that ask for it by its interface.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() } // its interface knows no error

// Hijack gives the connection away, as a websocket does.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if r.status == 0 {
		r.status = http.StatusSwitchingProtocols
	}
	r.hijacked()
	c, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("openapitest: hijack: %w", err)
	}
	return c, rw, nil
}

// streams tells whether the answer is one of Server-Sent Events.
func (r *recorder) streams() bool {
	return strings.HasPrefix(r.Header().Get("Content-Type"), sse.ContentType)
}

// keeper keeps what a handler reads of a body.
type keeper struct {
	io.ReadCloser
	read bytes.Buffer
}

// Read keeps what it passes on.
func (k *keeper) Read(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	k.read.Write(p[:n])
	return n, err //nolint:wrapcheck // it stands for the body
}
