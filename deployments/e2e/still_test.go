package e2e

import (
	"fmt"
	"testing"
	"time"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// typeAgain is how long nothing may be seen of a key until it is pressed again.
const typeAgain = 3 * time.Second

// TestStillScreen: a terminal in which nothing happens is sent once a second, which is no freeze. A client that joins then sees it at once, and
// what is typed as well.
func TestStillScreen(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	g := s.Create(client.CreateRequest{App: "xterm", Joinable: true})
	v := open(t, s, "")
	v.join(g.ID)
	var rest events.QualitySample
	stack.Eventually(t, liveTime, func() string {
		list := samples(t, s, g.ID)
		if len(list) == 0 {
			return "a sample"
		}
		// A machine that is short of time sends few pictures too; that is no rest, and may freeze. At rest none ever is a freeze.
		if rest = list[len(list)-1]; rest.FPS > 2 || rest.Frames == 0 || rest.Freezes > 0 {
			return fmt.Sprintf("rest: %.1f pictures a second, %d freezes", rest.FPS, rest.Freezes)
		}
		return ""
	})
	t.Logf("%.1f pictures a second, %d kbit/s", rest.FPS, rest.VideoKbps)

	v.again("")
	v.join(g.ID)
	before := v.picture()
	v.Click(`#video`)
	var typed time.Time
	stack.Eventually(t, liveTime, func() string {
		if time.Since(typed) > typeAgain { // what the display does not take in time is dropped: people type again, too
			v.Do(keyQ)
			typed = time.Now()
		}
		now := v.picture()
		for y := range before.Bounds().Dy() {
			for x := range before.Bounds().Dx() / 4 {
				was, _, _, _ := before.At(x, y).RGBA()
				is, _, _, _ := now.At(x, y).RGBA()
				if max(was, is)-min(was, is) > 0x8000 {
					return ""
				}
			}
		}
		return "a letter in the terminal"
	})
	s.Verify()
}
