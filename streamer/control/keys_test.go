package control

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contractKeys repeats the table of spec/control-channel.md, section 4, in the order of the codes from 4: "-" is a code not in use.
// It is written another way than keys on purpose, so that a slip in one of them shows.
var contractKeys = []struct {
	name  string
	linux LinuxKey
}{
	{"KeyA", 30}, {"KeyB", 48}, {"KeyC", 46}, {"KeyD", 32}, {"KeyE", 18}, {"KeyF", 33}, {"KeyG", 34}, {"KeyH", 35},
	{"KeyI", 23}, {"KeyJ", 36}, {"KeyK", 37}, {"KeyL", 38}, {"KeyM", 50}, {"KeyN", 49}, {"KeyO", 24}, {"KeyP", 25},
	{"KeyQ", 16}, {"KeyR", 19}, {"KeyS", 31}, {"KeyT", 20}, {"KeyU", 22}, {"KeyV", 47}, {"KeyW", 17}, {"KeyX", 45},
	{"KeyY", 21}, {"KeyZ", 44}, {"Digit1", 2}, {"Digit2", 3}, {"Digit3", 4}, {"Digit4", 5}, {"Digit5", 6}, {"Digit6", 7},
	{"Digit7", 8}, {"Digit8", 9}, {"Digit9", 10}, {"Digit0", 11}, {"Enter", 28}, {"Escape", 1}, {"Backspace", 14},
	{"Tab", 15}, {"Space", 57}, {"Minus", 12}, {"Equal", 13}, {"BracketLeft", 26}, {"BracketRight", 27},
	{"Backslash", 43}, {"Quote", 40}, {"Semicolon", 39}, {"-", 0}, {"-", 0}, {"Comma", 51}, {"Period", 52}, {"Slash", 53},
	{"CapsLock", 58}, {"F1", 59}, {"F2", 60}, {"F3", 61}, {"F4", 62}, {"F5", 63}, {"F6", 64}, {"F7", 65}, {"F8", 66},
	{"F9", 67}, {"F10", 68}, {"F11", 87}, {"F12", 88}, {"PrintScreen", 99}, {"ScrollLock", 70}, {"Pause", 119},
	{"Insert", 110}, {"Home", 102}, {"PageUp", 104}, {"Delete", 111}, {"End", 107}, {"PageDown", 109},
	{"ArrowRight", 106}, {"ArrowLeft", 105}, {"ArrowDown", 108}, {"ArrowUp", 103}, {"Control", 29}, {"Shift", 42},
	{"Alt", 56}, {"Meta", 125}, {"AltGraph", 100}, {"NumLock", 69}, {"Volumedown", 114}, {"Volumeup", 115},
	{"Power", 116}, {"Back", 158},
}

func TestEveryKeyOfTheContract(t *testing.T) {
	const first = 4
	used := 0
	for i, want := range contractKeys {
		code := KeyCode(first + i)
		linux, known := code.Linux()
		if want.name == "-" {
			assert.False(t, known, "code %d is not in use", code)
			continue
		}
		used++
		assert.True(t, known, "code %d", code)
		assert.Equal(t, want.linux, linux, want.name)
		assert.Equal(t, want.name, code.String())

		message, err := Parse(fmt.Appendf(nil, `{"type":"input::key","data":{"code":%d,"pressed":true}}`, code))
		require.NoError(t, err)
		assert.Equal(t, Key{Code: code, Pressed: true}, message)
	}
	assert.Equal(t, 87, used)
	for code, key := range keys { // those of our own
		if code < ownKeys {
			used--
			continue
		}
		message, err := Parse(fmt.Appendf(nil, `{"type":"input::key","data":{"code":%d,"pressed":true}}`, code))
		require.NoError(t, err)
		assert.Equal(t, Key{Code: code, Pressed: true}, message, key.name)
	}
	assert.Zero(t, used, "every other is in the contract")
}

func TestNoTwoKeysShareALinuxCode(t *testing.T) {
	seen := map[LinuxKey]KeyCode{}
	for code, key := range keys {
		other, double := seen[key.linux]
		assert.False(t, double, "%v and %v are both %d", code, other, key.linux)
		seen[key.linux] = code
	}
}

func TestOnlyFiveKeysAreModifiers(t *testing.T) {
	names := map[string]bool{}
	for code := range keys {
		if code.Modifier() {
			names[code.String()] = true
		}
	}
	assert.Equal(t, map[string]bool{"Control": true, "Shift": true, "Alt": true, "Meta": true, "AltGraph": true}, names)
}

func TestUnknownCodesAreParsedForTheReceiverToDrop(t *testing.T) {
	for _, code := range []KeyCode{-1, 0, 3, 52, 53, 93, ownKeys - 1, 1 << 30} {
		raw, err := json.Marshal(map[string]any{"type": "input::key", "data": map[string]any{"code": code, "pressed": true}})
		require.NoError(t, err)
		message, err := Parse(raw)
		require.NoError(t, err)
		assert.Equal(t, Key{Code: code, Pressed: true}, message)
		_, known := code.Linux()
		assert.False(t, known, "code %d", code)
		assert.Empty(t, code.String())
	}
}
