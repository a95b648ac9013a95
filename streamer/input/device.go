package input

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"sync"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"streamstack/streamer/control"
	"streamstack/streamer/input/xdisplay"
)

const (
	// HoldLimit is how long a key may be down without any message about it. Browsers repeat a held key every 30 to 50 ms, so only a key
	// whose release was lost, or that is held while others are typed, gets that old (neko uses the same 10 s).
	HoldLimit = 10 * time.Second
	// checksPerHoldLimit is how often the watchdog looks within HoldLimit.
	checksPerHoldLimit = 10
	// queueSize bounds the waiting commands: about two seconds of a mouse that reports 125 times a second.
	queueSize = 256
)

// ErrClosed tells that the device has been closed.
var ErrClosed = errors.New("input: closed")

// Device is the mouse and keyboard of one X display. Its methods may be called from any goroutine. It works until Close, or until the
// X server ends or is stuck: Done tells.
type Device struct {
	conn     *xdisplay.Conn
	root     xproto.Window
	log      *slog.Logger
	state    *state
	commands chan command

	closeOnce sync.Once
	closing   chan struct{}
	// serverGone is closed when the connection's events end.
	serverGone chan struct{}
	done       chan struct{}
	// err is why the device ended; written before done is closed.
	err error
}

// Open connects to a display of this machine, such as ":5". Width and height, in pixels, are those of the picture that the client sees,
// which is the whole screen: absolute positions are clamped to it. The context bounds the opening only.
func Open(ctx context.Context, display string, width, height int, log *slog.Logger) (*Device, error) {
	return open(ctx, display, newState(width, height, HoldLimit), log)
}

func open(ctx context.Context, display string, state *state, log *slog.Logger) (*Device, error) {
	if state.width < 1 || state.height < 1 {
		return nil, fmt.Errorf("input: a screen of %dx%d pixels: both must be at least 1", state.width, state.height)
	}
	conn, err := xdisplay.Dial(ctx, display)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if err := conn.Guard(ctx, func() error { return xtest.Init(conn.Conn) }); err != nil {
		conn.Abort()
		return nil, fmt.Errorf("input: the X server needs the XTEST extension: %w", err)
	}
	d := &Device{
		conn: conn, root: xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).Root, log: log, state: state,
		commands: make(chan command, queueSize),
		closing:  make(chan struct{}), serverGone: make(chan struct{}), done: make(chan struct{}),
	}
	go d.readEvents()
	go d.run(context.WithoutCancel(ctx)) // outlives the opening; Close ends it
	return d, nil
}

// Handle plays a message of the client; one that is not mouse or keyboard does nothing. It returns once the message is queued, and waits
// only while the queue is full. The error wraps the context's, ErrClosed, or the X server's end.
func (d *Device) Handle(ctx context.Context, message control.Message) error {
	switch message.(type) {
	case control.MouseMove, control.MouseButton, control.MouseWheel, control.Key:
		return d.send(ctx, command{message: message})
	}
	return nil
}

// ReleaseAll lets every key and button up and waits until that has happened: the client is gone. Its messages that still wait are
// dropped.
func (d *Device) ReleaseAll(ctx context.Context) error {
	return d.release(ctx, image.Point{})
}

// Resize tells that the screen has got another size, in pixels, and does what ReleaseAll does: what was down was so on another picture.
func (d *Device) Resize(ctx context.Context, width, height int) error {
	if width < 1 || height < 1 {
		return fmt.Errorf("input: a screen of %dx%d pixels: both must be at least 1", width, height)
	}
	return d.release(ctx, image.Pt(width, height))
}

func (d *Device) release(ctx context.Context, screen image.Point) error {
	released := make(chan struct{})
	if err := d.send(ctx, command{released: released, screen: screen}); err != nil {
		return err
	}
	select {
	case <-released:
		return nil
	case <-d.done:
		return d.Err()
	case <-ctx.Done():
		return fmt.Errorf("input: releasing: %w", ctx.Err())
	}
}

