package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

func ptr(v float64) *float64 { return &v }

// valid has every message of the contract, its own examples where it gives one.
var valid = map[string]struct {
	raw  string
	want Message
}{
	"mouse moved":           {`{"type":"input::mouse-move","data":{"rx":5,"ry":10,"x":55.5,"y":60}}`, MouseMove{RX: 5, RY: 10, X: 55.5, Y: 60, Absolute: true}},
	"mouse at the far edge": {`{"type":"input::mouse-move","data":{"rx":0,"ry":0,"x":1280,"y":720}}`, MouseMove{X: 1280, Y: 720, Absolute: true}},
	"mouse locked":          {`{"type":"input::mouse-move","data":{"rx":-5,"ry":10}}`, MouseMove{RX: -5, RY: 10}},
	"mouse locked, null":    {`{"type":"input::mouse-move","data":{"rx":-5,"ry":10,"x":null,"y":null}}`, MouseMove{RX: -5, RY: 10}},
	"mouse without rx, ry":  {`{"type":"input::mouse-move","data":{"x":1,"y":2}}`, MouseMove{X: 1, Y: 2, Absolute: true}},
	"mouse, fraction of rx": {`{"type":"input::mouse-move","data":{"rx":1.6,"ry":-1.6}}`, MouseMove{RX: 2, RY: -2}},
	"left":                  {`{"type":"input::mouse-button","data":{"pressed":true,"button":1}}`, MouseButton{Button: ButtonLeft, Pressed: true}},
	"middle":                {`{"type":"input::mouse-button","data":{"pressed":true,"button":2}}`, MouseButton{Button: ButtonMiddle, Pressed: true}},
	"right, up":             {`{"type":"input::mouse-button","data":{"pressed":false,"button":3}}`, MouseButton{Button: ButtonRight}},
	"back":                  {`{"type":"input::mouse-button","data":{"pressed":true,"button":4}}`, MouseButton{Button: ButtonBack, Pressed: true}},
	"forward":               {`{"type":"input::mouse-button","data":{"pressed":true,"button":5}}`, MouseButton{Button: ButtonForward, Pressed: true}},
	"wheel down":            {`{"type":"input::mouse-wheel","data":{"x":0,"y":-1}}`, MouseWheel{Y: -1}},
	"wheel up and left":     {`{"type":"input::mouse-wheel","data":{"x":1,"y":1}}`, MouseWheel{X: 1, Y: 1}},
	"scrolled":              {`{"type":"input::mouse-scroll","data":{"x":-0.5,"y":12000}}`, MouseScroll{X: -0.5, Y: 12000}},
	"clipboard":             {`{"type":"clipboard::text","data":{"text":"hé\n"}}`, ClipboardText{Text: "hé\n"}},
	"clipboard, a part":     {`{"type":"clipboard::text","data":{"text":"","more":true}}`, ClipboardText{More: true}},
	"rhythm":                {`{"type":"display::rhythm","data":{"period":16.666,"lead":0,"spread":1.25}}`, DisplayRhythm{frame.Rhythm{Period: 16666 * time.Microsecond, Spread: 1250 * time.Microsecond}}},
	"key down":              {`{"type":"input::key","data":{"code":20,"pressed":true}}`, Key{Code: 20, Pressed: true}},
	"key up":                {`{"type":"input::key","data":{"code":20,"pressed":false}}`, Key{Code: 20}},
	"touch-start":           {`{"type":"input::touch-start","data":{"id":0,"x":125,"y":750}}`, TouchStart{X: 125, Y: 750}},
	"touch-move":            {`{"type":"input::touch-move","data":{"id":10,"x":130.5,"y":748}}`, TouchMove{ID: 10, X: 130.5, Y: 748}},
	"touch-end":             {`{"type":"input::touch-end","data":{"id":0,"last":true}}`, TouchEnd{Last: true}},
	"touch-end of old":      {`{"type":"input::touch-end","data":{"id":3,"x":1,"y":2}}`, TouchEnd{ID: 3}},
	"touch-cancel of old":   {`{"type":"input::touch-cancel","data":{"id":0,"x":1,"y":2}}`, TouchEnd{}},
	"gamepad-button":        {`{"type":"input::gamepad-button","data":{"id":0,"index":3,"pressed":true}}`, GamepadButton{Index: 3, Pressed: true}},
	"gamepad-axes":          {`{"type":"input::gamepad-axes","data":{"id":3,"index":1,"value":-0.73}}`, GamepadAxis{Pad: 3, Index: 1, Value: -0.73}},
	"gamepad-axes, worn":    {`{"type":"input::gamepad-axes","data":{"id":0,"index":1,"value":1.01}}`, GamepadAxis{Index: 1, Value: 1}},
	"ime text":              {`{"type":"input::ime-event","data":{"type":1,"data":{"text":"hé"}}}`, IMEText{Text: "hé"}},
	"ime key":               {`{"type":"input::ime-event","data":{"type":2,"data":{"code":67,"times":2}}}`, IMEKey{Code: 67, Times: 2}},
	"ime action":            {`{"type":"input::ime-event","data":{"type":3,"data":{"name":"show","params":"height-ratio=0.4"}}}`, IMEAction{Name: "show", Params: "height-ratio=0.4"}},
	"ime composing":         {`{"type":"input::ime-event","data":{"type":4,"data":{"text":"hel"}}}`, IMEComposing{Text: "hel"}},
	"ime composing, empty":  {`{"type":"input::ime-event","data":{"type":4,"data":{"text":""}}}`, IMEComposing{}},
	"ime region":            {`{"type":"input::ime-event","data":{"type":5,"data":{"start":0,"end":3}}}`, IMERegion{End: 3}},
	"rotated to 90°":        {`{"type":"sensor:event","data":{"sensor":"acceleration","x":-9.81,"y":0,"z":0}}`, Acceleration{X: ptr(-9.81), Y: ptr(0), Z: ptr(0)}},
	"orientation":           {`{"type":"sensor:event","data":{"sensor":"orientation","roll":12.0,"pitch":10.0,"azimuth":30.0}}`, Orientation{Roll: ptr(12), Pitch: ptr(10), Azimuth: ptr(30)}},
	"gyroscope with null":   {`{"type":"sensor:event","data":{"sensor":"gyroscope","x":7.0,"y":null,"z":8.0}}`, Gyroscope{X: ptr(7), Z: ptr(8)}},
	"location": {`{"type":"location::update-position","data":{"format":"wgs84","time":1764003600000,"latitude":52.520008,"longitude":13.404954,"altitude":34.0,"speed":1.4,"bearing":270.0}}`,
		Location{Time: time.UnixMilli(1764003600000), Latitude: 52.520008, Longitude: 13.404954, Altitude: 34, Speed: 1.4, Bearing: 270, HorizontalAccuracy: 20, VerticalAccuracy: 20}},
	"location, nmea": {`{"type":"location::update-position","data":{"format":"nmea","time":0,"latitude":4533.35,"longitude":-13.4,"altitude":0,"speed":0,"bearing":0,"horizontal_accuracy":5}}`,
		Location{NMEA: true, Time: time.UnixMilli(0), Latitude: 4533.35, Longitude: -13.4, HorizontalAccuracy: 5, VerticalAccuracy: 20}},
	"orientation of old":       {`{"type":"screen::change_orientation","data":{"orientation":"reverse-portrait"}}`, ScreenOrientation{Name: "reverse-portrait"}},
	"disconnect":               {`{"type":"stream::disconnect","data":{}}`, Disconnect{}},
	"disconnect without data":  {`{"type":"stream::disconnect"}`, Disconnect{}},
	"further members, blanks":  {` {"data" : {"y":1,"z":[{}],"x":0} ,"type":"input::mouse-wheel","v":2} `, MouseWheel{Y: 1}},
	"escapes in the type name": {`{"type":"input::k\u0065y","data":{"code":4,"pressed":true}}`, Key{Code: 4, Pressed: true}},
}

