package control

// KeyCode is the client's own number of a key: the USB HID usage for most (HID Usage Tables, page 0x07), own numbers else.
// It is neither a Linux code nor a browser's key code.
type KeyCode int

// LinuxKey is a key code of Linux (include/uapi/linux/input-event-codes.h). An X server with evdev key codes numbers the same key 8 higher.
type LinuxKey uint16

// The modifiers. The client cannot tell left from right and names them only before another key: a release may come late or never.
const (
	KeyControl  KeyCode = 83
	KeyShift    KeyCode = 84
	KeyAlt      KeyCode = 85
	KeyMeta     KeyCode = 86
	KeyAltGraph KeyCode = 87
)

// ownKeys is where numbers of our own begin.
const ownKeys = 200

// keyEntry is a row of the table: the client's name and the code in Linux.
type keyEntry struct {
	name  string
	linux LinuxKey
}

// keys is the table of spec/control-channel.md, section 4. The comments are Linux' names.
var keys = map[KeyCode]keyEntry{
	4:  {"KeyA", 30},         // KEY_A
	5:  {"KeyB", 48},         // KEY_B
	6:  {"KeyC", 46},         // KEY_C
	7:  {"KeyD", 32},         // KEY_D
	8:  {"KeyE", 18},         // KEY_E
	9:  {"KeyF", 33},         // KEY_F
	10: {"KeyG", 34},         // KEY_G
	11: {"KeyH", 35},         // KEY_H
	12: {"KeyI", 23},         // KEY_I
	13: {"KeyJ", 36},         // KEY_J
	14: {"KeyK", 37},         // KEY_K
	15: {"KeyL", 38},         // KEY_L
	16: {"KeyM", 50},         // KEY_M
	17: {"KeyN", 49},         // KEY_N
	18: {"KeyO", 24},         // KEY_O
	19: {"KeyP", 25},         // KEY_P
	20: {"KeyQ", 16},         // KEY_Q
	21: {"KeyR", 19},         // KEY_R
	22: {"KeyS", 31},         // KEY_S
	23: {"KeyT", 20},         // KEY_T
	24: {"KeyU", 22},         // KEY_U
	25: {"KeyV", 47},         // KEY_V
	26: {"KeyW", 17},         // KEY_W
	27: {"KeyX", 45},         // KEY_X
	28: {"KeyY", 21},         // KEY_Y
	29: {"KeyZ", 44},         // KEY_Z
	30: {"Digit1", 2},        // KEY_1
	31: {"Digit2", 3},        // KEY_2
	32: {"Digit3", 4},        // KEY_3
	33: {"Digit4", 5},        // KEY_4
	34: {"Digit5", 6},        // KEY_5
	35: {"Digit6", 7},        // KEY_6
	36: {"Digit7", 8},        // KEY_7
	37: {"Digit8", 9},        // KEY_8
	38: {"Digit9", 10},       // KEY_9
	39: {"Digit0", 11},       // KEY_0
	40: {"Enter", 28},        // KEY_ENTER
	41: {"Escape", 1},        // KEY_ESC
	42: {"Backspace", 14},    // KEY_BACKSPACE
	43: {"Tab", 15},          // KEY_TAB
	44: {"Space", 57},        // KEY_SPACE
	45: {"Minus", 12},        // KEY_MINUS
	46: {"Equal", 13},        // KEY_EQUAL
	47: {"BracketLeft", 26},  // KEY_LEFTBRACE
	48: {"BracketRight", 27}, // KEY_RIGHTBRACE
	49: {"Backslash", 43},    // KEY_BACKSLASH
	50: {"Quote", 40},        // KEY_APOSTROPHE
	51: {"Semicolon", 39},    // KEY_SEMICOLON
	54: {"Comma", 51},        // KEY_COMMA
	55: {"Period", 52},       // KEY_DOT
	56: {"Slash", 53},        // KEY_SLASH
	57: {"CapsLock", 58},     // KEY_CAPSLOCK
	58: {"F1", 59},           // KEY_F1
	59: {"F2", 60},           // KEY_F2
	60: {"F3", 61},           // KEY_F3
	61: {"F4", 62},           // KEY_F4
	62: {"F5", 63},           // KEY_F5
	63: {"F6", 64},           // KEY_F6
	64: {"F7", 65},           // KEY_F7
	65: {"F8", 66},           // KEY_F8
	66: {"F9", 67},           // KEY_F9
	67: {"F10", 68},          // KEY_F10
	68: {"F11", 87},          // KEY_F11
	69: {"F12", 88},          // KEY_F12
	70: {"PrintScreen", 99},  // KEY_SYSRQ
	71: {"ScrollLock", 70},   // KEY_SCROLLLOCK
	72: {"Pause", 119},       // KEY_PAUSE
	73: {"Insert", 110},      // KEY_INSERT
	74: {"Home", 102},        // KEY_HOME
	75: {"PageUp", 104},      // KEY_PAGEUP
	76: {"Delete", 111},      // KEY_DELETE
	77: {"End", 107},         // KEY_END
	78: {"PageDown", 109},    // KEY_PAGEDOWN
	79: {"ArrowRight", 106},  // KEY_RIGHT
	80: {"ArrowLeft", 105},   // KEY_LEFT
	81: {"ArrowDown", 108},   // KEY_DOWN
	82: {"ArrowUp", 103},     // KEY_UP
	83: {"Control", 29},      // KEY_LEFTCTRL
	84: {"Shift", 42},        // KEY_LEFTSHIFT
	85: {"Alt", 56},          // KEY_LEFTALT
	86: {"Meta", 125},        // KEY_LEFTMETA
	87: {"AltGraph", 100},    // KEY_RIGHTALT
	88: {"NumLock", 69},      // KEY_NUMLOCK
	89: {"Volumedown", 114},  // KEY_VOLUMEDOWN
	90: {"Volumeup", 115},    // KEY_VOLUMEUP
	91: {"Power", 116},       // KEY_POWER
	92: {"Back", 158},        // KEY_BACK

	// Numbers of our own, from 200 up, for keys that the contract's client has none for. It sends none of them, and another receiver
	// drops what it does not know.
	200: {"Backquote", 41},     // KEY_GRAVE
	201: {"IntlBackslash", 86}, // KEY_102ND, beside the left Shift of European keyboards
	202: {"IntlRo", 89},        // KEY_RO
	203: {"IntlYen", 124},      // KEY_YEN
	204: {"ContextMenu", 127},  // KEY_COMPOSE, the menu key
}

// Linux gives the key's code in Linux, or false for a code that is not in use.
func (c KeyCode) Linux() (LinuxKey, bool) {
	key, known := keys[c]
	return key.linux, known
}

// Modifier tells whether the key is one of the five modifiers.
func (c KeyCode) Modifier() bool { return c >= KeyControl && c <= KeyAltGraph }

// String gives the client's name of the key ("KeyA"), or "" for a code that is not in use.
func (c KeyCode) String() string { return keys[c].name }
