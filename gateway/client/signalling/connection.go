package signalling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// dialTime bounds the opening of a socket, writeTime the sending of a message.
	dialTime, writeTime = 10 * time.Second, 10 * time.Second
	// pingEvery is how often a socket is asked whether anybody is there, pingTime how long it may take to say so: a machine
	// that lost its power closes no connection.
	pingEvery, pingTime = 15 * time.Second, 10 * time.Second
	// lastWords is how long a connection that cannot be written to is read on.
	lastWords = time.Second
	// maxFrame is the longest message taken, in bytes: what the log can hold, in base64.
	maxFrame = 2 << 20
)

// connection is one connection from its opening, which ends with a context of its own, to its end.
func (s *Socket) connection(ctx, opening context.Context) error {
	conn, err := s.dial(opening)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }() // closed in order before, where it could be
	conn.SetReadLimit(maxFrame)
	s.cfg.Changed(true)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var others sync.WaitGroup
	for _, other := range []func(context.Context, *websocket.Conn) error{s.write, ping} {
		others.Go(func() {
			if other(ctx, conn) != nil {
				// What was sent before the connection broke says why, so the reader has a moment to find it.
				select {
				case <-ctx.Done():
				case <-time.After(lastWords):
					cancel()
				}
			}
		})
	}
	err = s.read(ctx, conn)
	cancel()
	others.Wait()
	return err
}

// dial opens the socket after what has been seen.
func (s *Socket) dial(ctx context.Context) (*websocket.Conn, error) {
	u, err := url.Parse(s.cfg.URL)
	if err != nil {
		return nil, &Ended{http.StatusBadRequest, "the socket's address is none"} // not in the message: it is a secret
	}
	if u.RawQuery != "" {
		u.RawQuery += "&" // a credential stays as it is
	}
	u.RawQuery += "after=" + strconv.FormatUint(uint64(s.after), 10)
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: s.cfg.HTTP}) //nolint:bodyclose // Dial has read it, and says that nobody need close it
	if err == nil {
		return conn, nil
	}
	if res == nil || res.StatusCode == http.StatusTooManyRequests || res.StatusCode < 400 || res.StatusCode >= 500 {
		return nil, fmt.Errorf("signalling: the socket was not opened: %w", scrubbed(err))
	}
	return nil, &Ended{res.StatusCode, refusal(res)}
}

// scrubbed takes the address, which is a secret, out of an error of the HTTP client.
func scrubbed(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refusal is what an answer says to people: the envelope's text (gateway-api.md, section 3), or the status.
func refusal(res *http.Response) string {
	var envelope struct {
		Error string `json:"error"`
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil || json.Unmarshal(data, &envelope) != nil || envelope.Error == "" {
		return res.Status
	}
	return envelope.Error
}

// handleError is an error of Config.Handle.
type handleError struct{ error }

// read hands on what comes, each once.
func (s *Socket) read(ctx context.Context, conn *websocket.Conn) error {
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return ending(err)
		}
		m, ok := parse(data)
		if !ok || kind != websocket.MessageText {
			continue
		}
		s.heard = true
		if m.Type == TypeError && m.Code != codeUnready {
			return &Ended{CloseEnded, m.Message}
		}
		if m.Type == TypeError || (m.Sequence > 0 && m.Sequence <= s.after) {
			continue // the close that follows says to try again; or it came before
		}
		s.after = max(s.after, m.Sequence)
		s.confirm(m.Type)
		if err := s.cfg.Handle(ctx, m); err != nil {
			return &handleError{err}
		}
	}
}

// ending tells the end of a session from that of a connection.
func ending(err error) error {
	var c websocket.CloseError
	if !errors.As(err, &c) {
		return err
	}
	switch c.Code {
	case CloseEnded, CloseReplaced, CloseDisplaced, websocket.StatusMessageTooBig:
		return &Ended{int(c.Code), c.Reason}
	default:
		return err
	}
}

// write sends what is unconfirmed and what is added to it.
func (s *Socket) write(ctx context.Context, conn *websocket.Conn) error {
	for last := 0; ; {
		m, more := s.next(last)
		if m.number == 0 {
			select {
			case <-more:
			case <-ctx.Done():
				return ctx.Err()
			case <-s.closed:
				return conn.Close(websocket.StatusNormalClosure, "") //nolint:wrapcheck // Run sees that it was closed
			}
			continue
		}
		last = m.number
		ctx, cancel := context.WithTimeout(ctx, writeTime)
		err := conn.Write(ctx, websocket.MessageText, m.data)
		cancel()
		if err != nil {
			return fmt.Errorf("signalling: send: %w", err)
		}
	}
}

// ping asks whether anybody is there.
func ping(ctx context.Context, conn *websocket.Conn) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(ctx, pingTime)
		err := conn.Ping(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("signalling: ping: %w", err)
		}
	}
}
