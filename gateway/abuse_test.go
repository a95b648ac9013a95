package gateway

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"streamstack/events/eventstest"
)

const (
	// abusedSockets are opened in all, so many at once; they share the sessions, so that they displace each other as well.
	abusedSockets, abusedAtOnce, abusedSessions = 1000, 25, 50
	// abuseWait bounds what a client waits for that wants to see the gateway's reaction.
	abuseWait = 2 * time.Minute
)

// rawSocket is a websocket's client that keeps to no rule.
type rawSocket struct {
	*net.TCPConn
	read *bufio.Reader
}

// dialRaw connects and, if the path is not empty, does the handshake: again while the gateway says that the log does not answer,
// as it does where the machine is busy with other things.
func dialRaw(ctx context.Context, host, path string) (s *rawSocket, status int, err error) {
	for end := time.Now().Add(abuseWait); ; {
		if s, status, err = dialOnce(ctx, host, path); err != nil || status != http.StatusServiceUnavailable || time.Now().After(end) {
			return s, status, err
		}
		_ = s.Close() // it was of no use
	}
}

func dialOnce(ctx context.Context, host, path string) (*rawSocket, int, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, 0, fmt.Errorf("dial: %w", err)
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, 0, errors.New("not TCP")
	}
	s := &rawSocket{tcp, bufio.NewReader(c)}
	if err := s.SetDeadline(time.Now().Add(abuseWait)); err != nil {
		return s, 0, fmt.Errorf("deadline: %w", err)
	}
	if path == "" {
		return s, 0, nil
	}
	if _, err := io.WriteString(s, handshake(host, path)); err != nil {
		return s, 0, fmt.Errorf("handshake: %w", err)
	}
	res, err := http.ReadResponse(s.read, nil)
	if err != nil {
		return s, 0, fmt.Errorf("handshake: %w", err)
	}
	_ = res.Body.Close() // the connection is closed later
	return s, res.StatusCode, nil
}

func handshake(host, path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// frame is one of RFC 6455, section 5.2, that claims length bytes; a mask of zeros leaves the payload readable.
func frame(first byte, masked bool, length uint64, payload string) string {
	b := []byte{first, 127}
	b = binary.BigEndian.AppendUint64(b, length)
	if masked {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0)
	}
	return string(b) + payload
}

func text(payload string) string { return frame(0x81, true, uint64(len(payload)), payload) }

// abuses are what clients do; each gets the host and the path of a socket. What the gateway does about it is not their
// matter, but for that it ends: a client that waits for that says so by an error if it does not.
var abuses = map[string]func(ctx context.Context, host, path string) error{
	"says discover and leaves in order": sends(text(`{"type":"discover"}`) + frame(0x88, true, 2, "\x03\xe8")),
	"closes without a word":             sends(""),
	"sends no frames":                   sends(strings.Repeat("GET / HTTP/1.1\r\n\r\n", 20)),
	"claims an endless frame":           endedBy(frame(0x81, true, 1<<62, "x")),
	"sends too long a message":          endedBy(text(`{"type":"x","y":"` + strings.Repeat("y", 200<<10) + `"}`)),
	"floods":                            endedBy(strings.Repeat(text("x"), 5000)),
	"floods with pings":                 sends(strings.Repeat(frame(0x89, true, 4, "ping"), 500)),
	"sends binary":                      sends(strings.Repeat(frame(0x82, true, 3, "\x00\xff\x01"), 10)),
	"sends what is no JSON":             sends(text("{") + text("[]") + text(`"x"`) + text("\xff\xfe") + text(`{"type":1}`)),
	"sends an offer that is none":       endedBy(text(`{"type":"answer","sdp":"%%%"}`)),
	"does not mask":                     endedBy(frame(0x81, false, 2, "{}")),
	"uses a reserved opcode":            endedBy(frame(0x83, true, 0, "")),
	"begins with a continuation":        endedBy(frame(0x80, true, 0, "")),
	"never ends a fragmented message":   sends(frame(0x01, true, 5, `{"typ`)),
	"leaves in the middle of a frame":   sends(frame(0x81, true, 100, "ten bytes.")),
	"closes with a bad code":            endedBy(frame(0x88, true, 2, "\x00\x01")),
	"resets the connection": func(ctx context.Context, host, path string) error {
		s, _, err := dialRaw(ctx, host, path)
		if err != nil {
			return err
		}
		return errors.Join(s.SetLinger(0), s.Close())
	},
	"shuts its half": func(ctx context.Context, host, path string) error {
		s, _, err := dialRaw(ctx, host, path)
		if err != nil {
			return err
		}
		return errors.Join(s.CloseWrite(), s.drained(), s.Close())
	},
	"sends half a request": func(ctx context.Context, host, path string) error {
		s, _, err := dialRaw(ctx, host, "")
		if err != nil {
			return err
		}
		_, err = io.WriteString(s, handshake(host, path)[:60])
		return errors.Join(err, s.Close())
	},
	"leaves before the answer": func(ctx context.Context, host, path string) error {
		s, _, err := dialRaw(ctx, host, "")
		if err != nil {
			return err
		}
		_, err = io.WriteString(s, handshake(host, path))
		return errors.Join(err, s.Close())
	},
	"has a wrong token": func(ctx context.Context, host, path string) error {
		s, status, err := dialRaw(ctx, host, path[:len(path)-5]+"AAAAA")
		if err == nil && status != http.StatusUnauthorized {
			err = fmt.Errorf("a wrong token is answered with %d", status)
		}
		return errors.Join(err, s.Close())
	},
	"comes twice with one token": func(ctx context.Context, host, path string) error {
		first, _, err := dialRaw(ctx, host, path)
		if err != nil {
			return err
		}
		second, _, err := dialRaw(ctx, host, path)
		if err != nil {
			return errors.Join(err, first.Close())
		}
		return errors.Join(first.drained(), first.Close(), second.Close())
	},
	"does not read": func(ctx context.Context, host, path string) error {
		s, _, err := dialRaw(ctx, host, path)
		if err != nil {
			return err
		}
		err = s.SetReadBuffer(4 << 10)
		if _, werr := io.WriteString(s, strings.Repeat(frame(0x89, true, 100, strings.Repeat("p", 100)), 2000)); werr != nil {
			err = nil // it was cut off
		}
		return errors.Join(err, s.Close())
	},
}

