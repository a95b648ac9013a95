package e2e

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/streamer/testcard"
)

const (
	// keycodeQ is the X key code of the key Q: KEY_Q of Linux plus 8.
	keycodeQ = 24
	// leftButton is X's number of the left button.
	leftButton = 1
	// toneHz is what the test card plays; the analyser's bins are 3 Hz wide.
	toneHz, toneOff = 440, 6
	// leastRate is how many frames a second are decoded over watchTime, of the 30 that the application draws.
	watchTime, leastRate = 10 * time.Second, 25
)

// TestConsole is the main job: a person opens the console's address, starts an application, sees and hears it, and uses
// it; and every step of that is in the log, with samples of what the picture was like.
func TestConsole(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	id := checkJob(t, s, func(v viewer, id events.SessionID) {
		checkRate(t, v)
		checkQuality(t, v, id)
		v.takePicture()
	}, viewer.closeTab)
	checkDrawn(t, s, id)
}

// checkMainJob holds for a stack however it is put together.
func checkMainJob(t *testing.T, s *stack.Stack) {
	t.Helper()
	checkJob(t, s, func(viewer, events.SessionID) {}, viewer.end)
}

// checkJob is [checkMainJob] with something that is done meanwhile, while the picture is live, and a way to leave.
func checkJob(t *testing.T, s *stack.Stack, meanwhile func(v viewer, id events.SessionID), leave func(viewer)) events.SessionID {
	t.Helper()
	v := open(t, s, "")
	id := v.start("testcard")
	checkPicture(t, v)
	checkInput(t, v)
	checkSound(t, v)
	meanwhile(v, id)

	leave(v)
	s.Await(id, events.Streamer, events.Disconnected)
	s.Await(id, events.Agent, events.Terminated)
	checkHistory(t, s.History(id))
	s.Verify("--ended")
	return id
}

// checkSound waits for what the application plays: its first sound may come after its first picture.
func checkSound(t *testing.T, v viewer) {
	t.Helper()
	begin := time.Now()
	stack.Eventually(t, liveTime, func() string {
		if hz := v.tone(); math.Abs(hz-toneHz) > toneOff {
			return fmt.Sprintf("%d Hz as the loudest frequency of the audio track: %.0f", toneHz, hz)
		}
		return ""
	})
	t.Logf("heard after %s", time.Since(begin).Round(time.Millisecond))
}

// closeTab leaves as people do: the session ends by itself, in its own time.
func (v viewer) closeTab() {
	v.T.Helper()
	v.Navigate("about:blank")
}

// end clicks on End.
func (v viewer) end() {
	v.T.Helper()
	v.Click(`#end`)
}

// pictureVariable names the file that gets a picture of the live console, which the README shows.
const pictureVariable = "STREAMSTACK_PICTURE"

// takePicture writes the page as it is shown, if somebody wants it.
func (v viewer) takePicture() {
	v.T.Helper()
	file := os.Getenv(pictureVariable)
	if file == "" {
		return
	}
	picture, err := chromedp.Run(v.Ctx, chromedp.CaptureScreenshot())
	require.NoError(v.T, err)
	require.NoError(v.T, os.WriteFile(file, picture, 0o600))
}

// checkPicture compares what the browser shows with what the application drew.
func checkPicture(t *testing.T, v viewer) {
	t.Helper()
	stack.Eventually(t, seenTime, func() string { // the browser's figures are a second old
		if st := v.stats(); st.FrameWidth != 1280 || st.FrameHeight != 720 {
			return fmt.Sprintf("a picture of 1280x720; it has %dx%d", st.FrameWidth, st.FrameHeight)
		}
		return ""
	})
	card := v.card()
	for _, bar := range slices.Concat(card.Bars, card.Ramp) {
		v.colourAt(bar.Rect, bar.Colour, bar.Name+" bar")
	}
	first := v.frame(card)
	stack.Eventually(t, seenTime, func() string {
		if n := v.frame(card); n == first {
			return fmt.Sprintf("a frame after number %d", first)
		}
		return ""
	})
}

// frame is the number of the frame that is shown, read from the picture.
func (v viewer) frame(card testcard.Card) uint32 {
	v.T.Helper()
	var n uint32
	stack.Eventually(v.T, seenTime, func() string {
		var err error
		if n, err = card.Frame.Decode(v.picture()); err != nil {
			return "a readable frame number: " + err.Error()
		}
		return ""
	})
	return n
}

