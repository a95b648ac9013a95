package sockets

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
)

// opening is how many sockets are being opened at once.
const opening = 8

// patience is how often a socket is tried that is told that the log is busy, a second apart, as Retry-After says.
const patience = 60

// dial opens one socket.
func dial(ctx context.Context, url string) (*websocket.Conn, error) {
	for try := 0; ; try++ {
		conn, res, err := websocket.Dial(ctx, url, nil) //nolint:bodyclose // it is the connection's
		switch {
		case err == nil:
			return conn, nil
		case try == patience || res == nil || res.StatusCode != http.StatusServiceUnavailable:
			return nil, fmt.Errorf("sockets: client: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("sockets: client: %w", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// Opened is a client's answer.
type Opened struct {
	// Open is how many sockets are open now, Lost how many were and are not any more.
	Open int64 `json:"open"`
	Lost int64 `json:"lost"`
}

// clientEnd opens a socket for each address in a line's JSON array, says discover on each as the SDK does, and answers
// with [Opened] when all are open; an empty array asks again. They answer pings and are held until the input ends.
func clientEnd(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var open, lost atomic.Int64
	return serveLines(in, out, func(line string) (any, error) {
		var urls []string
		if err := json.Unmarshal([]byte(line), &urls); err != nil {
			return nil, fmt.Errorf("sockets: client: %w", err)
		}
		group, opened := errgroup.WithContext(ctx)
		group.SetLimit(opening)
		for _, u := range urls {
			group.Go(func() error {
				conn, err := dial(opened, u)
				if err != nil {
					return err
				}
				if err := conn.Write(opened, websocket.MessageText, []byte(`{"type":"discover"}`)); err != nil {
					return fmt.Errorf("sockets: client: %w", err)
				}
				open.Add(1)
				closed := conn.CloseRead(ctx) // reads, and so answers pings
				context.AfterFunc(closed, func() { open.Add(-1); lost.Add(1) })
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err //nolint:wrapcheck // it names itself
		}
		return Opened{Open: open.Load(), Lost: lost.Load()}, nil
	})
}
