package input

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/control"
)

const (
	keyA   control.KeyCode = 4
	keyB   control.KeyCode = 5
	unused control.KeyCode = 52
)

func press(code control.KeyCode) control.Key   { return control.Key{Code: code, Pressed: true} }
func release(code control.KeyCode) control.Key { return control.Key{Code: code} }

func pressButton(b control.Button) control.MouseButton {
	return control.MouseButton{Button: b, Pressed: true}
}
func releaseButton(b control.Button) control.MouseButton { return control.MouseButton{Button: b} }
func moveTo(x, y float64) control.MouseMove {
	return control.MouseMove{X: x, Y: y, Absolute: true}
}

// describe writes events the way the tests expect them: "+k38 -k38 +b1 @10,20 ~1,-1".
func describe(events []fakeEvent) string {
	parts := make([]string, len(events))
	for i, e := range events {
		switch {
		case e.kind == xproto.MotionNotify && e.detail == motionRelative:
			parts[i] = fmt.Sprintf("~%d,%d", e.x, e.y)
		case e.kind == xproto.MotionNotify:
			parts[i] = fmt.Sprintf("@%d,%d", e.x, e.y)
		default:
			parts[i] = map[byte]string{
				xproto.KeyPress: "+k", xproto.KeyRelease: "-k", xproto.ButtonPress: "+b", xproto.ButtonRelease: "-b",
			}[e.kind] + fmt.Sprint(e.detail)
		}
	}
	return strings.Join(parts, " ")
}

func TestState(t *testing.T) {
	for name, test := range map[string]struct {
		messages []control.Message
		want     string
	}{
		"a fraction is in its pixel":        {[]control.Message{moveTo(55.5, 60.999)}, "@55,60"},
		"the far edge is the last pixel":    {[]control.Message{moveTo(1280, 720)}, "@1279,719"},
		"far out":                           {[]control.Message{moveTo(32767, 32767), moveTo(-32767, -0.1)}, "@1279,719 @0,0"},
		"pointer lock":                      {[]control.Message{control.MouseMove{RX: -3, RY: 4}}, "~-3,4"},
		"pointer lock, no movement":         {[]control.Message{control.MouseMove{}}, ""},
		"pointer lock, more than X takes":   {[]control.Message{control.MouseMove{RX: 70000, RY: -70000}}, "~32767,-32768"},
		"all buttons":                       {[]control.Message{pressButton(1), pressButton(2), pressButton(3), pressButton(4), pressButton(5)}, "+b1 +b2 +b3 +b8 +b9"},
		"a click":                           {[]control.Message{pressButton(1), releaseButton(1)}, "+b1 -b1"},
		"a release was lost":                {[]control.Message{pressButton(1), pressButton(1), releaseButton(1)}, "+b1 -b1 +b1 -b1"},
		"a press was lost":                  {[]control.Message{releaseButton(1)}, ""},
		"a button that does not exist":      {[]control.Message{pressButton(0), pressButton(6)}, ""},
		"wheel up":                          {[]control.Message{control.MouseWheel{Y: 1}}, "+b4 -b4"},
		"wheel down":                        {[]control.Message{control.MouseWheel{Y: -1}}, "+b5 -b5"},
		"wheel left":                        {[]control.Message{control.MouseWheel{X: 1}}, "+b6 -b6"},
		"wheel right":                       {[]control.Message{control.MouseWheel{X: -1}}, "+b7 -b7"},
		"wheel both ways":                   {[]control.Message{control.MouseWheel{X: 1, Y: -1}}, "+b5 -b5 +b6 -b6"},
		"a key":                             {[]control.Message{press(keyA), release(keyA)}, "+k38 -k38"},
		"auto-repeat":                       {[]control.Message{press(keyA), press(keyA), press(keyA), release(keyA)}, "+k38 -k38"},
		"a key's press was lost":            {[]control.Message{release(keyA)}, ""},
		"a code that no key has":            {[]control.Message{press(unused), release(unused)}, ""},
		"Shift and a key":                   {[]control.Message{press(control.KeyShift), press(keyA), release(keyA)}, "+k50 +k38 -k38"},
		"Shift comes up before the next":    {[]control.Message{press(control.KeyShift), press(keyA), release(keyA), release(control.KeyShift), press(keyB)}, "+k50 +k38 -k38 -k50 +k56"},
		"plus on the numpad":                {[]control.Message{press(control.KeyShift), press(46), release(control.KeyShift), release(46)}, "+k50 +k21 -k50 -k21"},
		"Control, Shift, Alt in this order": {[]control.Message{press(control.KeyControl), press(control.KeyShift), press(control.KeyAlt), press(keyA)}, "+k37 +k50 +k64 +k38"},
		"not mouse, touch or keyboard":      {[]control.Message{control.Disconnect{}, control.GamepadButton{}, control.IMEText{Text: "a"}}, ""},
		"without a touch screen the first finger is the mouse": {[]control.Message{
			control.TouchStart{ID: 3, X: 5, Y: 6}, control.TouchStart{ID: 4, X: 7, Y: 8}, control.TouchMove{ID: 4}, control.TouchMove{ID: 3, X: 9, Y: 9},
			control.TouchEnd{ID: 4}, control.TouchEnd{ID: 3}, control.TouchEnd{ID: 3},
		}, "@5,6 +b1 @9,9 -b1"},
		"without a smooth wheel it turns by notches": {[]control.Message{
			control.MouseScroll{Y: 70}, control.MouseScroll{Y: 70}, control.MouseScroll{Y: -20}, control.MouseScroll{Y: -120}, control.MouseScroll{X: 250},
		}, "+b5 -b5 +b4 -b4 +b7 -b7 +b7 -b7"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newState(1280, 720, HoldLimit)
			var events []fakeEvent
			for _, m := range test.messages {
				events = append(events, s.apply(m, time.Time{})...)
			}
			assert.Equal(t, test.want, describe(events))
		})
	}
}