func (d *Device) send(ctx context.Context, c command) error {
	select {
	case <-d.done: // first: the queue might have room for what nobody will take
		return d.Err()
	default:
	}
	select {
	case d.commands <- c:
		return nil
	case <-d.done:
		return d.Err()
	case <-ctx.Done():
		return fmt.Errorf("input: the queue is full: %w", ctx.Err())
	}
}

// Done is closed when the device has ended.
func (d *Device) Done() <-chan struct{} { return d.done }

// Err tells why the device ended: ErrClosed, or what happened to the X server. It is nil before Done.
func (d *Device) Err() error {
	select {
	case <-d.done:
		return d.err
	default:
		return nil
	}
}

// Close lets everything up and ends the device. It takes no longer than xdisplay.Limit, whatever the X server does, and may be called
// more than once. The error is that of a server that was gone before.
func (d *Device) Close() error {
	d.closeOnce.Do(func() { close(d.closing) })
	<-d.done
	if errors.Is(d.err, ErrClosed) {
		return nil
	}
	return d.err
}

// readEvents takes what the server sends, which is nothing but errors, until the connection ends.
func (d *Device) readEvents() {
	defer close(d.serverGone)
	for {
		event, xerr := d.conn.WaitForEvent()
		if event == nil && xerr == nil {
			return
		}
		if xerr != nil {
			d.log.Warn("input: the X server refused an event", "error", xerr.Error())
		}
	}
}

// run owns the state and the connection.
func (d *Device) run(ctx context.Context) {
	defer close(d.done)
	watchdog := time.NewTicker(d.state.holdLimit / checksPerHoldLimit)
	defer watchdog.Stop()
	err := d.serve(ctx, watchdog.C)
	d.conn.Abort()
	<-d.serverGone
	d.err = err
	if !errors.Is(err, ErrClosed) {
		d.log.Warn("input: ended", "error", err)
	}
}

func (d *Device) serve(ctx context.Context, watchdog <-chan time.Time) error {
	for {
		var err error
		select {
		case <-d.closing:
			if err := d.inject(ctx, d.state.releaseAll()); err != nil {
				return err
			}
			return ErrClosed
		case <-d.serverGone:
			return fmt.Errorf("input: %w", xdisplay.ErrGone)
		case now := <-watchdog:
			expired := d.state.expire(now)
			if len(expired) > 0 {
				d.log.Info("input: released keys that no message confirmed", "keys", len(expired), "limit", d.state.holdLimit)
			}
			err = d.inject(ctx, expired)
		case first := <-d.commands:
			err = d.perform(ctx, coalesce(d.waiting(first)))
		}
		if err != nil {
			return err
		}
	}
}

// waiting gives the command with all that wait behind it.
func (d *Device) waiting(first command) []command {
	batch := []command{first}
	for len(batch) < queueSize {
		select {
		case c := <-d.commands:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

func (d *Device) perform(ctx context.Context, batch []command) error {
	var events []fakeEvent
	var released []chan struct{}
	for _, c := range batch {
		if c.released != nil {
			events = append(events, d.state.releaseAll()...)
			released = append(released, c.released)
			if c.screen != (image.Point{}) {
				d.state.width, d.state.height = c.screen.X, c.screen.Y
			}
			continue
		}
		events = append(events, d.state.apply(c.message, time.Now())...)
	}
	if err := d.inject(ctx, events); err != nil {
		return err
	}
	for _, r := range released {
		close(r)
	}
	return nil
}

// inject sends the events and waits until the server has taken them: so a slow server makes moves wait, and be merged, here.
func (d *Device) inject(ctx context.Context, events []fakeEvent) error {
	if len(events) == 0 {
		return nil
	}
	for _, e := range events {
		xtest.FakeInput(d.conn.Conn, e.kind, e.detail, xproto.TimeCurrentTime, d.root, e.x, e.y, 0)
	}
	if err := d.conn.RoundTrip(ctx); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	return nil
}
