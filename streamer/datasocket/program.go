package datasocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// program is one connection of a program.
type program struct {
	conn *net.UnixConn

	writing sync.Mutex
	first   [][]byte // what comes before everything else; guarded by writing once it is served

	wrote chan struct{} // closed when the program writes no more
	gone  chan struct{} // closed with the connection
	once  sync.Once
	stop  func() bool // ends the watching for the bridge's end
}

// newProgram takes a connection, which ends with ctx.
func newProgram(ctx context.Context, conn *net.UnixConn, first [][]byte) *program {
	p := &program{conn: conn, first: first, wrote: make(chan struct{}), gone: make(chan struct{})}
	p.stop = context.AfterFunc(ctx, p.disconnect)
	return p
}

func (p *program) close() {
	p.stop()
	p.disconnect()
}

func (p *program) disconnect() {
	p.once.Do(func() {
		_ = p.conn.Close() // whoever uses it sees that
		close(p.gone)
	})
}

// write writes what was kept, and then data. It tells how many bytes were written, and returns messages of which nothing was. It
// fails when the program takes nothing for as long as stall.
func (p *program) write(data []byte, stall time.Duration) (n uint64, left [][]byte, err error) {
	p.writing.Lock()
	defer p.writing.Unlock()
	queue := p.first
	p.first = nil
	if len(data) > 0 {
		queue = append(queue, data)
	}
	for len(queue) > 0 {
		done, err := p.writeOne(queue[0], stall)
		n += uint64(done)
		if err != nil && done == 0 {
			return n, queue, err
		}
		queue = queue[1:]
		if err != nil {
			return n, queue, err
		}
	}
	return n, nil, nil
}

func (p *program) writeOne(data []byte, stall time.Duration) (done int, err error) {
	for done < len(data) {
		if err := p.conn.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return done, fmt.Errorf("datasocket: %w", err)
		}
		n, err := p.conn.Write(data[done:])
		done += n
		if errors.Is(err, os.ErrDeadlineExceeded) && n > 0 {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return done, fmt.Errorf("datasocket: it has read nothing for %v while the page sends: %w", stall, err)
		}
		if err != nil {
			return done, fmt.Errorf("datasocket: %w", err)
		}
	}
	return done, nil
}

// read gives what the program writes to send, until its end; it returns nil when the program has closed only this half.
func (p *program) read(send func(data []byte, text bool) error) (sent uint64, err error) {
	buffer := make([]byte, chunk)
	held := 0
	for {
		var wait time.Time
		if held > 0 {
			wait = time.Now().Add(holdTime)
		}
		if err := p.conn.SetReadDeadline(wait); err != nil {
			return sent, fmt.Errorf("datasocket: %w", err)
		}
		n, failed := p.conn.Read(buffer[held:])
		whole := buffer[:held+n]
		out, text := whole, false
		if failed == nil {
			out, text = cutText(whole)
		}
		if len(out) > 0 {
			if err := send(out, text); err != nil {
				return sent, err
			}
			sent += uint64(len(out))
		}
		held = copy(buffer, whole[len(out):])
		switch {
		case errors.Is(failed, io.EOF):
			return sent, nil
		case failed != nil && !errors.Is(failed, os.ErrDeadlineExceeded):
			return sent, fmt.Errorf("datasocket: %w", failed)
		}
	}
}