func TestReleaseAll(t *testing.T) {
	s := newState(1280, 720, HoldLimit)
	now := time.Time{}
	for _, m := range []control.Message{press(control.KeyShift), press(keyB), press(keyA), pressButton(5), pressButton(1)} {
		s.apply(m, now)
	}
	assert.Equal(t, "-b1 -b9 -k38 -k56 -k50", describe(s.releaseAll()), "buttons, keys, modifiers")
	assert.Empty(t, s.releaseAll())
	assert.Empty(t, s.apply(release(keyA), now), "the client's own release comes too late")
}

func TestExpire(t *testing.T) {
	start := time.Unix(0, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

	t.Run("after the limit", func(t *testing.T) {
		s := newState(10, 10, HoldLimit)
		s.apply(press(keyA), at(0))
		s.apply(press(keyB), at(1))
		assert.Empty(t, s.expire(at(10)))
		assert.Equal(t, "-k38", describe(s.expire(at(10.1))))
		assert.Empty(t, s.expire(at(10.2)))
		assert.Equal(t, "+k38", describe(s.apply(press(keyA), at(10.3))), "a repeat after all: it is held")
	})
	t.Run("auto-repeat confirms", func(t *testing.T) {
		s := newState(10, 10, HoldLimit)
		for second := range 60 {
			s.apply(press(keyA), at(float64(second)))
			require.Empty(t, s.expire(at(float64(second))))
		}
	})
	t.Run("typing confirms Shift", func(t *testing.T) {
		s := newState(10, 10, HoldLimit)
		s.apply(press(control.KeyShift), at(0))
		for second := range 60 {
			s.apply(press(keyA), at(float64(second)))
			s.apply(release(keyA), at(float64(second)))
			require.Empty(t, s.expire(at(float64(second))))
		}
	})
	t.Run("Shift comes back with the next key", func(t *testing.T) {
		s := newState(10, 10, HoldLimit)
		s.apply(press(control.KeyShift), at(0))
		assert.Equal(t, "-k50", describe(s.expire(at(11))))
		assert.Equal(t, "+k50 +k38", describe(s.apply(press(keyA), at(12))))
	})
	t.Run("unless the client lets it up first", func(t *testing.T) {
		s := newState(10, 10, HoldLimit)
		s.apply(press(control.KeyShift), at(0))
		s.expire(at(11))
		assert.Empty(t, s.apply(release(control.KeyShift), at(12)))
		assert.Equal(t, "+k38", describe(s.apply(press(keyA), at(12))))
	})
	t.Run("or the client goes", func(t *testing.T) {
		s := newState(10, 10, HoldLimit)
		s.apply(press(control.KeyShift), at(0))
		s.expire(at(11))
		assert.Empty(t, s.releaseAll())
		assert.Equal(t, "+k38", describe(s.apply(press(keyA), at(12))))
	})
	t.Run("a button may be held for ever", func(t *testing.T) {
		s := newState(10, 10, HoldLimit)
		s.apply(pressButton(1), at(0))
		assert.Empty(t, s.expire(at(1000)))
	})
}

// TestEverythingComesUp: whatever a client sends, X sees presses and releases in turn, positions on the screen, and nothing is down in the
// end.
func TestEverythingComesUp(t *testing.T) {
	message := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) control.Message {
			return control.Key{Code: control.KeyCode(rapid.IntRange(0, 95).Draw(t, "code")), Pressed: rapid.Bool().Draw(t, "pressed")}
		}),
		rapid.Custom(func(t *rapid.T) control.Message {
			return control.MouseButton{Button: control.Button(rapid.IntRange(0, 6).Draw(t, "button")), Pressed: rapid.Bool().Draw(t, "pressed")}
		}),
		rapid.Custom(func(t *rapid.T) control.Message {
			return moveTo(rapid.Float64Range(-40000, 40000).Draw(t, "x"), rapid.Float64Range(-40000, 40000).Draw(t, "y"))
		}),
		rapid.Custom(func(t *rapid.T) control.Message {
			id, x, y := rapid.IntRange(0, 12).Draw(t, "id"), rapid.Float64Range(-40000, 40000).Draw(t, "x"), rapid.Float64Range(-40000, 40000).Draw(t, "y")
			return rapid.SampledFrom([]control.Message{control.TouchStart{ID: id, X: x, Y: y}, control.TouchMove{ID: id, X: x, Y: y}, control.TouchEnd{ID: id}}).Draw(t, "touch")
		}),
		rapid.Custom(func(t *rapid.T) control.Message {
			return control.MouseScroll{X: rapid.Float64Range(-500, 500).Draw(t, "x"), Y: rapid.Float64Range(-500, 500).Draw(t, "y")}
		}),
		rapid.Custom(func(t *rapid.T) control.Message {
			return control.MouseWheel{X: rapid.IntRange(-1, 1).Draw(t, "x"), Y: rapid.IntRange(-1, 1).Draw(t, "y")}
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		const width, height = 1280, 720
		s := newState(width, height, HoldLimit)
		s.can = abilities{touch: rapid.Bool().Draw(t, "touch"), scroll: rapid.Bool().Draw(t, "scroll")}
		now := time.Time{}
		var events []fakeEvent
		for _, m := range rapid.SliceOf(message).Draw(t, "messages") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20000).Draw(t, "wait")) * time.Millisecond)
			if rapid.Bool().Draw(t, "check") {
				events = append(events, s.expire(now)...)
			}
			events = append(events, s.apply(m, now)...)
		}
		events = append(events, s.releaseAll()...)

		requireInTurn(t, events, width, height)
	})
}