func TestParse(t *testing.T) {
	for name, test := range valid {
		t.Run(name, func(t *testing.T) {
			message, err := Parse([]byte(test.raw))
			require.NoError(t, err)
			assert.Equal(t, test.want, message)
		})
	}
}

func TestEveryTypeIsTested(t *testing.T) {
	for name := range parsers {
		found := false
		for _, test := range valid {
			found = found || strings.Contains(test.raw, `"`+name+`"`)
		}
		assert.True(t, found, "no example of %s", name)
	}
}

var invalid = map[string]string{
	"empty":                   ``,
	"not JSON":                `{"type":`,
	"two messages":            `{"type":"stream::disconnect"}{"type":"stream::disconnect"}`,
	"an array":                `[]`,
	"null":                    `null`,
	"no type":                 `{"data":{}}`,
	"type is a number":        `{"type":4,"data":{}}`,
	"no data":                 `{"type":"input::key"}`,
	"data is null":            `{"type":"input::key","data":null}`,
	"data is a string":        `{"type":"input::key","data":"{\"code\":4,\"pressed\":true}"}`,
	"data is an array":        `{"type":"input::key","data":[4]}`,
	"key without code":        `{"type":"input::key","data":{"pressed":true}}`,
	"key without pressed":     `{"type":"input::key","data":{"code":4}}`,
	"key, fraction":           `{"type":"input::key","data":{"code":4.5,"pressed":true}}`,
	"key, text":               `{"type":"input::key","data":{"code":"KeyA","pressed":true}}`,
	"key, pressed a number":   `{"type":"input::key","data":{"code":4,"pressed":1}}`,
	"key, beyond int64":       `{"type":"input::key","data":{"code":99999999999999999999,"pressed":true}}`,
	"button 0":                `{"type":"input::mouse-button","data":{"pressed":true,"button":0}}`,
	"button 6":                `{"type":"input::mouse-button","data":{"pressed":true,"button":6}}`,
	"button missing":          `{"type":"input::mouse-button","data":{"pressed":true}}`,
	"button without pressed":  `{"type":"input::mouse-button","data":{"button":1}}`,
	"move without anything":   `{"type":"input::mouse-move","data":{}}`,
	"move without y":          `{"type":"input::mouse-move","data":{"rx":1,"ry":1,"x":5}}`,
	"move without ry":         `{"type":"input::mouse-move","data":{"rx":1}}`,
	"move, x not a number":    `{"type":"input::mouse-move","data":{"x":"1","y":2}}`,
	"move, x beyond float64":  `{"type":"input::mouse-move","data":{"x":1e999,"y":2}}`,
	"move, x beyond X11":      `{"type":"input::mouse-move","data":{"x":32768,"y":2}}`,
	"move, rx beyond X11":     `{"type":"input::mouse-move","data":{"rx":-1e9,"ry":2}}`,
	"wheel, none":             `{"type":"input::mouse-wheel","data":{"x":0,"y":0}}`,
	"wheel, two steps":        `{"type":"input::mouse-wheel","data":{"x":0,"y":2}}`,
	"wheel, pixels":           `{"type":"input::mouse-wheel","data":{"x":-120,"y":0}}`,
	"rhythm without lead":     `{"type":"display::rhythm","data":{"period":16.7,"spread":1}}`,
	"rhythm, too fast":        `{"type":"display::rhythm","data":{"period":1.9,"lead":1,"spread":1}}`,
	"rhythm, too slow":        `{"type":"display::rhythm","data":{"period":1e300,"lead":1,"spread":1}}`,
	"rhythm, lead a period":   `{"type":"display::rhythm","data":{"period":16,"lead":16,"spread":1}}`,
	"rhythm, lead below 0":    `{"type":"display::rhythm","data":{"period":16,"lead":-0.1,"spread":1}}`,
	"rhythm, spread below 0":  `{"type":"display::rhythm","data":{"period":16,"lead":1,"spread":-1}}`,
	"rhythm, spread too wide": `{"type":"display::rhythm","data":{"period":16,"lead":1,"spread":1001}}`,
	"scroll, none":            `{"type":"input::mouse-scroll","data":{"x":0,"y":0}}`,
	"scroll, too far":         `{"type":"input::mouse-scroll","data":{"x":0,"y":12001}}`,
	"scroll without y":        `{"type":"input::mouse-scroll","data":{"x":1}}`,
	"clipboard without text":  `{"type":"clipboard::text","data":{"more":true}}`,
	"touch without id":        `{"type":"input::touch-start","data":{"x":1,"y":2}}`,
	"touch, id negative":      `{"type":"input::touch-start","data":{"id":-1,"x":1,"y":2}}`,
	"touch, id too large":     `{"type":"input::touch-start","data":{"id":2147483648,"x":1,"y":2}}`,
	"location, year 10000":    `{"type":"location::update-position","data":{"time":253402300800000,"latitude":1,"longitude":1,"altitude":1,"speed":1,"bearing":1}}`,
	"touch without place":     `{"type":"input::touch-move","data":{"id":0}}`,
	"touch-end without id":    `{"type":"input::touch-end","data":{"last":true}}`,
	"pad 4":                   `{"type":"input::gamepad-button","data":{"id":4,"index":0,"pressed":true}}`,
	"pad button 17":           `{"type":"input::gamepad-button","data":{"id":0,"index":17,"pressed":true}}`,
	"pad without pressed":     `{"type":"input::gamepad-button","data":{"id":0,"index":1}}`,
	"axis 6":                  `{"type":"input::gamepad-axes","data":{"id":0,"index":6,"value":1}}`,
	"axis without value":      `{"type":"input::gamepad-axes","data":{"id":0,"index":1}}`,
	"axis without index":      `{"type":"input::gamepad-axes","data":{"id":0,"value":1}}`,
	"ime 6":                   `{"type":"input::ime-event","data":{"type":6,"data":{}}}`,
	"ime without data":        `{"type":"input::ime-event","data":{"type":1}}`,
	"ime text missing":        `{"type":"input::ime-event","data":{"type":1,"data":{}}}`,
	"ime composing missing":   `{"type":"input::ime-event","data":{"type":4,"data":{}}}`,
	"ime key, too often":      `{"type":"input::ime-event","data":{"type":2,"data":{"code":67,"times":100000}}}`,
	"ime key, never":          `{"type":"input::ime-event","data":{"type":2,"data":{"code":67,"times":0}}}`,
	"ime key 0":               `{"type":"input::ime-event","data":{"type":2,"data":{"times":1}}}`,
	"ime action without name": `{"type":"input::ime-event","data":{"type":3,"data":{}}}`,
	"ime region backwards":    `{"type":"input::ime-event","data":{"type":5,"data":{"start":3,"end":1}}}`,
	"no such sensor":          `{"type":"sensor:event","data":{"sensor":"smell","x":1}}`,
	"location without time":   `{"type":"location::update-position","data":{"latitude":1,"longitude":1,"altitude":1,"speed":1,"bearing":1}}`,
	"location, time negative": `{"type":"location::update-position","data":{"time":-1,"latitude":1,"longitude":1,"altitude":1,"speed":1,"bearing":1}}`,
	"location, latitude 91":   `{"type":"location::update-position","data":{"time":1,"latitude":91,"longitude":1,"altitude":1,"speed":1,"bearing":1}}`,
	"location, longitude 181": `{"type":"location::update-position","data":{"time":1,"latitude":1,"longitude":-181,"altitude":1,"speed":1,"bearing":1}}`,
	"location, format":        `{"type":"location::update-position","data":{"format":"utm","time":1,"latitude":1,"longitude":1,"altitude":1,"speed":1,"bearing":1}}`,
	"no such orientation":     `{"type":"screen::change_orientation","data":{"orientation":"sideways"}}`,
}