// checkRate counts decoded frames, until there were enough of them in one stretch of watchTime: the machine may be busy with
// something else at first.
func checkRate(t *testing.T, v viewer) {
	t.Helper()
	type look struct {
		at     time.Time
		frames int
	}
	var looks []look
	stack.Eventually(t, liveTime, func() string {
		looks = append(looks, look{time.Now(), v.stats().FramesDecoded})
		last := looks[len(looks)-1]
		if last.at.Sub(looks[0].at) < watchTime {
			return watchTime.String() + " of watching"
		}
		for len(looks) > 1 && last.at.Sub(looks[1].at) >= watchTime {
			looks = looks[1:]
		}
		took := last.at.Sub(looks[0].at)
		if rate := float64(last.frames-looks[0].frames) / took.Seconds(); rate < leastRate {
			return fmt.Sprintf("%s with %d pictures a second, the last had %.1f", watchTime, leastRate, rate)
		}
		t.Logf("%d frames decoded in %s", last.frames-looks[0].frames, took.Round(time.Millisecond))
		return ""
	})
}

// checkInput clicks and types, and looks for what the application makes of it.
func checkInput(t *testing.T, v viewer) {
	t.Helper()
	card := v.card()
	v.colourAt(card.ClickPatch, untouched, "the click patch before any click")
	v.Click(`#video`)
	v.colourAt(card.ClickPatch, clicked, "the click patch after a click")
	v.colourAt(card.KeyPatch, untouched, "the key patch before any key")
	v.Do(keyQ)
	v.colourAt(card.KeyPatch, typed, "the key patch after Q")
}

// place is where an event's first occurrence is in a history.
func place(t *testing.T, h []events.Event, a events.Actor, n events.Name) int {
	t.Helper()
	i := slices.IndexFunc(h, func(e events.Event) bool { return e.Is(a, n) })
	require.GreaterOrEqual(t, i, 0, "%s.%s in the history", a, n)
	return i
}

// checkHistory holds for every session that went well.
func checkHistory(t *testing.T, h []events.Event) {
	t.Helper()
	rising := func(steps ...[2]string) {
		for i := 1; i < len(steps); i++ {
			a := place(t, h, events.Actor(steps[i-1][0]), events.Name(steps[i-1][1]))
			b := place(t, h, events.Actor(steps[i][0]), events.Name(steps[i][1]))
			require.Less(t, a, b, "%v before %v", steps[i-1], steps[i])
		}
	}
	rising([2]string{"gateway", "created"}, [2]string{"agent", "claimed"}, [2]string{"agent", "launched"}, [2]string{"streamer", "ready"})
	rising([2]string{"client", "attached"}, [2]string{"client", "settings"}, [2]string{"streamer", "offer"}, [2]string{"client", "answer"},
		[2]string{"streamer", "connected"}, [2]string{"streamer", "disconnected"})
	rising([2]string{"client", "answer"}, [2]string{"client", "detached"}, [2]string{"streamer", "disconnected"})
	place(t, h, events.Streamer, events.Candidate)
	// A streamer that hears the client's check before its candidate is connected by that (RFC 8445, section 7.3.1.3), and the page, once
	// connected, has nothing more to say.
	var connected events.ConnectedData
	require.NoError(t, h[place(t, h, events.Streamer, events.Connected)].Decode(&connected))
	if connected.Pair.Remote.Kind != "prflx" {
		place(t, h, events.Client, events.Candidate)
	}
	for i, e := range h {
		require.Empty(t, e.Quarantine, "%s", e.Subject)
		require.True(t, i == 0 || h[i-1].Sequence < e.Sequence, "sequences rise: %d before %d", h[max(0, i-1)].Sequence, e.Sequence)
		require.Equal(t, events.SourceOf(e.Actor), e.Source, "the subject says who appended it: %s", e.Subject)
	}
	require.Equal(t, 1, endings(h), "exactly one ending")
}

// endings counts the endings in a history.
func endings(h []events.Event) (n int) {
	for _, e := range h {
		if events.Ending(e.Name) {
			n++
		}
	}
	return n
}

// What one click and one key make of the patches.
var (
	untouched = testcard.Untouched
	clicked   = testcard.ClickColour(1, leftButton)
	typed     = testcard.KeyColour(1, keycodeQ)
	keyQ      = chromedp.KeyEvent("q")
)
