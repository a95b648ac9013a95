package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
)

// Thousands of sockets wait for their instance at once, so what one takes while nothing happens counts. What net/http holds
// for a request, a connection's buffers and a stack that echo and its middleware have grown, is let go when the socket is
// open: it goes on in a goroutine of its own, with small buffers.

// socketBuffer is the size of each of a socket's two buffers in bytes; longer messages pass them by.
const socketBuffer = 512

// wantsSocket refuses who asks for no websocket, and says what to ask for (RFC 9110, section 15.5.22).
func wantsSocket(c echo.Context) error {
	if strings.EqualFold(c.Request().Header.Get("Upgrade"), "websocket") {
		return nil
	}
	c.Response().Header().Set("Upgrade", "websocket")
	c.Response().Header().Set("Connection", "Upgrade")
	return &apiError{http.StatusUpgradeRequired, codeBadRequest, "this address is for websockets", nil}
}

// upgrade does the websocket's handshake (RFC 6455, section 4.2). On an error the client has been answered.
func upgrade(c echo.Context) (*websocket.Conn, error) {
	// The origin was checked by admit.
	conn, err := websocket.Accept(frugal{c.Response()}, c.Request(), &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil, fmt.Errorf("gateway: socket: %w", err)
	}
	return conn, nil
}

// frugal gives a hijacked connection small buffers in place of the server's.
type frugal struct{ http.ResponseWriter }

// Hijack implements [http.Hijacker].
func (f frugal) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(f.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("gateway: socket: %w", err)
	}
	// What came behind the request already stays buffered: Accept takes it from there.
	n := rw.Reader.Buffered()
	early, err := rw.Reader.Peek(n)
	if err != nil {
		return nil, nil, fmt.Errorf("gateway: socket: %w", err)
	}
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn), max(socketBuffer, n))
	if _, err := r.Peek(n); err != nil {
		return nil, nil, fmt.Errorf("gateway: socket: %w", err)
	}
	return conn, bufio.NewReadWriter(r, bufio.NewWriterSize(conn, socketBuffer)), nil
}

// aside calls f on a stack of its own. A goroutine that waits for long keeps the stack that its deepest call took: reading the
// log takes 8 KiB, waiting for what comes next 2.
func (g *Gateway) aside(f func() error) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer g.caught(&err)
		err = f()
	}()
	return <-done
}

// caught is deferred by what a socket's goroutines do: a panic ends that socket, not the process, and err says so to its client.
func (g *Gateway) caught(err *error) {
	if p := recover(); p != nil { //nolint:revive // it is the deferred function
		g.log.Error("socket panicked", "err", p, "stack", string(debug.Stack()))
		*err = closing{websocket.StatusInternalError, "something is wrong in the gateway"}
	}
}

// detach runs an open socket outside of its request. It must hold a subscription, by which the gateway's stop ends it and
// waits for it; after runs when it has ended.
func (g *Gateway) detach(serve, after func()) {
	collector.opened()
	go func() {
		defer collector.closed()
		defer after()
		defer func() {
			if p := recover(); p != nil { // as the server does for requests
				g.log.Error("socket panicked", "err", p, "stack", string(debug.Stack()))
			}
		}()
		serve()
	}()
}