func TestParseRefuses(t *testing.T) {
	for name, raw := range invalid {
		t.Run(name, func(t *testing.T) {
			message, err := Parse([]byte(raw))
			require.ErrorIs(t, err, ErrInvalid)
			assert.NotErrorIs(t, err, ErrUnknown)
			assert.Nil(t, message)
		})
	}
}

func TestParseNamesTheUnknownType(t *testing.T) {
	for _, name := range []string{"input::telepathy", "vhal::get", "sensor::event", strings.Repeat("x", 1000)} {
		_, err := Parse([]byte(`{"type":"` + name + `","data":7}`))
		require.ErrorIs(t, err, ErrUnknown)
		assert.NotErrorIs(t, err, ErrInvalid)
		var unknown *UnknownError
		require.True(t, errors.As(err, &unknown))
		assert.Equal(t, name[:min(len(name), 64)], unknown.Type)
	}
}

func TestParseLimitsTheSize(t *testing.T) {
	fill := func(total int) []byte {
		head, tail := `{"type":"stream::disconnect","data":"`, `"}`
		return []byte(head + strings.Repeat("x", total-len(head)-len(tail)) + tail)
	}
	_, err := Parse(fill(MaxMessage))
	require.NoError(t, err)
	_, err = Parse(fill(MaxMessage + 1))
	require.ErrorIs(t, err, ErrInvalid)
}

