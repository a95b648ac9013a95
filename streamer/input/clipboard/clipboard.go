// Package clipboard shares the text of a display's clipboard (the selection CLIPBOARD) with whoever looks at the display: Set makes a text
// the clipboard's, Copied gives what applications copy. Only text, and at most MaxText bytes of it; the text itself is never logged.
//
// One goroutine owns the X connection. It is a client like others: it owns a selection and answers requests for it, or asks the owner
// (ICCCM 2.0, section 2); large texts go in parts (INCR, section 2.7.2). XFIXES 1.0 tells when somebody copies.
package clipboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/input/xdisplay"
)

const (
	// MaxText is the longest text in bytes, either way. What is longer stays where it is.
	MaxText = 512 << 10
	// transferLimit is how long the other side of a transfer in parts may take for one of them.
	transferLimit = 10 * time.Second
	// eventQueue is how many events may wait.
	eventQueue = 64
)

// Errors of Set.
var (
	ErrClosed   = errors.New("clipboard: closed")
	ErrTooLarge = fmt.Errorf("clipboard: more than %d bytes", MaxText)
)

// Clipboard is the clipboard of one X display, until Close or the X server's end. Its methods may be called from any goroutine.
type Clipboard struct {
	log    *slog.Logger
	set    chan setting
	copied chan string

	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{}
}

// setting asks the goroutine for a text; done is closed when the display has it.
type setting struct {
	text string
	done chan struct{}
}

// owner is what the goroutine has to itself.
type owner struct {
	*Clipboard
	conn   *xdisplay.Conn
	window xproto.Window
	atoms  atoms
	// text is what is ours in the selection; have tells whether it is.
	text string
	have bool
	// since is the request that made it ours, by its number: what tells of a loss before that comes too late.
	since uint16
	// out are the transfers in parts that we give, in the one that we get.
	out map[transferKey]*outgoing
	in  *incoming
	// last is what was handed on or taken last: the same again is no news.
	last string
}

// Open connects to a display of this machine, such as ":5". The context bounds the opening only.
func Open(ctx context.Context, display string, log *slog.Logger) (*Clipboard, error) {
	conn, err := xdisplay.Dial(ctx, display)
	if err != nil {
		return nil, fmt.Errorf("clipboard: %w", err)
	}
	o := &owner{
		Clipboard: &Clipboard{log: log, set: make(chan setting), copied: make(chan string, 1), closing: make(chan struct{}), done: make(chan struct{})},
		conn:      conn, out: map[transferKey]*outgoing{},
	}
	if err := conn.Guard(ctx, o.prepare); err != nil {
		conn.Abort()
		return nil, fmt.Errorf("clipboard: %w", err)
	}
	events := make(chan xgb.Event, eventQueue)
	go o.read(events)
	go o.run(context.WithoutCancel(ctx), events) // outlives the opening; Close ends it
	return o.Clipboard, nil
}

// prepare makes the window that owns and asks.
func (o *owner) prepare() error {
	c := o.conn.Conn
	if err := o.conn.Use(xdisplay.XFixes); err != nil {
		return fmt.Errorf("the X server needs the XFIXES extension: %w", err)
	}
	if _, err := xfixes.QueryVersion(c, 1, 0).Reply(); err != nil {
		return fmt.Errorf("XFIXES: %w", err)
	}
	var err error
	if o.atoms, err = intern(c); err != nil {
		return err
	}
	if o.window, err = xproto.NewWindowId(c); err != nil {
		return err //nolint:wrapcheck // says what it is
	}
	screen := xproto.Setup(c).DefaultScreen(c)
	xproto.CreateWindow(c, 0, o.window, screen.Root, 0, 0, 1, 1, 0, xproto.WindowClassInputOnly, screen.RootVisual,
		xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange})
	return xfixes.SelectSelectionInputChecked(c, o.window, o.atoms.clipboard, xfixes.SelectionEventMaskSetSelectionOwner).Check() //nolint:wrapcheck // likewise
}

// Set makes a text the clipboard's, which it is when Set returns: a key pressed from then on pastes it. It waits no longer than the X server
// may take. Errors: ErrTooLarge, ErrClosed, the context's.
func (c *Clipboard) Set(ctx context.Context, text string) error {
	if len(text) > MaxText {
		return ErrTooLarge
	}
	s := setting{text, make(chan struct{})}
	select {
	case c.set <- s:
	case <-c.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("clipboard: %w", ctx.Err())
	}
	select {
	case <-s.done:
		return nil
	case <-c.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("clipboard: %w", ctx.Err())
	}
}

// Copied gives what applications copy. Only the last text waits to be taken. It is never closed: Done tells the end.
func (c *Clipboard) Copied() <-chan string { return c.copied }

// Done is closed when the clipboard has ended.
func (c *Clipboard) Done() <-chan struct{} { return c.done }

// Close ends the clipboard; a text of ours goes with it. It may be called more than once.
func (c *Clipboard) Close() {
	c.closeOnce.Do(func() { close(c.closing) })
	<-c.done
}

// read hands the events on until the connection ends.
func (o *owner) read(events chan<- xgb.Event) {
	defer close(events)
	for {
		event, xerr := o.conn.WaitForEvent()
		switch {
		case event != nil:
			events <- event // taken until events is closed
		case xerr != nil: // a requestor's window that has gone, most likely
			o.log.Debug("clipboard: the X server refused a request", "error", xerr.Error())
		default:
			return
		}
	}
}

func (o *owner) run(ctx context.Context, events <-chan xgb.Event) {
	defer close(o.done)
	defer func() {
		o.conn.Abort()
		for range events {
		}
	}()
	tick := time.NewTicker(transferLimit)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-o.closing:
			return
		case event, ok := <-events:
			if !ok {
				return // the X server is gone, which others tell
			}
			err = o.conn.Guard(ctx, func() error { return o.take(event) })
		case s := <-o.set:
			o.text, o.last, o.have = s.text, s.text, true
			o.since = xproto.SetSelectionOwner(o.conn.Conn, o.window, o.atoms.clipboard, xproto.TimeCurrentTime).Sequence
			if err = o.conn.RoundTrip(ctx); err == nil {
				close(s.done)
			}
		case now := <-tick.C:
			o.expire(now)
		}
		if err != nil {
			o.log.Warn("clipboard: ended", "error", err)
			return
		}
	}
}

func (o *owner) take(event xgb.Event) error {
	switch e := event.(type) {
	case xfixes.SelectionNotifyEvent:
		if e.Owner != o.window && e.Owner != 0 {
			o.ask(o.atoms.utf8)
		}
	case xproto.SelectionNotifyEvent:
		return o.answered(e)
	case xproto.SelectionRequestEvent:
		o.requested(e)
	case xproto.SelectionClearEvent:
		if int16(e.Sequence-o.since) >= 0 {
			o.text, o.have = "", false
		}
	case xproto.PropertyNotifyEvent:
		if e.Window == o.window {
			return o.arrived(e)
		}
		o.wanted(e)
	}
	return nil
}

// expire gives up transfers whose other side has stopped.
func (o *owner) expire(now time.Time) {
	for key, t := range o.out {
		if now.Sub(t.touched) > transferLimit {
			o.end(key)
		}
	}
	if o.in != nil && now.Sub(o.in.touched) > transferLimit {
		o.in = nil
	}
}

// hand gives a copied text to whoever takes it.
func (o *owner) hand(text string) {
	if text == o.last || text == "" {
		return
	}
	o.last = text
	select {
	case <-o.copied: // nobody took the one before
	default:
	}
	o.copied <- text
}
