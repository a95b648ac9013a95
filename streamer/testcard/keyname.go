package testcard

import (
	"fmt"

	"github.com/jezek/xgb/xproto"
)

// keysymNames has names for keysyms that are not a printable character (X11's keysymdef.h and XF86keysym.h).
var keysymNames = map[xproto.Keysym]string{
	0x20: "space", 0xff08: "BackSpace", 0xff09: "Tab", 0xff0d: "Return", 0xff13: "Pause", 0xff14: "ScrollLock", 0xff1b: "Escape", 0xff61: "Print",
	0xff50: "Home", 0xff51: "Left", 0xff52: "Up", 0xff53: "Right", 0xff54: "Down", 0xff55: "PageUp", 0xff56: "PageDown", 0xff57: "End",
	0xff63: "Insert", 0xffff: "Delete", 0xff7f: "NumLock", 0xffe1: "Shift", 0xffe3: "Control", 0xffe5: "CapsLock", 0xffe9: "Alt",
	0xffea: "AltGr", 0xffeb: "Meta", 0x1008ff11: "Volume-", 0x1008ff13: "Volume+", 0x1008ff2a: "Power", 0x1008ff26: "Back",
}

// f1 and f12 are the keysyms of the function keys.
const f1, f12 xproto.Keysym = 0xffbe, 0xffc9

// keyName names a keysym for people.
func keyName(sym xproto.Keysym) string {
	if name, ok := keysymNames[sym]; ok {
		return name
	}
	switch {
	case sym > 0x20 && sym < 0x7f:
		return string(rune(sym))
	case sym >= f1 && sym <= f12:
		return fmt.Sprintf("F%d", sym-f1+1)
	}
	return fmt.Sprintf("0x%x", uint32(sym))
}

// buttonName names an X button for people.
func buttonName(button byte) string {
	names := []string{"", "left", "middle", "right", "wheel up", "wheel down", "wheel left", "wheel right", "back", "forward"}
	if int(button) < len(names) && button > 0 {
		return names[button]
	}
	return fmt.Sprintf("button %d", button)
}
