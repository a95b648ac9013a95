package testcard

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/input/xdisplay"
)

// MaxFPS bounds the frame rate: more than any screen shows.
const MaxFPS = 240

// eventQueue is how many events may wait for the main loop, which takes all of them before each frame.
const eventQueue = 256

// Config tells where and how to run.
type Config struct {
	// Display is the X display, such as ":5".
	Display string
	// FPS is the number of frames a second, 1 to MaxFPS.
	FPS int
	// PulseServer is the sound server in PulseAudio's notation (as PULSE_SERVER); empty for no sound.
	PulseServer string
}

// app is a running test card. One goroutine, that of Run, owns all of it.
type app struct {
	config  Config
	log     *slog.Logger
	canvas  *canvas
	painter *painter
	status  status
	// lastRelease tells auto-repeat from real presses: X makes up a release before each, with the same time.
	lastRelease xproto.KeyReleaseEvent
}

// Run shows the card until ctx ends, which is no error, or the display goes away, which is one. Without sound it goes on silently.
func Run(ctx context.Context, config Config, log *slog.Logger) error {
	if config.FPS < 1 || config.FPS > MaxFPS {
		return fmt.Errorf("testcard: %d frames a second: choose 1 to %d", config.FPS, MaxFPS)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan xgb.Event, eventQueue)
	conn, err := xdisplay.DialGeneric(ctx, config.Display, func(raw []byte) { takeTouch(ctx, raw, events) })
	if err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	go readEvents(ctx, conn, events, log)
	sound := make(chan struct{})
	go func() {
		defer close(sound)
		playTone(ctx, config.PulseServer, log)
	}()
	defer func() { // everything that was started has ended when Run returns
		cancel()
		conn.Abort()
		for range events {
		}
		<-sound
	}()

	a := &app{config: config, log: log}
	if err = a.serve(ctx, conn, events); ctx.Err() != nil {
		return nil // asked to end; errors are its consequence
	}
	if errors.Is(err, xdisplay.ErrGone) {
		return fmt.Errorf("testcard: display %s went away, the X server has ended or crashed: %w", config.Display, err)
	}
	return err
}

// readEvents hands the server's events on until the connection ends.
func readEvents(ctx context.Context, conn *xdisplay.Conn, events chan<- xgb.Event, log *slog.Logger) {
	defer close(events)
	for {
		event, xerr := conn.WaitForEvent()
		switch {
		case event != nil:
			select {
			case events <- event:
			case <-ctx.Done():
			}
		case xerr != nil:
			log.Warn("testcard: the X server refused a request", "error", xerr.Error())
		default:
			return
		}
	}
}

func (a *app) serve(ctx context.Context, conn *xdisplay.Conn, events <-chan xgb.Event) error {
	var err error
	if a.canvas, err = newCanvas(ctx, conn); err != nil {
		return err
	}
	if a.status.pointer, err = a.queryPointer(ctx); err != nil {
		return err
	}
	a.selectTouch(ctx)
	a.painter = newPainter(a.canvas, a.config.FPS)
	a.log.Info("testcard: running", "width", a.canvas.size.X, "height", a.canvas.size.Y, "fps", a.config.FPS)

	began := time.Now()
	period := time.Second / time.Duration(a.config.FPS)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-events:
			if !ok {
				return xdisplay.ErrGone
			}
			pressed, err := a.take(ctx, event)
			if err != nil {
				return err
			}
			if !pressed {
				continue // shown with the next frame
			}
			if err := a.painter.show(ctx, &a.status); err != nil { // at once: benchmarks measure the time from here to the picture
				return err
			}
		case now := <-ticker.C:
			// A frame's number is its place in time: when frames are late some are left out.
			frame := uint32((now.Sub(began) + period/2) / period)
			if err := a.painter.draw(ctx, frame, time.Now(), &a.status); err != nil {
				return err
			}
		}
	}
}

func (a *app) queryPointer(ctx context.Context) (image.Point, error) {
	var at image.Point
	err := a.canvas.conn.Guard(ctx, func() error {
		reply, err := xproto.QueryPointer(a.canvas.conn.Conn, a.canvas.screen.Root).Reply()
		if err == nil {
			at = image.Pt(int(reply.RootX), int(reply.RootY))
		}
		return err
	})
	if err != nil {
		return at, fmt.Errorf("testcard: %w", err)
	}
	return at, nil
}

// take follows an event, and tells whether it was a press.
func (a *app) take(ctx context.Context, event xgb.Event) (pressed bool, err error) {
	switch e := event.(type) {
	case touchEvent:
		return a.touched(e), nil
	case xproto.KeyPressEvent:
		return a.keyPress(ctx, e)
	case xproto.KeyReleaseEvent:
		a.lastRelease = e
	case xproto.ButtonPressEvent:
		a.status.pointer = image.Pt(int(e.RootX), int(e.RootY))
		a.status.clicks++
		a.status.button = byte(e.Detail)
		return true, nil
	case xproto.MotionNotifyEvent:
		a.status.pointer = image.Pt(int(e.RootX), int(e.RootY))
	case xproto.ExposeEvent:
		a.canvas.expose(image.Rect(int(e.X), int(e.Y), int(e.X)+int(e.Width), int(e.Y)+int(e.Height)))
	case xproto.ConfigureNotifyEvent: // the root window's: the screen has another size
		size := image.Pt(int(e.Width), int(e.Height))
		if e.Window != a.canvas.screen.Root || size == a.canvas.size {
			return false, nil
		}
		if err := a.canvas.resize(size); err != nil {
			return false, err
		}
		a.painter = newPainter(a.canvas, a.config.FPS)
		a.log.Info("testcard: the screen has a new size", "width", size.X, "height", size.Y)
	}
	return false, nil
}

func (a *app) keyPress(ctx context.Context, e xproto.KeyPressEvent) (pressed bool, err error) {
	if a.lastRelease.Detail == e.Detail && a.lastRelease.Time == e.Time {
		return false, nil // auto-repeat
	}
	err = a.canvas.conn.Guard(ctx, func() error {
		reply, err := xproto.GetKeyboardMapping(a.canvas.conn.Conn, e.Detail, 1).Reply()
		if err == nil && len(reply.Keysyms) > 0 {
			a.status.keyName = keyName(reply.Keysyms[0])
			if r := typed(reply.Keysyms, e.State); r != 0 {
				a.status.text = r
			}
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("testcard: %w", err)
	}
	a.status.keys++
	a.status.keycode = byte(e.Detail)
	return true, nil
}
