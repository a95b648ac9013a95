package kiosk

import (
	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// place gives a window its size and position; a dialog's own size is kept, within the screen.
func (m *Manager) place(w *window) {
	x, y, width, height := int32(0), int32(0), uint32(m.width), uint32(m.height)
	if w.dialog {
		geometry, err := xproto.GetGeometry(m.conn, xproto.Drawable(w.id)).Reply()
		if err != nil {
			return // gone
		}
		width, height = min(width, uint32(geometry.Width)), min(height, uint32(geometry.Height))
		x, y = int32(uint32(m.width)-width)/2, int32(uint32(m.height)-height)/2
	}
	m.configureTo(w.id, x, y, width, height)
}

func (m *Manager) configureTo(id xproto.Window, x, y int32, width, height uint32) {
	const mask = xproto.ConfigWindowX | xproto.ConfigWindowY | xproto.ConfigWindowWidth | xproto.ConfigWindowHeight | xproto.ConfigWindowBorderWidth
	xproto.ConfigureWindow(m.conn, id, mask, []uint32{uint32(x), uint32(y), width, height, 0})
	// A client whose request changed nothing still waits for an answer (ICCCM 4.1.5).
	notify := xproto.ConfigureNotifyEvent{Event: id, Window: id, X: int16(x), Y: int16(y), Width: uint16(width), Height: uint16(height)}
	xproto.SendEvent(m.conn, false, id, xproto.EventMaskStructureNotify, string(notify.Bytes()))
}

// configure answers a client's wish for another size or place.
func (m *Manager) configure(e xproto.ConfigureRequestEvent) {
	i := m.find(e.Window)
	if i >= 0 && !m.windows[i].dialog {
		m.place(m.windows[i]) // the whole screen, whatever it wished
		return
	}
	const all = xproto.ConfigWindowX | xproto.ConfigWindowY | xproto.ConfigWindowWidth | xproto.ConfigWindowHeight | xproto.ConfigWindowBorderWidth
	mask := e.ValueMask & all // stacking is ours
	var values []uint32
	for _, field := range []struct {
		bit   uint16
		value uint32
	}{ // in the order of their bits
		{xproto.ConfigWindowX, uint32(int32(e.X))}, {xproto.ConfigWindowY, uint32(int32(e.Y))},
		{xproto.ConfigWindowWidth, uint32(e.Width)}, {xproto.ConfigWindowHeight, uint32(e.Height)},
		{xproto.ConfigWindowBorderWidth, uint32(e.BorderWidth)},
	} {
		if mask&field.bit != 0 {
			values = append(values, field.value)
		}
	}
	xproto.ConfigureWindow(m.conn, e.Window, mask, values)
	if i >= 0 {
		m.place(m.windows[i]) // centred again
	}
}

// isDialog is true for a window that belongs to another, calls itself something else than a normal window, or has
// one fixed size.
func (m *Manager) isDialog(id xproto.Window) bool {
	if len(m.property(id, xproto.AtomWmTransientFor, 1)) > 0 {
		return true
	}
	if types := m.property(id, m.atoms.windowType, 8); len(types) > 0 {
		return xproto.Atom(types[0]) != m.atoms.windowTypeNormal
	}
	const (
		fields             = 18 // of WM_SIZE_HINTS (ICCCM 4.1.2.3)
		minSize, maxSize   = 1 << 4, 1 << 5
		minWidth, maxWidth = 5, 7
	)
	hints := m.property(id, xproto.AtomWmNormalHints, fields)
	return len(hints) > maxWidth+1 && hints[0]&minSize != 0 && hints[0]&maxSize != 0 &&
		hints[minWidth] == hints[maxWidth] && hints[minWidth+1] == hints[maxWidth+1]
}

// property reads up to n 32-bit values; none when there is no such property.
func (m *Manager) property(id xproto.Window, name xproto.Atom, n uint32) []uint32 {
	reply, err := xproto.GetProperty(m.conn, false, id, name, xproto.GetPropertyTypeAny, 0, n).Reply()
	if err != nil || reply == nil || reply.Format != 32 {
		return nil
	}
	values := make([]uint32, reply.ValueLen)
	for i := range values {
		values[i] = xgb.Get32(reply.Value[4*i:])
	}
	return values
}
