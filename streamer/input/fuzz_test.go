package input

import (
	"bytes"
	"testing"
	"time"

	"streamstack/streamer/control"
)

// FuzzState plays what a client may send, line by line, on the state behind the device: whatever it is, presses and releases come in turn,
// places are on the screen, and nothing is down in the end.
func FuzzState(f *testing.F) {
	for _, lines := range []string{
		`{"type":"input::key","data":{"code":84,"pressed":true}}
{"type":"input::key","data":{"code":4,"pressed":true}}
{"type":"input::mouse-button","data":{"pressed":true,"button":1}}`,
		`{"type":"input::touch-start","data":{"id":0,"x":1,"y":2}}
{"type":"input::touch-start","data":{"id":2147483647,"x":-5,"y":1e4}}
{"type":"input::touch-move","data":{"id":0,"x":3.5,"y":2}}
{"type":"input::touch-end","data":{"id":7,"last":true}}`,
		`{"type":"input::mouse-scroll","data":{"x":-12000,"y":0.5}}
{"type":"input::mouse-wheel","data":{"x":1,"y":-1}}
{"type":"input::mouse-move","data":{"rx":-32767,"ry":32767}}
{"type":"input::mouse-move","data":{"x":1280,"y":720}}`,
		`{"type":"input::ime-event","data":{"type":4,"data":{"text":"hé"}}}
{"type":"input::ime-event","data":{"type":2,"data":{"code":67,"times":1000}}}
{"type":"input::ime-event","data":{"type":1,"data":{"text":"h\u0000\ufffd"}}}`,
	} {
		f.Add([]byte(lines), true, uint16(0))
		f.Add([]byte(lines), false, uint16(11000))
	}
	f.Fuzz(func(t *testing.T, lines []byte, able bool, waitMs uint16) {
		const width, height = 1280, 720
		s := newState(width, height, HoldLimit)
		s.can = abilities{touch: able, scroll: able}
		typist := newTypist(nil, 0)
		var batch []command
		for line := range bytes.Lines(lines) {
			if m, err := control.Parse(bytes.TrimSuffix(line, []byte("\n"))); err == nil {
				batch = append(batch, command{message: m})
			}
		}
		var events []fakeEvent
		now := time.Unix(0, 0)
		for _, c := range coalesce(batch) {
			if list, ok := typist.keysyms(c.message); ok && len(list) > 2*maxText+control.MaxIMETimes {
				t.Fatalf("%d keys from one message", len(list))
			}
			events = append(events, s.apply(c.message, now)...)
			now = now.Add(time.Duration(waitMs) * time.Millisecond)
			events = append(events, s.expire(now)...)
		}
		requireInTurn(t, append(events, s.releaseAll()...), width, height)
	})
}
