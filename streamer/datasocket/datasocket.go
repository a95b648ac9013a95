// Package datasocket gives the page's own data channels to programs in the instance: a Unix stream socket for each
// (control-channel.md, section 13).
//
// The socket is FOLDER/webrtc_data_CHANNEL. It is there from the channel's opening to its end. A program connects, reads what
// the page sent as bytes, and what it writes goes to the page: what was read in one go is one message, a string where it is
// UTF-8, else binary, so that the bytes are the same either way.
//
// One program is served at a time; another is let in when the first has gone, and refused, by being closed, while it is there.
// Messages that come while nobody is connected are kept up to 64 KiB, the oldest dropped first, and given to the next program.
//
// # Back-pressure
//
// A program that reads slowly makes the page's queue grow (RTCDataChannel.bufferedAmount), and a page that reads slowly
// makes the program's writes wait; in between are some megabytes at most. A client's channels share one SCTP window, the
// control channel's too, so the page is held back only while the program takes some of what is pushed at it: one that takes less than
// 256 KiB in 0.3 s while 4 MiB wait for it loses the channel, which the page sees close (package peer, inbox.go). The input is
// delayed by up to that each time the 4 MiB are full: once by a program that has stopped, again and again by one that takes just
// enough. With less to wait for it, a program that takes nothing for [Stall] is disconnected, and
// sees by the end of its connection that bytes are missing.
package datasocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// Stall is how long a program may take nothing of what the page sends.
const Stall = 5 * time.Second

const (
	// maxHeld bounds what is kept while no program is connected, in bytes.
	maxHeld = 64 << 10
	// chunk is how much of what a program writes becomes one message at most, in bytes; every browser takes it.
	chunk = 16 << 10
	// holdTime is how long the beginning of a character waits for its end.
	holdTime = 20 * time.Millisecond
	// handOver is how long a second program waits for the first to be gone: one that restarts is as quick as its end.
	handOver = time.Second
)

// Channel is a data channel to the page, such as a peer.Channel. Receive returns an error when it has ended.
type Channel interface {
	Label() string
	Receive() (data []byte, text bool, err error)
	Send(ctx context.Context, data []byte, text bool) error
}

// Config says where the sockets are.
type Config struct {
	// Folder holds the sockets; it is made if it does not exist.
	Folder string
	Log    *slog.Logger
	// Stall is how long a program may take nothing; zero means [Stall].
	Stall time.Duration
}

// Stats count what passed a bridge.
type Stats struct {
	// ToPage and ToProgram are bytes delivered, Dropped those of the page that no program took.
	ToPage, ToProgram, Dropped uint64
}

// Serve bridges a channel until it ends or ctx does, whichever is first; the owner also closes the channel's peer to make
// Receive return. When it returns the socket is gone and no goroutine is left. The error tells why there was no socket.
func Serve(ctx context.Context, cfg Config, ch Channel) (Stats, error) {
	if cfg.Stall == 0 {
		cfg.Stall = Stall
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l, remove, err := listen(ctx, cfg.Folder, "webrtc_data_"+ch.Label())
	if err != nil {
		return Stats{}, err
	}
	b := &bridge{cfg: cfg, ch: ch, log: cfg.Log.With("channel", ch.Label())}
	context.AfterFunc(ctx, func() { _ = l.Close() }) // ends accept
	var work sync.WaitGroup
	work.Go(func() { b.accept(ctx, l) })
	b.receive(ctx)
	remove()
	cancel()
	work.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, message := range b.held {
		b.stats.Dropped += uint64(len(message))
	}
	return b.stats, nil
}

// bridge is one channel and its socket.
type bridge struct {
	cfg Config
	ch  Channel
	log *slog.Logger

	mu      sync.Mutex
	current *program // nil while nobody is connected
	held    [][]byte // for the next program
	size    int      // of held, in bytes
	stats   Stats
}

// receive takes the page's messages until the channel ends.
func (b *bridge) receive(ctx context.Context) {
	for {
		data, _, err := b.ch.Receive()
		if err != nil || ctx.Err() != nil {
			return
		}
		if len(data) > 0 { // an empty message has no bytes, and a stream no messages
			b.deliver(data)
		}
	}
}

// deliver writes a message to the program that is connected, or keeps it.
func (b *bridge) deliver(data []byte) {
	b.mu.Lock()
	p := b.current
	if p == nil {
		b.hold(data)
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.write(p, data)
}

// hold keeps a message for the next program. The caller holds the lock.
func (b *bridge) hold(data []byte) {
	b.held, b.size = append(b.held, data), b.size+len(data)
	for b.size > maxHeld {
		n := len(b.held[0])
		b.held, b.size = b.held[1:], b.size-n
		b.stats.Dropped += uint64(n)
	}
}

// write gives bytes to a program, which may take its time as long as it takes some. What one that has gone did not begin to take
// is kept for the next.
func (b *bridge) write(p *program, data []byte) {
	n, left, err := p.write(data, b.cfg.Stall)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.ToProgram += n
	if err == nil {
		return
	}
	b.leave(p)
	stalled := errors.Is(err, os.ErrDeadlineExceeded)
	for _, message := range left {
		if stalled {
			b.stats.Dropped += uint64(len(message))
		} else {
			b.hold(message)
		}
	}
	if stalled {
		b.log.Warn("a program that reads nothing from a data channel's socket is disconnected", "after", b.cfg.Stall)
	}
}

// accept lets programs in, one at a time.
func (b *bridge) accept(ctx context.Context, l *net.UnixListener) {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			if err == nil {
				_ = conn.Close() // too late
			}
			return
		}
		if err != nil {
			b.log.Warn("a program could not connect to a data channel's socket", "err", err)
			if pause(ctx, handOver) != nil {
				return
			}
			continue // such as too many open files
		}
		if !b.vacate(ctx) {
			b.log.Warn("a second program on a data channel's socket is refused: one is served at a time")
			_ = conn.Close() // which tells it
			continue
		}
		p := b.enter(ctx, conn)
		serving.Go(func() { b.serve(ctx, p) })
	}
}

// vacate waits for the program that is there to be gone. One that has closed its writing half makes room at once.
func (b *bridge) vacate(ctx context.Context) bool {
	b.mu.Lock()
	p := b.current
	b.mu.Unlock()
	if p == nil {
		return true
	}
	wait, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	select {
	case <-p.wrote:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.leave(p)
		return true
	case <-p.gone:
		return true
	case <-wait.Done():
		return false
	}
}

// enter makes a connection the current program. What was kept for it is written before anything newer: deliver waits for the
// lock of its writing.
func (b *bridge) enter(ctx context.Context, conn *net.UnixConn) *program {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := newProgram(ctx, conn, b.held)
	b.current, b.held, b.size = p, nil, 0
	return p
}

// leave ends a program's turn. The caller holds the lock.
func (b *bridge) leave(p *program) {
	if b.current == p {
		b.current = nil
	}
	p.close()
}

// serve carries what a program writes to the page, until it writes no more. It may read on.
func (b *bridge) serve(ctx context.Context, p *program) {
	b.write(p, nil) // what was kept
	sent, err := p.read(func(data []byte, text bool) error { return b.ch.Send(ctx, data, text) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.ToPage += sent
	if err != nil {
		b.log.Debug("a program left a data channel's socket", "err", err)
		b.leave(p)
	}
	close(p.wrote)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("datasocket: %w", ctx.Err())
	}
}
