package clipboard

import (
	"fmt"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

const (
	// partSize is how much of a text goes into one property, in bytes: without BIG-REQUESTS a request ends at 256 KiB.
	partSize = 64 << 10
	// maxTransfers bounds the transfers in parts at one time.
	maxTransfers = 16
	// bytesFormat is the format of properties that are bytes.
	bytesFormat = 8
)

// atoms are the names that the protocol needs.
type atoms struct {
	clipboard, targets, utf8, text, plain, plainUTF8, incr, own xproto.Atom
}

func intern(c *xgb.Conn) (a atoms, err error) {
	for name, to := range map[string]*xproto.Atom{
		"CLIPBOARD": &a.clipboard, "TARGETS": &a.targets, "UTF8_STRING": &a.utf8, "TEXT": &a.text, "text/plain": &a.plain,
		"text/plain;charset=utf-8": &a.plainUTF8, "INCR": &a.incr, "STREAMSTACK_CLIPBOARD": &a.own,
	} {
		reply, err := xproto.InternAtom(c, false, uint16(len(name)), name).Reply()
		if err != nil {
			return a, fmt.Errorf("atom %s: %w", name, err)
		}
		*to = reply.Atom
	}
	return a, nil
}

// transferKey is where a transfer in parts goes.
type transferKey struct {
	window   xproto.Window
	property xproto.Atom
}

// outgoing is a text that another client gets in parts.
type outgoing struct {
	target  xproto.Atom
	rest    []byte
	touched time.Time
}

// requested answers another client's wish for our text.
func (o *owner) requested(e xproto.SelectionRequestEvent) {
	property := e.Property
	if property == 0 { // obsolete clients (ICCCM, section 2.2)
		property = e.Target
	}
	if !o.have || e.Selection != o.atoms.clipboard || !o.give(transferKey{e.Requestor, property}, e.Target) {
		property = 0
	}
	answer := xproto.SelectionNotifyEvent{Time: e.Time, Requestor: e.Requestor, Selection: e.Selection, Target: e.Target, Property: property}
	xproto.SendEvent(o.conn.Conn, false, e.Requestor, 0, string(answer.Bytes()))
}

// give puts the text into another client's property, or says that it cannot.
func (o *owner) give(to transferKey, target xproto.Atom) bool {
	c := o.conn.Conn
	var content []byte
	switch target {
	case o.atoms.targets:
		list := []xproto.Atom{o.atoms.targets, o.atoms.utf8, o.atoms.plainUTF8, o.atoms.plain, o.atoms.text, xproto.AtomString}
		raw := make([]byte, 4*len(list))
		for i, a := range list {
			xgb.Put32(raw[4*i:], uint32(a))
		}
		xproto.ChangeProperty(c, xproto.PropModeReplace, to.window, to.property, xproto.AtomAtom, 32, uint32(len(list)), raw)
		return true
	case o.atoms.utf8, o.atoms.plainUTF8, o.atoms.plain:
		content = []byte(o.text)
	case o.atoms.text:
		target, content = o.atoms.utf8, []byte(o.text)
	case xproto.AtomString:
		content = latin1(o.text)
	default:
		return false
	}
	if len(content) <= partSize {
		xproto.ChangeProperty(c, xproto.PropModeReplace, to.window, to.property, target, bytesFormat, uint32(len(content)), content)
		return true
	}
	if len(o.out) >= maxTransfers {
		return false
	}
	size := make([]byte, 4)
	xgb.Put32(size, uint32(len(content)))
	o.out[to] = &outgoing{target: target, rest: content, touched: time.Now()}
	xproto.ChangeWindowAttributes(c, to.window, xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange})
	xproto.ChangeProperty(c, xproto.PropModeReplace, to.window, to.property, o.atoms.incr, 32, 1, size)
	return true
}

// wanted gives the next part, once the other client has deleted the one before. A part without bytes is the end.
func (o *owner) wanted(e xproto.PropertyNotifyEvent) {
	key := transferKey{e.Window, e.Atom}
	t := o.out[key]
	if t == nil || e.State != xproto.PropertyDelete {
		return
	}
	part := t.rest[:min(len(t.rest), partSize)]
	t.rest, t.touched = t.rest[len(part):], time.Now()
	xproto.ChangeProperty(o.conn.Conn, xproto.PropModeReplace, key.window, key.property, t.target, bytesFormat, uint32(len(part)), part)
	if len(part) == 0 {
		o.end(key)
	}
}

// end forgets a transfer, and the window if it was the last there.
func (o *owner) end(key transferKey) {
	delete(o.out, key)
	for other := range o.out {
		if other.window == key.window {
			return
		}
	}
	xproto.ChangeWindowAttributes(o.conn.Conn, key.window, xproto.CwEventMask, []uint32{0})
}

// latin1 is a text in the encoding of STRING, with ? for what it lacks.
func latin1(text string) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return out
}
