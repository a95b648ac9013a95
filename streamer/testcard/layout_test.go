package testcard

import (
	"image"
	"image/color"
	"image/draw"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestLayoutFitsEveryScreen: from 320x240 up all parts are on the screen and none covers another.
func TestLayoutFitsEveryScreen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := image.Pt(rapid.IntRange(320, 4096).Draw(t, "width"), rapid.IntRange(240, 4096).Draw(t, "height"))
		card := Layout(size.X, size.Y)
		parts := map[string]image.Rectangle{
			"header": card.header, "frame code": card.Frame.Rect, "time code": card.Time.Rect, "track": card.Track, "clock": card.clockPanel,
			"key patch": card.KeyPatch, "click patch": card.ClickPatch, "key caption": card.keyCaption, "click caption": card.clickCaption,
		}
		for _, bar := range append(card.Bars, card.Ramp...) {
			parts[bar.Name+bar.Rect.String()] = bar.Rect
		}
		for name, r := range parts {
			require.True(t, r.In(image.Rectangle{Max: size}), "%s %v is off a screen of %v", name, r, size)
			if name != "time code" {
				require.False(t, r.Empty(), "%s", name)
			}
			for other, q := range parts {
				require.True(t, name == other || !r.Overlaps(q), "%s %v covers %s %v", name, r, other, q)
			}
		}
		require.GreaterOrEqual(t, card.Frame.Block, 16)
		for _, fps := range []int{1, 30, 60} {
			frame := rapid.Uint32().Draw(t, "frame")
			require.True(t, card.mover(frame, fps).In(card.Track), "frame %d at %d fps: %v", frame, fps, card.mover(frame, fps))
		}
	})
}

func TestLayoutOfAUsualScreen(t *testing.T) {
	card := Layout(1280, 720)
	assert.Equal(t, image.Rect(48, 608, 560, 672), card.Frame.Rect)
	assert.Equal(t, image.Rect(720, 608, 1232, 672), card.Time.Rect)
	assert.Equal(t, 32, card.Frame.Block)
	for _, patch := range []image.Rectangle{card.KeyPatch, card.ClickPatch} {
		assert.GreaterOrEqual(t, min(patch.Dx(), patch.Dy()), 128, "big enough for any codec")
	}
	assert.Empty(t, Layout(320, 240).Time.Rect, "no room for two codes")
}

func TestMoverMovesEveryFrame(t *testing.T) {
	card := Layout(1280, 720)
	for frame := range uint32(600) {
		assert.NotEqual(t, card.mover(frame, 60), card.mover(frame+1, 60), "frame %d", frame)
	}
}

// drawn paints a code as the card does, with a part of the contrast only, as a bad video would.
func drawn(card Card, c Code, value uint32, dark, light byte) *image.Gray {
	picture := image.NewGray(image.Rectangle{Max: card.Size})
	draw.Draw(picture, c.Rect, image.NewUniform(color.Gray{dark}), image.Point{}, draw.Src)
	for _, r := range c.white(value) {
		draw.Draw(picture, r, image.NewUniform(color.Gray{light}), image.Point{}, draw.Src)
	}
	return picture
}

func TestCodeSurvives(t *testing.T) {
	card := Layout(1280, 720)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Uint32Range(0, 1<<CodeBits-1).Draw(t, "value")
		dark, light := rapid.ByteRange(0, 100).Draw(t, "dark"), rapid.ByteRange(150, 255).Draw(t, "light")
		got, err := card.Frame.Decode(drawn(card, card.Frame, value, dark, light))
		require.NoError(t, err)
		require.Equal(t, value, got)
	})
}

func TestCodeRefusesDamage(t *testing.T) {
	card := Layout(1280, 720)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Uint32Range(0, 1<<CodeBits-1).Draw(t, "value")
		picture := drawn(card, card.Frame, value, 0, 255)
		r := card.Frame.Bit(rapid.IntRange(0, 31).Draw(t, "bit"))
		flipped := color.Gray{255 - picture.GrayAt(r.Min.X, r.Min.Y).Y}
		draw.Draw(picture, r, image.NewUniform(flipped), image.Point{}, draw.Src)
		_, err := card.Frame.Decode(picture)
		require.ErrorIs(t, err, ErrCode)
	})
	for _, grey := range []byte{0, 255} {
		picture := image.NewGray(image.Rectangle{Max: card.Size})
		draw.Draw(picture, picture.Rect, image.NewUniform(color.Gray{grey}), image.Point{}, draw.Src)
		_, err := card.Frame.Decode(picture)
		require.ErrorIs(t, err, ErrCode, "a picture of one colour")
	}
	_, err := card.Frame.Decode(image.NewGray(image.Rect(0, 0, 10, 10)))
	require.ErrorIs(t, err, ErrCode, "a picture that is too small")
	_, err = Layout(320, 240).Time.Decode(image.NewGray(image.Rect(0, 0, 320, 240)))
	require.ErrorIs(t, err, ErrCode, "no room for the code")
}

func TestCodeCountsModulo(t *testing.T) {
	assert.Equal(t, encode(5), encode(5+1<<CodeBits))
}

// TestEveryPressChangesThePatch, whatever was pressed before: by enough for any codec.
func TestEveryPressChangesThePatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(0, 10000).Draw(t, "count")
		before := KeyColour(count, rapid.Byte().Draw(t, "key before"))
		after := KeyColour(count+1, rapid.Byte().Draw(t, "key after"))
		distance := abs(int(before.R)-int(after.R)) + abs(int(before.G)-int(after.G)) + abs(int(before.B)-int(after.B))
		require.GreaterOrEqual(t, distance, 60, "%v to %v", before, after)
	})
}

func abs(v int) int { return max(v, -v) }