// requireInTurn checks that presses and releases come in turn, places are on the screen, and nothing is down in the end.
func requireInTurn(t require.TestingT, events []fakeEvent, width, height int16) {
	type thing struct{ kind, number byte } // kind is that of its press
	down := map[thing]bool{}
	for _, e := range events {
		press := map[byte]byte{xproto.KeyRelease: xproto.KeyPress, xproto.ButtonRelease: xproto.ButtonPress, touchEnd: touchBegin}
		key := thing{e.kind, e.detail}
		if kind, ok := press[e.kind]; ok {
			key.kind = kind
		}
		switch e.kind {
		case xproto.KeyPress, xproto.ButtonPress, touchBegin:
			require.False(t, down[key], "pressed twice: %s", describe(events))
			down[key] = true
		case xproto.KeyRelease, xproto.ButtonRelease, touchEnd:
			require.True(t, down[key], "released twice: %s", describe(events))
			delete(down, key)
		case touchUpdate:
			require.True(t, down[thing{touchBegin, e.detail}], "a finger that is not down moves: %s", describe(events))
		}
		switch e.kind {
		case xproto.MotionNotify, touchBegin, touchUpdate:
			if e.kind == xproto.MotionNotify && e.detail == motionRelative {
				continue
			}
			require.True(t, e.x >= 0 && e.x < width && e.y >= 0 && e.y < height, "%d, %d", e.x, e.y)
		}
	}
	require.Empty(t, down, describe(events))
}