// checkParsed is what holds for any input whatever.
func checkParsed(t interface {
	Errorf(format string, args ...any)
}, message Message, err error) {
	if (message == nil) == (err == nil) {
		t.Errorf("message %v and error %v: want exactly one of them", message, err)
	}
	if err != nil && errors.Is(err, ErrInvalid) == errors.Is(err, ErrUnknown) {
		t.Errorf("error %v: want exactly one of the two kinds", err)
	}
	if move, ok := message.(MouseMove); ok && (move.X > maxPixels || move.Y < -maxPixels) {
		t.Errorf("%+v is far off any screen", move)
	}
}

func FuzzParse(f *testing.F) {
	for _, test := range valid {
		f.Add([]byte(test.raw))
	}
	for _, raw := range invalid {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		message, err := Parse(raw)
		checkParsed(t, message, err)
	})
}

// TestParseAnyFields builds messages of known types with members of known names and any values.
func TestParseAnyFields(t *testing.T) {
	types := make([]string, 0, len(parsers))
	for name := range parsers {
		types = append(types, name)
	}
	value := rapid.OneOf(
		rapid.Map(rapid.Float64(), func(v float64) any { return v }),
		rapid.Map(rapid.IntRange(-10, 100), func(v int) any { return v }),
		rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.String(), func(v string) any { return v }),
		rapid.Just[any](nil),
	)
	name := rapid.SampledFrom([]string{"x", "y", "rx", "ry", "id", "index", "code", "pressed", "button", "value", "type", "data", "sensor", "time"})
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.MapOfN(name, value, 0, 6).Draw(t, "data")
		kind := rapid.SampledFrom(types).Draw(t, "type")
		message, err := Parse(rawMessage(t, kind, data))
		checkParsed(t, message, err)
	})
}
