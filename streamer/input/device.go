package input

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jezek/xgb/xproto"

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
	player   *player
	typist   *typist
	commands chan command
	// size is the screen's after a change of it, until the owner has taken it.
	size chan image.Point

	can abilities // as in state, for any goroutine

	// releases is how many releases are waited for: all input before them is void, also what is being played.
	releases atomic.Int32

	closeOnce sync.Once
	closing   chan struct{}
	// serverGone is closed when the connection's events end.
	serverGone chan struct{}
	done       chan struct{}
	// err is why the device ended; written before done is closed.
	err error
}

// Open connects to a display of this machine, such as ":5". Width and height, in pixels, are those of the picture that the client sees,
// which is the whole screen: absolute positions are clamped to it. When the screen's size changes, the limits follow it. The context
// bounds the opening only.
//
// The folder has the sockets "mouse" and "touch" of the display's inputtest devices; it is empty for a display that has none. What is
// missing is logged, and does less: fingers are the mouse then, and wheels turn by whole notches. Abilities tells.
func Open(ctx context.Context, display, folder string, width, height int, log *slog.Logger) (*Device, error) {
	return open(ctx, display, folder, newState(width, height, HoldLimit), log)
}

func open(ctx context.Context, display, folder string, state *state, log *slog.Logger) (*Device, error) {
	if state.width < 1 || state.height < 1 {
		return nil, fmt.Errorf("input: a screen of %dx%d pixels: both must be at least 1", state.width, state.height)
	}
	conn, err := xdisplay.Dial(ctx, display)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if err := conn.Guard(ctx, func() error { return conn.Use(xdisplay.XTest) }); err != nil {
		conn.Abort()
		return nil, fmt.Errorf("input: the X server needs the XTEST extension: %w", err)
	}
	root := xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).Root
	xproto.ChangeWindowAttributes(conn.Conn, root, xproto.CwEventMask, []uint32{xproto.EventMaskStructureNotify})
	player, missing := newPlayer(ctx, conn, root, folder)
	if missing != nil {
		log.Info("input: fingers are the mouse, or wheels turn by whole notches only", "reason", missing)
	}
	state.can = abilities{touch: player.touch != nil, scroll: player.mouse != nil}
	d := &Device{
		conn: conn, root: root, log: log, state: state, can: state.can, player: player, typist: newTypist(conn, root),
		commands: make(chan command, queueSize), size: make(chan image.Point, 1),
		closing: make(chan struct{}), serverGone: make(chan struct{}), done: make(chan struct{}),
	}
	go d.readEvents()
	go d.run(context.WithoutCancel(ctx)) // outlives the opening; Close ends it
	return d, nil
}

// Touch tells whether the display has a touch screen; without one the first finger is the mouse.
func (d *Device) Touch() bool { return d.can.touch }

// SmoothScroll tells whether the wheel can turn by less than a notch.
func (d *Device) SmoothScroll() bool { return d.can.scroll }

// Handle plays a message of the client; one that is not mouse, touch, keyboard or text does nothing. It returns once the message is queued, and waits
// only while the queue is full. The error wraps the context's, ErrClosed, or the X server's end.
func (d *Device) Handle(ctx context.Context, message control.Message) error {
	switch message.(type) {
	case control.MouseMove, control.MouseButton, control.MouseWheel, control.MouseScroll, control.Key,
		control.TouchStart, control.TouchMove, control.TouchEnd,
		control.IMEText, control.IMEKey, control.IMEComposing, control.IMERegion:
		return d.send(ctx, command{message: message})
	}
	return nil
}

// ReleaseAll lets every key, button and finger up and waits until that has happened: the client is gone. Its messages that still wait are
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
	d.releases.Add(1)
	if err := d.send(ctx, command{released: released, screen: screen}); err != nil {
		d.releases.Add(-1)
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
