package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coder/websocket"
)

// Codes of our own for the error messages of signalling.md, section 12; 5 is the one that is known.
const (
	sigBadRequest = 5
	sigDisplaced  = 100
	sigRefused    = 101
	sigEnded      = 102
	sigUnready    = 103
)

// errGone is the end of a socket whose client cannot be written to.
var errGone = errors.New("gateway: the client has gone, or does not read")

// closing ends the loop with a close code of RFC 6455.
type closing struct {
	code   websocket.StatusCode
	reason string
}

func (c closing) Error() string { return c.reason }

// Close codes of our own (RFC 6455, section 7.4.2: 4000 to 4999).
const (
	closeEnded     = websocket.StatusCode(4000)
	closeReplaced  = websocket.StatusCode(4001)
	closeDisplaced = websocket.StatusCode(4002)
)

// fail tells the client why in a message that it shows, and closes the socket.
func (w *wire) fail(ctx context.Context, code int, text string, status websocket.StatusCode) error {
	if err := w.write(ctx, errorMessage{Type: "error", Code: code, Message: text}); err != nil {
		return err
	}
	return closing{status, shorten(text, 120)} // a close reason has at most 123 bytes (RFC 6455, section 5.5.1)
}

// tell says why the socket is about to be closed, to a client that may not listen any more: the SDK takes no notice of a
// close alone, and would wait out its five minutes.
func (w *wire) tell(ctx context.Context, code int, text string) {
	if err := w.write(ctx, errorMessage{Type: "error", Code: code, Message: text}); err != nil {
		w.g.log.Debug("client not told", "session", w.session.ID, "err", err)
	}
}

// write sends one message.
func (w *wire) write(ctx context.Context, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("gateway: socket: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, w.g.times.writeWait)
	defer cancel()
	if err := w.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}
