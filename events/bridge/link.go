package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// window is how many bytes may be on their way in one direction, taken and not yet passed on: enough for 100 Mbit/s
	// over 20 ms, and little enough for many connections.
	window = 256 << 10
	// creditEvery is after how many bytes passed on the sender is told.
	creditEvery = window / 4
	// beatEvery is how often a side says that it is there, silence is when the other has gone.
	beatEvery, silence = 5 * time.Second, 20 * time.Second
	// openTime bounds the way to the port, openRetry is how often it is asked for: a message may be lost.
	openTime, openRetry = 10 * time.Second, 250 * time.Millisecond
	// drainTime bounds the passing on of what came before the other side's end.
	drainTime = 2 * time.Second
	// maxPending bounds what waits in the NATS client for one connection, in messages and bytes; beyond it messages are
	// dropped, which ends the connection. Frames without data come beside those of the window.
	maxPending, maxPendingBytes = 8 << 10, 4 * window
)

// Errors of a connection. Others are of the local stream, or of NATS.
var (
	// ErrRefused means that the streamer did not reach the port; the text says why.
	ErrRefused = errors.New("bridge: refused")
	// ErrEnded means that the other side ended the connection; the text says why.
	ErrEnded = errors.New("bridge: ended by the other side")
	// ErrLost means that bytes were lost on the way, or more came than was allowed.
	ErrLost = errors.New("bridge: bytes were lost")
	// ErrSilent means that the other side has gone without a word.
	ErrSilent = errors.New("bridge: nothing is heard of the other side")
)

// Stream is the local end of a connection. Read and Write are used by one goroutine each; Close ends both. A Read of 0
// bytes with [io.EOF] ends one direction only, as does CloseWrite for the other.
type Stream interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// Totals are the bytes that were carried: Out from the local stream to the other side, In the other way.
type Totals struct{ Out, In uint64 }

// link is one end of a connection.
type link struct {
	nc  *nats.Conn
	sub *nats.Subscription // what comes from the other side
	out string             // the subject towards it

	outgoing outgoing
	incoming incoming
	heard    heard
}

// listen makes a connection's end that hears what comes on one subject and says what it has to on the other. The caller
// must call close.
func listen(nc *nats.Conn, in, out string) (*link, error) {
	sub, err := nc.SubscribeSync(in)
	if err == nil {
		err = sub.SetPendingLimits(maxPending, maxPendingBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	l := &link{nc: nc, sub: sub, out: out, outgoing: outgoing{changed: newSignal()}, incoming: incoming{changed: newSignal()}}
	l.heard.now()
	return l, nil
}

func (l *link) close() { _ = l.sub.Unsubscribe() } // fails only when the connection is closed

func (l *link) send(f frame) error {
	if err := l.nc.Publish(l.out, f.encode()); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	return nil
}

// next is the other side's next frame.
func (l *link) next(ctx context.Context) (frame, error) {
	m, err := l.sub.NextMsgWithContext(ctx)
	if err != nil {
		return frame{}, fmt.Errorf("bridge: %w", err)
	}
	l.heard.now()
	return decode(m.Data)
}

// end tells the other side that it is over, and why.
func (l *link) end(why string) error {
	return l.send(frame{kind: kindEnd, data: []byte(why[:min(len(why), maxReason)])})
}

// run carries bytes until both directions have ended in order (nil), or something has gone wrong, which the other side is
// told. The local stream is closed when it returns.
func (l *link) run(ctx context.Context, local Stream) (Totals, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { _ = local.Close() }) // ends a Read or Write that waits
	defer stop()
	var loops, ways sync.WaitGroup
	part := func(f func(context.Context) error) func() {
		return func() {
			if err := f(ctx); err != nil {
				cancel(err) // the first one counts
			}
		}
	}
	loops.Go(part(l.receive))
	loops.Go(part(l.beat))
	ways.Go(part(func(ctx context.Context) error { return l.upload(ctx, local) }))
	ways.Go(part(func(ctx context.Context) error { return l.download(ctx, local) }))
	ways.Wait()
	err := context.Cause(ctx) // nil when both have ended in order
	cancel(nil)
	loops.Wait()
	_ = local.Close() // it may be closed already
	if err != nil && !errors.Is(err, ErrEnded) {
		err = errors.Join(err, l.end(reasonOf(err)))
	}
	return Totals{Out: l.outgoing.total(), In: l.incoming.total()}, err
}

// reasonOf words an error for the other side, without the addresses that errors of a socket have.
func reasonOf(err error) string {
	for _, known := range []error{ErrLost, ErrSilent} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the connection was closed"
}

// receive takes the other side's frames.
func (l *link) receive(ctx context.Context) error {
	for {
		f, err := l.next(ctx)
		if err != nil && !errors.Is(err, errFrame) && ctx.Err() == nil {
			return fmt.Errorf("%w: %w", ErrLost, err) // such as a slow consumer's
		}
		if err != nil {
			return err
		}
		switch f.kind {
		case kindData:
			err = l.incoming.add(f)
		case kindEOF:
			err = l.incoming.finish(f.number)
		case kindCredit:
			err = l.outgoing.credit(f.number)
		case kindEnd:
			return l.ended(ctx, fmt.Errorf("%w: %s", ErrEnded, f.data))
		case kindOpened, kindBeat:
		}
		if err != nil {
			return err
		}
	}
}

// ended has what came before the other side's end passed on, if that takes no long time.
func (l *link) ended(ctx context.Context, why error) error {
	l.incoming.fail(why)
	select {
	case <-ctx.Done():
	case <-time.After(drainTime):
	}
	return why
}

// beat says that this side is there, and looks whether the other is.
func (l *link) beat(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if l.heard.ago() > silence {
			return ErrSilent
		}
		if err := l.send(frame{kind: kindBeat}); err != nil {
			return err
		}
	}
}

// upload sends what the local stream has, as far as the other side has room.
func (l *link) upload(ctx context.Context, local Stream) error {
	buf := make([]byte, maxChunk)
	for {
		room, err := l.outgoing.wait(ctx)
		if err != nil {
			return err
		}
		n, rerr := local.Read(buf[:room])
		if n > 0 {
			if err := l.send(frame{kind: kindData, number: l.outgoing.take(n), data: buf[:n]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(rerr, io.EOF):
			return l.send(frame{kind: kindEOF, number: l.outgoing.total()})
		case rerr != nil:
			return fmt.Errorf("bridge: local end: %w", rerr)
		}
	}
}

// download passes on what came to the local stream, and tells how much.
func (l *link) download(ctx context.Context, local Stream) error {
	var told uint64
	for {
		chunk, err := l.incoming.wait(ctx)
		if errors.Is(err, io.EOF) {
			if err := local.CloseWrite(); err != nil {
				return fmt.Errorf("bridge: local end: %w", err)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := local.Write(chunk); err != nil {
			return fmt.Errorf("bridge: local end: %w", err)
		}
		if passed := l.incoming.pass(len(chunk)); passed-told >= creditEvery {
			told = passed
			if err := l.send(frame{kind: kindCredit, number: passed}); err != nil {
				return err
			}
		}
	}
}
