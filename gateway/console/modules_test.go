package console

import (
	_ "embed"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// contractKeys is the table of the control channel's contract, section 4: a number and a name on each line.
//
//go:embed testdata/keys.txt
var contractKeys string

// point is a place of the picture, and whether the pointer is on it.
type point struct {
	X, Y   float64
	Inside bool
}

// TestModules runs the page's pure functions in the browser that they are written for. One Chromium serves all subtests.
func TestModules(t *testing.T) {
	t.Parallel()
	b := openModules(t)

	t.Run("key table is the contract's", func(t *testing.T) {
		want := make(map[string]int)
		for line := range strings.Lines(contractKeys) {
			var number int
			var name string
			_, err := fmt.Sscan(line, &number, &name)
			require.NoError(t, err)
			want[name] = number
		}
		require.Len(t, want, 87)
		var got map[string]int
		b.Eval(`import('./keys.js').then((m) => Object.fromEntries(m.KEYS))`, &got)
		require.Equal(t, want, got)
	})

	t.Run("event streams, cut anywhere", func(t *testing.T) {
		const stream = "retry: 250\n\n: keep-alive\n\nid: 1\nevent: a\ndata: {\"x\":\"ä\"}\n\nid: 2\r\ndata: one\r\ndata:two\r\n\ndata: three\r\rid: 4\n\ndata\n\ndata: unfinished\n"
		for size := 1; size < 20; size++ {
			var got struct {
				Messages []string
				Retry    int
			}
			b.Eval(fmt.Sprintf(`import('./feed.js').then(({StreamParser}) => { const p = new StreamParser(); const text = %q; const messages = [];
				for (let i = 0; i < text.length; i += %d) messages.push(...p.push(text.slice(i, i + %d)));
				return {messages, retry: p.retry}; })`, stream, size, size), &got)
			require.Equal(t, []string{`{"x":"ä"}`, "one\ntwo", "three", ""}, got.Messages, size)
			require.Equal(t, 250, got.Retry)
		}
	})

	t.Run("browser keys", func(t *testing.T) {
		for _, c := range []struct {
			code, key string
			want      []int
		}{
			{"KeyQ", "a", []int{20}}, // by place, not by letter
			{"Digit0", "=", []int{39}},
			{"Quote", "'", []int{50}},
			{"ControlLeft", "Control", []int{83}},
			{"ControlRight", "Control", []int{83}},
			{"ShiftRight", "Shift", []int{84}},
			{"AltLeft", "Alt", []int{85}},
			{"MetaLeft", "Meta", []int{86}},
			{"AltRight", "AltGraph", []int{87}},
			{"Numpad7", "7", []int{36}},
			{"Numpad7", "Home", []int{74}},
			{"Numpad5", "Clear", []int{}},
			{"NumpadDivide", "/", []int{56}},
			{"NumpadDecimal", ".", []int{55}},
			{"NumpadDecimal", "Delete", []int{76}},
			{"NumpadSubtract", "-", []int{45}},
			{"NumpadEnter", "Enter", []int{40}},
			{"NumpadEqual", "=", []int{46}},
			{"NumpadComma", ",", []int{54}},
			{"NumpadAdd", "+", []int{84, 46}},
			{"NumpadMultiply", "*", []int{84, 37}},
			{"Backquote", "`", []int{200}}, // a number of our own
			{"IntlBackslash", "<", []int{201}},
			{"ContextMenu", "ContextMenu", []int{204}},
			{"F13", "F13", []int{}},
		} {
			var got []int
			b.Eval(fmt.Sprintf(`import('./keys.js').then((m) => m.keyNumbers({code: %q, key: %q}))`, c.code, c.key), &got)
			require.Equal(t, c.want, got, "%s %s", c.code, c.key)
		}
	})

	t.Run("pointer to picture", func(t *testing.T) {
		for _, c := range []struct {
			name, args string
			want       point
		}{
			{"same size", `{x: 55.5, y: 60}, {left: 0, top: 0, width: 1280, height: 720}, {width: 1280, height: 720}`, point{55.5, 60, true}},
			{"half size with offset", `{x: 110, y: 70}, {left: 100, top: 50, width: 640, height: 360}, {width: 1280, height: 720}`, point{20, 40, true}},
			{"bars left and right", `{x: 500, y: 180}, {left: 0, top: 0, width: 1000, height: 360}, {width: 1280, height: 720}`, point{640, 360, true}},
			{"on the left bar", `{x: 100, y: 180}, {left: 0, top: 0, width: 1000, height: 360}, {width: 1280, height: 720}`, point{0, 360, false}},
			{"bars above and below", `{x: 320, y: 500}, {left: 0, top: 0, width: 640, height: 1000}, {width: 1280, height: 720}`, point{640, 360, true}},
			{"far edge", `{x: 1280, y: 720}, {left: 0, top: 0, width: 1280, height: 720}, {width: 1280, height: 720}`, point{1280, 720, true}},
			{"beyond", `{x: 2000, y: -5}, {left: 0, top: 0, width: 1280, height: 720}, {width: 1280, height: 720}`, point{1280, 0, false}},
			{"no picture yet", `{x: 5, y: 5}, {left: 0, top: 0, width: 1280, height: 720}, {width: 0, height: 0}`, point{0, 0, false}},
		} {
			var got point
			b.Eval(`import('./geometry.js').then((m) => m.toPicture(`+c.args+`))`, &got)
			require.Equal(t, c.want, got, c.name)
		}
	})

	t.Run("a turned picture", func(t *testing.T) {
		// A point a fifth from the picture's left and a tenth from its top, as it is seen by quarter turns; and off the picture.
		const size = `{width: 1000, height: 500}`
		for turn, at := range map[int]string{0: `{x: 200, y: 50}`, 1: `{x: 450, y: 200}`, 2: `{x: 800, y: 450}`, 3: `{x: 50, y: 800}`} {
			box := `{left: 0, top: 0, width: 1000, height: 500}`
			if turn%2 == 1 {
				box = `{left: 0, top: 0, width: 500, height: 1000}`
			}
			var got point
			b.Eval(fmt.Sprintf(`import('./geometry.js').then((m) => m.toTurnedPicture(%s, %s, %s, %d))`, at, box, size, turn), &got)
			require.Equal(t, point{200, 50, true}, got, turn)
			b.Eval(fmt.Sprintf(`import('./geometry.js').then((m) => m.toTurnedPicture({x: -9, y: -9}, %s, %s, %d))`, box, size, turn), &got)
			require.False(t, got.Inside, turn)
			// The browser agrees: a movement to the right in the picture is one of the page that is turned back.
			var by struct{ X, Y float64 }
			b.Eval(fmt.Sprintf(`import('./geometry.js').then((m) => {
				const {x, y} = new DOMMatrix().rotate(90 * %d).transformPoint({x: 3, y: 1}); return m.turnBack({x, y}, %d); })`, turn, turn), &by)
			require.InDelta(t, 3, by.X, 1e-9, turn)
			require.InDelta(t, 1, by.Y, 1e-9, turn)
		}
	})

	t.Run("small movements add up", func(t *testing.T) {
		var sum int
		b.Eval(`import('./geometry.js').then((m) => {
			let sum = 0, carry = {x: 0, y: 0};
			for (let i = 0; i < 100; i++) {
				const step = m.movement({x: i * .3, y: 0}, {x: (i + 1) * .3, y: 0}, carry);
				sum += step.rx; carry = step.carry;
			}
			return sum;
		})`, &sum)
		require.Equal(t, 30, sum)
	})

	t.Run("wheel", func(t *testing.T) {
		for deltas, want := range map[string]string{
			`[[0, 120]]`:                   `[{"x":0,"y":-1}]`, // towards the user
			`[[0, -120]]`:                  `[{"x":0,"y":1}]`,
			`[[100, 0]]`:                   `[{"x":-1,"y":0}]`, // to the right
			`[[-100, 0]]`:                  `[{"x":1,"y":0}]`,
			`[[0, 720]]`:                   `[{"x":0,"y":-1}]`, // one step whatever its size
			`[[0, 15], [0, 15], [0, 15]]`:  `[null,null,{"x":0,"y":-1}]`,
			`[[0, 30], [0, -15]]`:          `[null,null]`,
			`[[0, 30], [0, -15], [0,-30]]`: `[null,null,{"x":0,"y":1}]`,
			`[[0, 3, 1]]`:                  `[{"x":0,"y":-1}]`, // lines, as Firefox counts
		} {
			var got string
			b.Eval(`import('./wheel.js').then((m) => { const wheel = new m.Wheel(); return JSON.stringify(`+deltas+
				`.map(([deltaX, deltaY, deltaMode = 0]) => wheel.step({deltaX, deltaY, deltaMode}))); })`, &got)
			require.Equal(t, want, got, deltas)
		}
	})

	t.Run("a wheel that turns smoothly", func(t *testing.T) {
		for deltas, want := range map[string]string{
			`0, 100, 0`: `{"x":0,"y":120}`, `-25, 0, 0`: `{"x":-30,"y":0}`, `0, 3, 1`: `{"x":0,"y":120}`, `0, -1, 2`: `{"x":0,"y":-120}`,
			`0, 1e9, 0`: `{"x":0,"y":12000}`, `0, 0, 0`: `null`, `0, 0.001, 0`: `null`,
		} {
			var got string
			b.Eval(`import('./wheel.js').then((m) => { const [deltaX, deltaY, deltaMode] = [`+deltas+`]; return JSON.stringify(m.Wheel.way({deltaX, deltaY, deltaMode})); })`, &got)
			require.Equal(t, want, got, deltas)
		}
	})

	t.Run("a display's rhythm", func(t *testing.T) {
		type rhythm struct{ Period, Lead, Spread float64 }
		read := func(shown string) (r *rhythm) {
			t.Helper()
			b.Eval(`import('./rhythm.js').then((m) => m.rhythmOf(`+shown+`))`, &r)
			return r
		}
		at := func(ms string) string { // 30 refreshes at 60 Hz, without every tenth, pictures so long before them
			return `Array.from({length: 30}, (_, i) => ({tick: 1000 + i * 50 / 3, ready: 1000 + i * 50 / 3 - (` + ms + `)})).filter((_, i) => i % 10)`
		}
		for ms, want := range map[string]rhythm{`4`: {Lead: 4}, `3 + i % 2 * 2`: {Lead: 4, Spread: 1}, `i % 2 ? 0.5 : -0.5`: {Lead: 0, Spread: 0.5}, `-1`: {Lead: 50./3 - 1}} {
			r := read(at(ms))
			require.NotNil(t, r, ms)
			require.InDelta(t, 50./3, r.Period, 1e-6, ms)
			apart := math.Mod(r.Lead-want.Lead+1.5*r.Period, r.Period) - r.Period/2 // the shorter way around
			require.InDelta(t, 0, apart, 0.2, "%s: %v", ms, r)
			require.InDelta(t, want.Spread, r.Spread, 0.05, ms)
			require.True(t, r.Lead >= 0 && r.Lead < r.Period, ms)
		}
		require.Greater(t, read(at(`i * 50 / 90`)).Spread, 5., "all over the period")
		require.Nil(t, read(`[]`))
		require.Nil(t, read(`Array(30).fill({tick: 5, ready: 1})`), "no time passes")
		require.Nil(t, read(`Array.from({length: 60}, (_, i) => ({tick: Math.ceil(i * 144 / 60) * 1000 / 144, ready: 0}))`), "144 Hz: two refreshes, then three")
	})

	t.Run("layouts", func(t *testing.T) {
		for event, want := range map[string]string{
			`{code: 'KeyQ', key: 'q'}`:                                            `{"code":"KeyQ"}`,
			`{code: 'KeyQ', key: 'Q', shiftKey: true}`:                            `{"code":"KeyQ"}`,
			`{code: 'KeyQ', key: 'Q', getModifierState: (m) => m === 'CapsLock'}`: `{"code":"KeyQ"}`,
			`{code: 'KeyZ', key: 'y'}`:                                            `{"text":"y"}`, // German
			`{code: 'KeyY', key: 'z', ctrlKey: true}`:                             `{"code":"KeyZ"}`,
			`{code: 'KeyQ', key: '@', ctrlKey: true, altKey: true, getModifierState: (m) => m === 'AltGraph'}`: `{"text":"@"}`,
			`{code: 'Minus', key: 'ß'}`:                  `{"text":"ß"}`,
			`{code: 'Digit7', key: '/', shiftKey: true}`: `{"text":"/"}`,
			`{code: 'KeyF', key: 'а'}`:                   `{"text":"а"}`, // Russian
			`{code: 'KeyF', key: 'а', ctrlKey: true}`:    `{"code":"KeyF"}`,
			`{code: 'IntlBackslash', key: '<'}`:          `{"text":"<"}`,
			`{code: 'Enter', key: 'Enter'}`:              `{"code":"Enter"}`,
			`{code: 'Numpad7', key: '7'}`:                `{"code":"Numpad7"}`,
			`{code: 'Space', key: ' '}`:                  `{"code":"Space"}`,
			`{code: '', key: '🙂'}`:                       `{"text":"🙂"}`,
		} {
			var got string
			b.Eval(`import('./characters.js').then((m) => JSON.stringify(m.meaning({shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...`+event+`})))`, &got)
			require.JSONEq(t, want, got, event)
		}
	})

	t.Run("gamepads", func(t *testing.T) {
		var got []any
		b.Eval(`import('./gamepads.js').then((m) => {
			const pad = (pressed, ...axes) => ({buttons: pressed.map((p) => ({pressed: p === 1})), axes});
			const first = m.changes(2, {buttons: [], axes: []}, pad([0, 1], 0, -0.73));
			const noise = m.changes(2, first.state, pad([0, 1], 0.001, -0.731));
			const last = m.changes(2, noise.state, pad([0, 0], 0, 0));
			return [...first.messages, 'then', ...noise.messages, 'then', ...last.messages].map((e) => JSON.stringify(e)); })`, &got)
		require.Equal(t, []any{
			`["input::gamepad-button",{"id":2,"index":1,"pressed":true}]`, `["input::gamepad-axes",{"id":2,"index":1,"value":-0.73}]`, `"then"`, `"then"`,
			`["input::gamepad-button",{"id":2,"index":1,"pressed":false}]`, `["input::gamepad-axes",{"id":2,"index":1,"value":0}]`,
		}, got)
	})

	t.Run("a clipboard in parts", func(t *testing.T) {
		var got []int
		b.Eval(`import('./clipboard.js').then((m) => { const text = 'x' + '🙂'.repeat(10000); const parts = m.parts(text);
			return [m.parts('').length, parts.join('') === text ? 1 : 0, parts.every((p) => p.isWellFormed() && p.length <= 8192) ? 1 : 0]; })`, &got)
		require.Equal(t, []int{1, 1, 1}, got)
	})

	t.Run("buttons", func(t *testing.T) {
		for expression, want := range map[string]int{
			`{type: 'pointerdown', button: 0, buttons: 1}, 0`:  1,
			`{type: 'pointerup', button: 0, buttons: 0}, 1`:    0,
			`{type: 'pointermove', button: 2, buttons: 3}, 1`:  3, // right pressed while left is down
			`{type: 'pointermove', button: 0, buttons: 2}, 3`:  2, // left released while right is down
			`{type: 'pointermove', button: -1, buttons: 0}, 1`: 0, // the release was lost
			`{type: 'pointermove', button: -1, buttons: 1}, 0`: 0, // pressed elsewhere
		} {
			var got int
			b.Eval(`import('./input.js').then((m) => m.buttonsAfter(`+expression+`))`, &got)
			require.Equal(t, want, got, expression)
		}
	})

	t.Run("fragment", func(t *testing.T) {
		for fragment, want := range map[string]string{
			`#token=abc_-=&relay=1`: `abc_-=|1|#relay=1`,
			`#token=a+b`:            `a+b||`,
			`#relay=1`:              `|1|#relay=1`,
			``:                      `||`,
		} {
			var got string
			b.Eval(fmt.Sprintf(`import('./token.js').then((m) => { const f = m.splitFragment(%q);
				return [f.token, f.parameters.get('relay') ?? '', f.rest].join('|'); })`, fragment), &got)
			require.Equal(t, want, got, fragment)
		}
	})

	t.Run("words", func(t *testing.T) {
		const event = `{subject: 'sessions.local.id.%s', data: %s}`
		for _, c := range []struct{ subject, data, step, detail string }{
			{"gateway.created", `{app: 'xterm', screen: {width: 1280, height: 720}}`, "Session created", "xterm, 1280 × 720"},
			{"streamer.connected", `{codec: 'H264', pair: {local: {kind: 'host'}, remote: {kind: 'relay'}, protocol: 'udp'}}`, "Connected", "H264, through TURN"},
			{"streamer.connected", `{pair: {local: {kind: 'host'}, remote: {kind: 'prflx'}, protocol: 'tcp'}}`, "Connected", "directly over TCP"},
			{"streamer.disconnected", `{reason: 'displaced'}`, "Client disconnected", "another client took over"},
			{"client.detached", `{code: 1000}`, "Socket closed", ""},
			{"agent.something_new", `null`, "something_new", ""},
		} {
			var got []string
			b.Eval(fmt.Sprintf(`import('./words.js').then((m) => { const e = `+event+
				`; return [m.stepInWords(e), m.detailInWords(e)]; })`, c.subject, c.data), &got)
			require.Equal(t, []string{c.step, c.detail}, got, c.subject)
		}
		var ending string
		failed := fmt.Sprintf(event, "agent.failed", `{reason: 'the application ended with exit code 3'}`)
		b.Eval(`import('./words.js').then((m) => m.endingInWords([`+failed+`]))`, &ending)
		require.Equal(t, "The session failed: the application ended with exit code 3", ending)
		b.Eval(`import('./words.js').then((m) => m.endingInWords([`+failed+`,`+fmt.Sprintf(event, "agent.claimed", `{}`)+`]))`, &ending)
		require.Empty(t, ending, "a claim opens the session anew")
	})

	t.Run("who watches", func(t *testing.T) {
		const script = `import('./viewers.js').then((m) => { const e = (name, data = {}) => ({subject: 'sessions.local.id.x.' + name, time: 'T', data});
			return m.viewersAfter([%s]).map((v) => [v.peer, v.account, v.codec, v.route].join(' ')); })`
		const come = `e('joined', {peer: 'c', role: 'slave'}), e('connected', {peer: 'c'}), e('joined', {peer: 'v', role: 'viewer', account: 'kim'}),
			e('joined', {peer: 'w', role: 'viewer'}), e('connected', {peer: 'w', codec: 'VP8'}), e('connected', {peer: 'v', codec: 'VP8', pair: {local: {kind: 'relay'}}})`
		for events, want := range map[string][]string{
			`e('joined', {peer: 'v', role: 'viewer'})`: {}, come: {"w  VP8 ", "v kim VP8 through TURN"},
			come + `, e('disconnected', {peer: 'w'}), e('disconnected', {peer: 'c'})`: {"v kim VP8 through TURN"},
			come + `, e('ready')`: {}, come + `, e('terminated')`: {},
		} {
			var got []string
			b.Eval(fmt.Sprintf(script, events), &got)
			require.Equal(t, want, got, events)
		}
	})

	t.Run("devices that cannot be taken", func(t *testing.T) {
		for events, want := range map[string]string{
			``: "", `e('attached', {peer: 'c'}), e('device_changed', {peer: 'c', device: 'camera', state: 'unavailable', reason: 'this host has no v4l2loopback'})`: "The session cannot take your camera: this host has no v4l2loopback",
			`e('attached', {peer: 'c'}), e('device_changed', {peer: 'c', device: 'camera', state: 'unavailable'}), e('attached', {peer: 'v', role: 'viewer'})`: "The session cannot take your camera: no reason is known",
			`e('attached', {peer: 'c'}), e('device_changed', {peer: 'c', device: 'camera', state: 'unavailable'}), e('attached', {peer: 'd', role: 'slave'})`:  "",
			`e('attached', {peer: 'c'}), e('device_changed', {peer: 'c', device: 'microphone', state: 'started'})`:                                             "",
		} {
			var got string
			b.Eval(`import('./words.js').then((m) => { const e = (name, data) => ({subject: 'sessions.local.id.x.' + name, data}); return m.deviceProblem([`+events+`]); })`, &got)
			require.Equal(t, want, got, events)
		}
	})

	t.Run("lines of a chart", func(t *testing.T) {
		var got string
		b.Eval(`import('./chart.js').then((m) => m.coordinates([{time: 40_000, rtt: 0}, {time: 70_000, rtt: 50}, {time: 100_001, rtt: 100}], 'rtt', 100, 100_000))`, &got)
		require.Equal(t, "0.0,39.0 120.0,20.0 240.0,1.0", got, "a minute from left to right, nothing at the bottom; a clock that is ahead stays inside")
	})

	t.Run("an upload stays close to what is written", func(t *testing.T) {
		var got []int
		b.Eval(`import('./files.js').then(async (m) => {
			const channel = Object.assign(new EventTarget(), {readyState: 'open', bufferedAmount: 0, sent: 0, send(data) {
				if (typeof data === 'string') this.said = JSON.parse(data); else this.sent += data.byteLength; }});
			const files = new m.Files(channel), MiB = 1024 * 1024, seen = [];
			const answer = (a) => channel.dispatchEvent(new MessageEvent('message', {data: JSON.stringify({id: channel.said.id, ...a})}));
			const settled = async () => { for (let before = -1, calm = 0; calm < 20;) {
				calm = channel.sent === before ? calm + 1 : 0; before = channel.sent; await new Promise((go) => setTimeout(go, 5)); } };
			const going = files.put(new File([new Uint8Array(5 * MiB)], 'f'));
			await settled();
			answer({type: 'go'});
			for (const bytes of [1, 2, 3].map((n) => n * MiB)) { await settled(); seen.push(channel.sent / MiB); answer({type: 'progress', bytes}); }
			await settled();
			seen.push(channel.sent / MiB);
			answer({type: 'done', name: 'f'});
			await going;
			return seen;
		})`, &got)
		require.Equal(t, []int{2, 3, 4, 5}, got, "MiB sent when 0, 1, 2 and 3 were written")
	})

	t.Run("decisions", func(t *testing.T) {
		for list, want := range map[string][]string{
			`{kind: 'keyframe', cause: 'pli'}, {kind: 'something_new'}, {kind: 'target', cause: 'start', target_kbps: 9}`:                 {},
			`{kind: 'drop', pictures: 1}, {kind: 'drop', pictures: 2}`:                                                                    {"Faster than the network carries it, 1 picture dropped", "Faster than the network carries it, 2 pictures dropped"},
			`{kind: 'outage'}, {kind: 'resume'}`:                                                                                          {"Nothing is heard of this browser: nothing is sent", "This browser is heard again"},
			`{kind: 'fallback', from: 'a', to: 'b'}`:                                                                                      {"Encoder a failed: b took over"},
			`{kind: 'target', target_kbps: 1000}, {kind: 'target', target_kbps: 750}, {kind: 'target', cause: 'delay', target_kbps: 500}`: {"Bitrate lowered from 750 to 500 kbit/s: packets queue up on the way"},
		} {
			var got []string
			b.Eval(`import('./decisions.js').then((m) => { const d = new m.Decisions();
				d.take([{data: {peer: 'another', list: [{kind: 'target', target_kbps: 90000}]}}, {data: {fps: 30}}]);
				return d.take([{data: {peer: 'p', list: [`+list+`]}}]).map(({text}) => text); })`, &got)
			require.Equal(t, want, got, list)
		}
	})

	t.Run("signalling frames", func(t *testing.T) {
		var got []any
		b.Eval(`import('./signalling.js').then((m) => [m.withAfter('ws://h/s?token=a', 7), m.parse('no json'), m.parse('{}'),
			m.parse(new ArrayBuffer(1)), m.parse('{"type":"offer"}').type])`, &got)
		require.Equal(t, []any{"ws://h/s?token=a&after=7", nil, nil, nil, "offer"}, got)
	})
}