// sends is an abuse that sends and leaves.
func sends(what string) func(context.Context, string, string) error {
	return func(ctx context.Context, host, path string) error {
		s, _, err := dialRaw(ctx, host, path)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(s, what) // the gateway may have cut it off
		return s.Close()
	}
}

// endedBy is an abuse that the gateway must end by itself.
func endedBy(what string) func(context.Context, string, string) error {
	return func(ctx context.Context, host, path string) error {
		s, _, err := dialRaw(ctx, host, path)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(s, what) // the gateway may cut it off meanwhile
		return errors.Join(s.drained(), s.Close())
	}
}

// drained reads until the gateway has closed; that it did not in time is the error.
func (s *rawSocket) drained() error {
	var timeout net.Error
	if _, err := io.Copy(io.Discard, s.read); errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("the gateway did not end it")
	}
	return nil
}

// held is what a process holds.
type held struct{ goroutines, sockets, subscriptions, views, places int }

// holds counts it; places are those that limits have given out.
func (r *replica) holds() (h held) {
	h = held{goroutines: runtime.NumGoroutine(), subscriptions: r.cfg.Log.Conn().NumSubscriptions(), places: r.bounds.sockets.All()}
	files, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(r.stack.t, err)
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil && strings.HasPrefix(to, "socket:") { // the log's own files come and go
			h.sockets++
		}
	}
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	h.views = len(r.hub.all)
	return h
}

// A thousand sockets are opened, abused in every way there is, and closed. Then there are as many goroutines, open sockets,
// subscriptions, views and places as before, and the gateway serves as ever. Not parallel: it counts what the process has.
func TestAbuse(t *testing.T) {
	r := house(t, func(g *Gateway) {
		g.times.writeWait, g.times.closeWait = 500*time.Millisecond, 200*time.Millisecond
		// A client that stays within a frame for ever cannot answer.
		g.times.pingEvery, g.times.pingWait = time.Second, time.Second
	})
	host := strings.TrimPrefix(r.url, "http://")
	var paths []string
	for i := range abusedSessions {
		c := r.create()
		if i%10 == 0 { // these have something to say that a client must read
			r.stack.ready(c.ID, r)
			r.stack.talkative(c.ID)
		}
		_, rest, _ := strings.Cut(c.URL, host)
		paths = append(paths, rest)
	}
	var names []string
	for name := range abuses {
		names = append(names, name)
	}
	abuse := func(n int) {
		group, ctx := errgroup.WithContext(t.Context())
		group.SetLimit(abusedAtOnce)
		var mu sync.Mutex
		for i := range n {
			group.Go(func() error {
				name := names[i%len(names)]
				if err := abuses[name](ctx, host, paths[i%len(paths)]); err != nil {
					mu.Lock()
					defer mu.Unlock()
					t.Errorf("a client that %s: %v", name, err)
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
	}
	settled := func(most held) {
		eventstest.Wait(t, 3*within, func() string {
			now := r.holds()
			// The NATS server's housekeeping comes and goes.
			if now.goroutines > most.goroutines+3 || now.sockets > most.sockets || now.subscriptions > most.subscriptions || now.views > 0 || now.places > 0 {
				return fmt.Sprintf("%+v to be %+v again", now, most)
			}
			return ""
		})
	}
	first := r.holds()
	abuse(len(names)) // what is made once and kept is made now
	settled(held{first.goroutines + 5, first.sockets, first.subscriptions + 1, 0, 0})
	before := r.holds()
	abuse(abusedSockets)
	settled(before)
	t.Logf("before %+v, after %+v", before, r.holds())
	last := r.create()
	b := dial(t, last.URL)
	r.stack.ready(last.ID)
	b.send(`{"type":"discover"}`)
	require.Equal(t, "resp:discover", b.receive().Type)
}
