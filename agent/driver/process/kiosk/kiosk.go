// Package kiosk is a window manager for a screen that shows one application.
//
// Without one, programs choose sizes of their own, and keys go where the pointer happens to be. Here every top-level
// window gets the whole screen, without a frame, and follows when the screen's size changes (RandR); dialogs, and
// windows of a fixed size, keep theirs and are centred. The window mapped last has the keyboard; when it goes, the
// one before has it again; a click into another takes it there. Menus and tooltips (override-redirect) are left alone.
//
// Of the conventions it keeps what programs wait for: WM_STATE and WM_TAKE_FOCUS (ICCCM 4.1), and the supporting
// window, active window and full-screen state of the Extended Window Manager Hints 1.5.
package kiosk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// Manager manages one display's windows. Its state belongs to the goroutine in Run.
type Manager struct {
	conn   *xgb.Conn
	closer io.Closer
	log    *slog.Logger

	root          xproto.Window
	width, height uint16 // of the screen
	atoms         atoms
	check         xproto.Window // EWMH's supporting window, ours
	windows       []*window     // bottom to top; the last one has the keyboard
}

// window is a mapped top-level.
type window struct {
	id     xproto.Window
	dialog bool
}

// Connect becomes the window manager of the display at socket. It fails when there is one already.
func Connect(ctx context.Context, socket string, cookie []byte, log *slog.Logger) (*Manager, error) {
	conn, closer, err := Dial(ctx, socket, cookie)
	if err != nil {
		return nil, err
	}
	screen := xproto.Setup(conn).DefaultScreen(conn)
	m := &Manager{conn: conn, closer: closer, log: log, root: screen.Root, width: screen.WidthInPixels, height: screen.HeightInPixels}
	stop := context.AfterFunc(ctx, func() { _ = closer.Close() })
	defer stop()
	if err := m.takeOver(screen); err != nil {
		_ = closer.Close() // the first error counts
		return nil, err
	}
	return m, nil
}

// takeOver asks for the redirection of what clients do with top-level windows, then for the windows that exist.
func (m *Manager) takeOver(screen *xproto.ScreenInfo) error {
	if err := m.atoms.intern(m.conn); err != nil {
		return err
	}
	const mask = xproto.EventMaskSubstructureRedirect | xproto.EventMaskSubstructureNotify | xproto.EventMaskStructureNotify
	if err := xproto.ChangeWindowAttributesChecked(m.conn, m.root, xproto.CwEventMask, []uint32{mask}).Check(); err != nil {
		return fmt.Errorf("kiosk: another window manager runs on the display: %w", err)
	}
	if err := m.announce(screen); err != nil {
		return err
	}
	tree, err := xproto.QueryTree(m.conn, m.root).Reply()
	if err != nil {
		return fmt.Errorf("kiosk: %w", err)
	}
	for _, id := range tree.Children { // bottom to top
		attributes, err := xproto.GetWindowAttributes(m.conn, id).Reply()
		if err == nil && !attributes.OverrideRedirect && attributes.MapState != xproto.MapStateUnmapped {
			m.manage(id)
		}
	}
	return nil
}

// Run manages windows until ctx is done (nil) or the X server is gone (an error). Call it once.
func (m *Manager) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = m.closer.Close() })
	defer stop()
	defer m.conn.Close()
	for {
		event, xerr := m.conn.WaitForEvent()
		switch {
		case event != nil:
			m.handle(event)
		case xerr != nil:
			// A request about a window that is gone by now: the usual race with clients.
			m.log.Debug("kiosk: X error", "error", xerr.Error())
		case ctx.Err() != nil:
			return nil
		default:
			return errors.New("kiosk: the X server closed the connection")
		}
	}
}

func (m *Manager) handle(event xgb.Event) {
	switch e := event.(type) {
	case xproto.MapRequestEvent:
		m.manage(e.Window)
	case xproto.ConfigureRequestEvent:
		m.configure(e)
	case xproto.UnmapNotifyEvent:
		m.unmanage(e.Window)
	case xproto.DestroyNotifyEvent:
		m.unmanage(e.Window)
	case xproto.ConfigureNotifyEvent:
		if e.Window == m.root && (e.Width != m.width || e.Height != m.height) {
			m.width, m.height = e.Width, e.Height
			for _, w := range m.windows {
				m.place(w)
			}
		}
	case xproto.ButtonPressEvent:
		m.clicked(e)
	case xproto.ClientMessageEvent:
		if e.Type == m.atoms.activeWindow {
			m.activate(e.Window)
		}
	}
}

// find is the index of a managed window, or -1.
func (m *Manager) find(id xproto.Window) int {
	return slices.IndexFunc(m.windows, func(w *window) bool { return w.id == id })
}

// manage places a window, shows it and gives it the keyboard.
func (m *Manager) manage(id xproto.Window) {
	if m.find(id) < 0 {
		w := &window{id: id, dialog: m.isDialog(id)}
		m.windows = append(m.windows, w)
		// A click is seen before the window gets it, and then passed on.
		xproto.GrabButton(m.conn, true, id, xproto.EventMaskButtonPress, xproto.GrabModeSync, xproto.GrabModeAsync,
			xproto.WindowNone, xproto.CursorNone, xproto.ButtonIndexAny, xproto.ModMaskAny)
		m.describe(w)
		m.place(w)
	}
	xproto.MapWindow(m.conn, id)
	m.activate(id)
}

// unmanage forgets a window; the one below gets the keyboard.
func (m *Manager) unmanage(id xproto.Window) {
	i := m.find(id)
	if i < 0 {
		return
	}
	m.windows = slices.Delete(m.windows, i, i+1)
	if len(m.windows) == 0 {
		xproto.SetInputFocus(m.conn, xproto.InputFocusPointerRoot, xproto.InputFocusPointerRoot, xproto.TimeCurrentTime)
		m.setActive(xproto.WindowNone)
		return
	}
	m.activate(m.windows[len(m.windows)-1].id)
}

// activate raises a window and gives it the keyboard.
func (m *Manager) activate(id xproto.Window) {
	i := m.find(id)
	if i < 0 {
		return
	}
	w := m.windows[i]
	m.windows = append(slices.Delete(m.windows, i, i+1), w)
	xproto.ConfigureWindow(m.conn, id, xproto.ConfigWindowStackMode, []uint32{xproto.StackModeAbove})
	xproto.SetInputFocus(m.conn, xproto.InputFocusPointerRoot, id, xproto.TimeCurrentTime)
	m.takeFocus(id)
	m.setActive(id)
}

// clicked moves the keyboard and passes the click on. A main window is not raised above its own dialog.
func (m *Manager) clicked(e xproto.ButtonPressEvent) {
	if i := m.find(e.Event); i >= 0 && i != len(m.windows)-1 {
		if m.windows[i].dialog {
			m.activate(e.Event)
		} else {
			xproto.SetInputFocus(m.conn, xproto.InputFocusPointerRoot, e.Event, e.Time)
			m.takeFocus(e.Event)
			m.setActive(e.Event)
		}
	} else if i >= 0 { // it was covered by nothing, but the keyboard may have been moved below it
		m.activate(e.Event)
	}
	xproto.AllowEvents(m.conn, xproto.AllowReplayPointer, e.Time)
}
