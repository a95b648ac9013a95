package clipboard

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"
)

// incoming is a text that we get in parts.
type incoming struct {
	target  xproto.Atom
	text    []byte
	touched time.Time
}

// ask asks the owner for its text; the answer comes as an event.
func (o *owner) ask(target xproto.Atom) {
	o.in = nil // another text's transfer is void
	xproto.DeleteProperty(o.conn.Conn, o.window, o.atoms.own)
	xproto.ConvertSelection(o.conn.Conn, o.window, o.atoms.clipboard, target, o.atoms.own, xproto.TimeCurrentTime)
}

// answered takes the owner's answer. One that cannot give UTF-8 is asked for Latin 1, which old applications have.
func (o *owner) answered(e xproto.SelectionNotifyEvent) error {
	if e.Property == 0 {
		if e.Target == o.atoms.utf8 {
			o.ask(xproto.AtomString)
		}
		return nil
	}
	kind, content, err := o.property()
	switch {
	case err != nil:
		return err
	case kind == o.atoms.incr: // its deletion, just now, asks for the first part
		o.in = &incoming{target: e.Target, touched: time.Now()}
	case content == nil:
		o.log.Info("clipboard: a text is too long to be handed on", "limit", MaxText)
	default:
		o.hand(decode(e.Target, content))
	}
	return nil
}

// arrived takes a part of a text.
func (o *owner) arrived(e xproto.PropertyNotifyEvent) error {
	if o.in == nil || e.Atom != o.atoms.own || e.State != xproto.PropertyNewValue {
		return nil
	}
	_, content, err := o.property()
	if err != nil {
		return err
	}
	in := o.in
	switch {
	case content == nil || len(in.text)+len(content) > MaxText:
		o.in = nil
		o.log.Info("clipboard: a text is too long to be handed on", "limit", MaxText)
	case len(content) == 0:
		o.in = nil
		o.hand(decode(in.target, in.text))
	default:
		in.text, in.touched = append(in.text, content...), time.Now()
	}
	return nil
}

// property reads and deletes what was put on our window; nil content when it is too long.
func (o *owner) property() (kind xproto.Atom, content []byte, err error) {
	reply, err := xproto.GetProperty(o.conn.Conn, true, o.window, o.atoms.own, xproto.GetPropertyTypeAny, 0, MaxText/4).Reply()
	if err != nil {
		return 0, nil, fmt.Errorf("clipboard: %w", err)
	}
	if reply.BytesAfter > 0 {
		xproto.DeleteProperty(o.conn.Conn, o.window, o.atoms.own) // only what was read to its end is deleted
		return reply.Type, nil, nil
	}
	if reply.Format != bytesFormat {
		return reply.Type, []byte{}, nil
	}
	return reply.Type, append([]byte{}, reply.Value...), nil
}

// decode makes a text of what an owner gave.
func decode(target xproto.Atom, content []byte) string {
	if target != xproto.AtomString {
		if utf8.Valid(content) {
			return string(content)
		}
		return ""
	}
	runes := make([]rune, len(content))
	for i, b := range content {
		runes[i] = rune(b)
	}
	return string(runes)
}
