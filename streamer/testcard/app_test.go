package testcard

import (
	"fmt"
	"image"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
)

// screenshotPath names where a test saves a picture of the card, for people to look at: set STREAMSTACK_TESTCARD_PNG.
const screenshotPath = "STREAMSTACK_TESTCARD_PNG"

func TestCardOnScreen(t *testing.T) {
	p, v, _ := startCard(t, 1280, 720, "--fps 60")
	card := Layout(1280, 720)

	picture := v.picture()
	for _, bar := range append(card.Bars, card.Ramp...) {
		assert.Equal(t, bar.Colour, centre(picture, bar.Rect), "%s at %v", bar.Name, bar.Rect)
		assert.Equal(t, bar.Colour, picture.RGBAAt(bar.Rect.Min.X, bar.Rect.Min.Y), "%s begins at %v", bar.Name, bar.Rect.Min)
		assert.Equal(t, bar.Colour, picture.RGBAAt(bar.Rect.Max.X-1, bar.Rect.Max.Y-1), "%s ends at %v", bar.Name, bar.Rect.Max)
	}
	assert.Equal(t, Untouched, centre(picture, card.KeyPatch))
	assert.Equal(t, Untouched, centre(picture, card.ClickPatch))

	t.Run("frames are whole, and count", func(t *testing.T) {
		last := uint32(0)
		for range 30 {
			frame, missing := frameOf(v.picture())
			require.Empty(t, missing, "a frame is torn")
			require.GreaterOrEqual(t, frame, last)
			last = frame
		}
		v.await(awaitFrame(last + 60))
	})
	t.Run("the time is now", func(t *testing.T) {
		eventstest.Wait(t, patience, func() string { // a busy machine may be late with any picture
			shown, err := card.Time.Decode(v.picture())
			if err != nil {
				return err.Error()
			}
			if late := (uint32(time.Now().UnixMilli()) - shown) & (1<<CodeBits - 1); late >= 1000 {
				return fmt.Sprintf("the time of now: the one shown is %d ms old", late)
			}
			return ""
		})
	})
	t.Run("keys", func(t *testing.T) {
		for count, keycode := range []byte{38, 38, 56, 113} {
			v.fake(xproto.KeyPress, keycode, 0, 0)
			v.fake(xproto.KeyRelease, keycode, 0, 0)
			want := KeyColour(count+1, keycode)
			v.await(func(picture *image.RGBA) string {
				if got := centre(picture, card.KeyPatch); got != want {
					return fmt.Sprintf("press %d of key %d: the patch is %v, not %v", count+1, keycode, got, want)
				}
				return ""
			})
		}
	})
	t.Run("clicks", func(t *testing.T) {
		v.fake(xproto.MotionNotify, 0, 300, 400)
		for count, button := range []byte{1, 1, 3, 4, 9} {
			v.fake(xproto.ButtonPress, button, 0, 0)
			v.fake(xproto.ButtonRelease, button, 0, 0)
			want := ClickColour(count+1, button)
			v.await(func(picture *image.RGBA) string {
				if got := centre(picture, card.ClickPatch); got != want {
					return fmt.Sprintf("press %d of button %d: the patch is %v, not %v", count+1, button, got, want)
				}
				return ""
			})
		}
	})
	t.Run("the crosshair follows the pointer and leaves no trace", func(t *testing.T) {
		bar := card.Bars[3].Rect // green
		at := image.Pt(bar.Min.X+bar.Dx()/2, bar.Min.Y+bar.Dy()/2)
		arm := at.Add(image.Pt(10, 0))
		v.fake(xproto.MotionNotify, 0, at.X, at.Y)
		v.await(func(picture *image.RGBA) string {
			if picture.RGBAAt(arm.X, arm.Y) != white || picture.RGBAAt(at.X, at.Y) != card.Bars[3].Colour {
				return "no crosshair"
			}
			return ""
		})
		v.fake(xproto.MotionNotify, 0, 620, 480)
		picture := v.await(func(picture *image.RGBA) string {
			if picture.RGBAAt(arm.X, arm.Y) != card.Bars[3].Colour {
				return "the crosshair stays"
			}
			return ""
		})
		if path := os.Getenv(screenshotPath); path != "" {
			save(t, picture, path)
		}
	})
	t.Run("it ends when told", func(t *testing.T) {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		status, output := p.ended(t)
		assert.Zero(t, status, output)
	})
}

// TestAutoRepeatIsNotCounted holds a key for longer than X's auto-repeat waits (660 ms).
func TestAutoRepeatIsNotCounted(t *testing.T) {
	_, v, _ := startCard(t, 640, 480, "--fps 30")
	card := Layout(640, 480)
	v.fake(xproto.KeyPress, 38, 0, 0)
	first, _ := frameOf(v.picture())
	picture := v.await(awaitFrame(first + 40))
	v.fake(xproto.KeyRelease, 38, 0, 0)
	assert.Equal(t, KeyColour(1, 38), centre(picture, card.KeyPatch))
}

func TestDisplayGoesAway(t *testing.T) {
	p, _, server := startCard(t, 640, 480, "--fps 30")
	require.NoError(t, server.Process.Kill())
	status, output := p.ended(t)
	assert.Equal(t, 1, status)
	assert.Contains(t, output, "went away")
}

func TestDisplayIsStuck(t *testing.T) {
	p, _, server := startCard(t, 640, 480, "--fps 30")
	require.NoError(t, server.Process.Signal(syscall.SIGSTOP))
	status, output := p.ended(t)
	assert.Equal(t, 1, status)
	assert.Contains(t, output, "does not answer")
}

func TestCommandRefuses(t *testing.T) {
	for args, reason := range map[string]string{
		"--display :65000":   "is it running?",
		"--display nonsense": "not a display of this machine",
		"--fps 0":            "choose 1 to 240",
		"--fps 241":          "choose 1 to 240",
	} {
		p := startCommand(t, args)
		status, output := p.ended(t)
		assert.Equal(t, 1, status, args)
		assert.Contains(t, output, reason)
	}
}

// TestProcessorTime measures what the card itself takes of the processor, at 1280x720 and 30 frames a second.
func TestProcessorTime(t *testing.T) {
	p, v, _ := startCard(t, 1280, 720, "--fps 30")
	const frames = 90
	first, _ := frameOf(v.picture())
	v.await(awaitFrame(first + frames))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.ended(t)
	used := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	t.Logf("%v of processor time for %d frames, with start and font: %.1f %% of one core", used, frames, 100*used.Seconds()/(frames/30.0))
	assert.Less(t, used, 4*time.Second, "0.6 s on a machine at rest")
}
