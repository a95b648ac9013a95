package kiosk

import (
	"fmt"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// atoms are the names of the conventions, as the server numbers them.
type atoms struct {
	wmState, wmProtocols, wmTakeFocus           xproto.Atom
	supported, supportingCheck, wmName, utf8    xproto.Atom
	activeWindow, netState, netStateFullscreen  xproto.Atom
	windowType, windowTypeNormal, xkbRulesNames xproto.Atom
}

func (a *atoms) intern(conn *xgb.Conn) error {
	for name, atom := range map[string]*xproto.Atom{
		"WM_STATE": &a.wmState, "WM_PROTOCOLS": &a.wmProtocols, "WM_TAKE_FOCUS": &a.wmTakeFocus,
		"_NET_SUPPORTED": &a.supported, "_NET_SUPPORTING_WM_CHECK": &a.supportingCheck, "_NET_WM_NAME": &a.wmName,
		"UTF8_STRING": &a.utf8, "_NET_ACTIVE_WINDOW": &a.activeWindow, "_NET_WM_STATE": &a.netState,
		"_NET_WM_STATE_FULLSCREEN": &a.netStateFullscreen, "_NET_WM_WINDOW_TYPE": &a.windowType,
		"_NET_WM_WINDOW_TYPE_NORMAL": &a.windowTypeNormal, "_XKB_RULES_NAMES": &a.xkbRulesNames,
	} {
		reply, err := xproto.InternAtom(conn, false, uint16(len(name)), name).Reply()
		if err != nil {
			return fmt.Errorf("kiosk: %w", err)
		}
		*atom = reply.Atom
	}
	return nil
}

// announce sets what the root window tells: that there is a window manager, and which one; a cursor that is an arrow
// instead of the server's cross; and the true name of the keyboard's rules, for a setxkbmap in the session (the process
// driver starts the server with the rules "evdev" under the name "base").
func (m *Manager) announce(screen *xproto.ScreenInfo) error {
	var err error
	if m.check, err = xproto.NewWindowId(m.conn); err != nil {
		return fmt.Errorf("kiosk: %w", err)
	}
	if err := xproto.CreateWindowChecked(m.conn, screen.RootDepth, m.check, m.root, -1, -1, 1, 1, 0,
		xproto.WindowClassInputOutput, screen.RootVisual, xproto.CwOverrideRedirect, []uint32{1}).Check(); err != nil {
		return fmt.Errorf("kiosk: %w", err)
	}
	for _, w := range []xproto.Window{m.root, m.check} {
		m.setWords(w, m.atoms.supportingCheck, xproto.AtomWindow, uint32(m.check))
	}
	m.setText(m.check, m.atoms.wmName, m.atoms.utf8, "streamstack kiosk")
	m.setWords(m.root, m.atoms.supported, xproto.AtomAtom, uint32(m.atoms.supportingCheck), uint32(m.atoms.wmName),
		uint32(m.atoms.activeWindow), uint32(m.atoms.netState), uint32(m.atoms.netStateFullscreen), uint32(m.atoms.windowType))
	m.setText(m.root, m.atoms.xkbRulesNames, xproto.AtomString, "evdev\x00pc105\x00us\x00\x00\x00")
	return m.arrowCursor()
}

func (m *Manager) arrowCursor() error {
	const leftPtr = 68 // of the font "cursor", which is built into the server; 69 is its mask
	font, err := xproto.NewFontId(m.conn)
	if err != nil {
		return fmt.Errorf("kiosk: %w", err)
	}
	cursor, err := xproto.NewCursorId(m.conn)
	if err != nil {
		return fmt.Errorf("kiosk: %w", err)
	}
	const name, white = "cursor", 0xffff
	xproto.OpenFont(m.conn, font, uint16(len(name)), name)
	xproto.CreateGlyphCursor(m.conn, cursor, font, font, leftPtr, leftPtr+1, 0, 0, 0, white, white, white)
	xproto.CloseFont(m.conn, font)
	xproto.ChangeWindowAttributes(m.conn, m.root, xproto.CwCursor, []uint32{uint32(cursor)})
	return nil
}

// describe tells a window its state: shown, and full-screen unless it is a dialog.
func (m *Manager) describe(w *window) {
	const normal = 1 // WM_STATE NormalState (ICCCM 4.1.3.1)
	m.setWords(w.id, m.atoms.wmState, m.atoms.wmState, normal, uint32(xproto.WindowNone))
	if !w.dialog {
		m.setWords(w.id, m.atoms.netState, xproto.AtomAtom, uint32(m.atoms.netStateFullscreen))
	}
}

func (m *Manager) setActive(id xproto.Window) {
	m.setWords(m.root, m.atoms.activeWindow, xproto.AtomWindow, uint32(id))
}

// takeFocus tells a window that asked to be told that it may take the keyboard (ICCCM 4.1.7).
func (m *Manager) takeFocus(id xproto.Window) {
	for _, protocol := range m.property(id, m.atoms.wmProtocols, 32) {
		if xproto.Atom(protocol) != m.atoms.wmTakeFocus {
			continue
		}
		message := xproto.ClientMessageEvent{Format: 32, Window: id, Type: m.atoms.wmProtocols,
			Data: xproto.ClientMessageDataUnionData32New([]uint32{uint32(m.atoms.wmTakeFocus), xproto.TimeCurrentTime, 0, 0, 0})}
		xproto.SendEvent(m.conn, false, id, xproto.EventMaskNoEvent, string(message.Bytes()))
	}
}

func (m *Manager) setWords(id xproto.Window, name, kind xproto.Atom, values ...uint32) {
	data := make([]byte, 4*len(values))
	for i, value := range values {
		xgb.Put32(data[4*i:], value)
	}
	xproto.ChangeProperty(m.conn, xproto.PropModeReplace, id, name, kind, 32, uint32(len(values)), data)
}

func (m *Manager) setText(id xproto.Window, name, kind xproto.Atom, text string) {
	xproto.ChangeProperty(m.conn, xproto.PropModeReplace, id, name, kind, 8, uint32(len(text)), []byte(text))
}
