package g2g

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
	"streamstack/gateway/console/browsertest"
)

// Application names for [Config].
const (
	// Clockcode streams sound too, of which there is none: what a session usually is.
	Clockcode = "clockcode"
	// Mute is clockcode in a session without sound, as what it is compared with has none either.
	Mute = "clockcode-mute"
)

const (
	liveTime = 40 * time.Second
	// inputPause and inputSpread space inputs out: over the phases of frame clocks, and far enough to be told apart.
	inputPause, inputSpread = 350 * time.Millisecond, 250 * time.Millisecond
	pressTime               = 20 * time.Millisecond
	// photonTime bounds what is waited for after the last input.
	photonTime = time.Second
)

//go:embed probe.js
var probe string

// Applications builds clockcode and writes a folder for `--applications` with it; the folder goes with the test.
func Applications(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "clockcode")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "streamstack/deployments/bench/g2g/clockcode").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, audio := range map[string]bool{Clockcode: true, Mute: false} {
		text := fmt.Sprintf("name: %s\nversion: 1\ncommand: [%q]\nscreen: {width: 1280, height: 720, fps: 60}\naudio: %t\n", name, program, audio)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600))
	}
	return dir
}

// Config is what to watch.
type Config struct {
	// App is Clockcode or Mute; empty is Clockcode.
	App string
	// Width and Height are in pixels, FPS in pictures a second. The code needs 1120x336 pixels.
	Width, Height, FPS int
	// Fragment is added to the console's address, as "&relay=1" or "&codec=VP8".
	Fragment string
}

// Viewer is a browser that shows a session of clockcode in the console. It is for one goroutine.
type Viewer struct {
	*browsertest.Browser
	Session events.SessionID
	Config  Config
	stack   *stack.Stack
	from    time.Time
	before  streamStats
}

// Watch starts a session, opens it in a browser of its own and returns when the picture is there. Both end with the test;
// End ends the session earlier. The stack has been started with the folder of [Applications].
func Watch(t testing.TB, s *stack.Stack, c Config) *Viewer {
	t.Helper()
	g := Create(s, c)
	return Join(t, s, g.ID, c)
}

// Create starts a session that nobody watches yet.
func Create(s *stack.Stack, c Config) client.Grant {
	if c.App == "" {
		c.App = Clockcode
	}
	keep := false
	return s.Create(client.CreateRequest{App: c.App, Joinable: true, Ephemeral: &keep,
		Screen: &client.Screen{Width: c.Width, Height: c.Height, FPS: c.FPS}})
}

// Join opens a session in a browser of its own.
func Join(t testing.TB, s *stack.Stack, id events.SessionID, c Config) *Viewer {
	t.Helper()
	v := &Viewer{Browser: browsertest.Open(t), Session: id, Config: c, stack: s}
	v.Navigate(s.Console(c.Fragment))
	button := `#sessions [data-session="` + string(id) + `"] button[data-action="join"]`
	v.Wait(`document.querySelector('`+button+`')`, "the session in the list")
	v.Click(button)
	stack.Eventually(t, liveTime, func() string {
		var state struct{ State, Status string }
		v.Eval(`({State: streamstack.state, Status: document.querySelector('#status').textContent})`, &state)
		if state.State == "live" {
			return ""
		}
		return fmt.Sprintf("a live picture: the page is %q, says %q", state.State, state.Status)
	})
	v.Exec(fmt.Sprintf(`(%s)({video: () => streamstack.video, width: %d, height: %d, block: 64, x: 32, y: 16})`, probe, c.Width, c.Height))
	return v
}

// End ends the session.
func (v *Viewer) End() {
	v.T.Helper()
	require.NoError(v.T, v.stack.Client.Delete(v.T.Context(), v.Session, true))
}

// Start begins a recording.
func (v *Viewer) Start() {
	v.T.Helper()
	v.before = v.streamStats()
	v.Exec(`g2g.start()`)
	v.from = time.Now()
}

// Stop ends the recording and returns it.
func (v *Viewer) Stop() Recording {
	v.T.Helper()
	to := time.Now()
	var raw rawRecording
	v.Eval(`g2g.stop()`, &raw)
	require.Empty(v.T, raw.Error, "the probe")
	r := raw.recording()
	r.From, r.To, r.FPS = v.from, to, v.Config.FPS
	r.Stream = v.streamStats().since(v.before)
	return r
}

// Record records for a while.
func (v *Viewer) Record(d time.Duration) Recording {
	v.T.Helper()
	v.Start()
	v.pause(d)
	return v.Stop()
}

// Press clicks n times into the picture, at varying distances, and returns the recording of it.
func (v *Viewer) Press(n int) Recording {
	v.T.Helper()
	var at struct{ X, Y float64 }
	v.Eval(`(() => { const b = streamstack.video.getBoundingClientRect(); return {X: b.x + b.width * 0.5, Y: b.y + b.height * 0.8}; })()`, &at)
	mouse := func(what input.DispatchMouseEventType) {
		v.Do(chromedp.MouseEvent(what, at.X, at.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	}
	v.Do(chromedp.MouseEvent(chromedp.MouseMoved, at.X, at.Y))
	v.Start()
	for range n {
		v.pause(inputPause + rand.N(inputSpread)) //nolint:gosec // spread over the phases of clocks
		mouse(chromedp.MousePressed)
		v.pause(pressTime)
		mouse(chromedp.MouseReleased)
	}
	v.pause(photonTime)
	return v.Stop()
}

// pause lets time pass, which is what a measurement is about.
func (v *Viewer) pause(d time.Duration) {
	v.T.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-v.Ctx.Done():
		require.NoError(v.T, v.Ctx.Err(), "the browser")
	}
}

// Pause is for a warm-up: a jitter buffer takes seconds to settle.
func (v *Viewer) Pause(d time.Duration) {
	v.T.Helper()
	v.pause(d)
}

// PID is Chromium's first process.
func (v *Viewer) PID() int {
	v.T.Helper()
	p := chromedp.FromContext(v.Ctx).Browser.Process()
	require.NotNil(v.T, p)
	return p.Pid
}

// streamStats reads the browser's figures of the video (W3C webrtc-stats).
func (v *Viewer) streamStats() (s streamStats) {
	v.T.Helper()
	var text json.RawMessage
	v.Eval(`streamstack.pc.getStats().then((report) => {
		const s = [...report.values()].find(({type, kind}) => type === 'inbound-rtp' && kind === 'video') ?? {};
		const codec = report.get(s.codecId);
		return {...s, codec: codec?.mimeType ?? ''};
	})`, &text)
	require.NoError(v.T, json.Unmarshal(text, &s))
	return s
}
