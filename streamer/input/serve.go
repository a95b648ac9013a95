package input

import (
	"context"
	"errors"
	"fmt"
	"image"
	"time"

	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/control"
)

// readEvents takes what the server sends, errors and the screen's size, until the connection ends.
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
		if e, ok := event.(xproto.ConfigureNotifyEvent); ok && e.Window == d.root {
			select {
			case <-d.size: // only the last counts
			default:
			}
			d.size <- image.Pt(int(e.Width), int(e.Height))
		}
	}
}

// run owns the state and the connection.
func (d *Device) run(ctx context.Context) {
	defer close(d.done)
	watchdog := time.NewTicker(d.state.holdLimit / checksPerHoldLimit)
	defer watchdog.Stop()
	err := d.serve(ctx, watchdog.C)
	d.player.close()
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
			return fmt.Errorf("input: %w", d.conn.Lost())
		case size := <-d.size:
			d.state.width, d.state.height = size.X, size.Y
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
			d.releases.Add(-1)
			events = append(events, d.state.releaseAll()...)
			d.typist.composing = nil
			released = append(released, c.released)
			if c.screen != (image.Point{}) {
				d.state.width, d.state.height = c.screen.X, c.screen.Y
			}
			continue
		}
		if d.void() {
			continue
		}
		keysyms, text := d.typist.keysyms(c.message)
		if !text {
			if places(c.message) {
				d.typist.composing = nil
			}
			events = append(events, d.state.apply(c.message, time.Now())...)
			continue
		}
		if err := d.write(ctx, events, keysyms); err != nil {
			return err
		}
		events = nil
	}
	if err := d.inject(ctx, events); err != nil {
		return err
	}
	for _, r := range released {
		close(r)
	}
	return nil
}

// write types text after the events that come before it. Modifiers are up meanwhile, so that it is no shortcut.
func (d *Device) write(ctx context.Context, before []fakeEvent, keysyms []xproto.Keysym) error {
	up, down := d.state.liftModifiers()
	if err := d.inject(ctx, append(before, up...)); err != nil {
		return err
	}
	if err := d.typist.write(ctx, keysyms, d.closing, d.void); err != nil {
		return err
	}
	return d.inject(ctx, down)
}

// void tells that the client whose input this is has gone: another one is not to wait for a long text of it.
func (d *Device) void() bool { return d.releases.Load() > 0 }

// places tells whether a message may move an application's cursor, so that what was being composed is no longer before it.
func places(message control.Message) bool {
	switch m := message.(type) {
	case control.Key:
		return m.Pressed
	case control.MouseButton:
		return m.Pressed
	case control.TouchStart:
		return true
	}
	return false
}

// inject plays the events and waits until the server has taken them.
func (d *Device) inject(ctx context.Context, events []fakeEvent) error {
	return d.player.play(ctx, events, d.state.width, d.state.height)
}
