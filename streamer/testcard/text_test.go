package testcard

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFont(t *testing.T) {
	letters, err := loadFont()
	require.NoError(t, err)
	assert.Equal(t, letters.coverage.Bounds().Dx(), letters.x[len(letters.x)-1], "the widths fill the picture")
	for digit := '0'; digit <= '9'; digit++ {
		assert.Equal(t, letters.size('0', 40), letters.size(digit, 40), "numbers do not jump")
	}
	assert.Equal(t, letters.size('?', 40), letters.size('é', 40), "what the font does not have")
	for _, em := range []int{5, 24, 96, 300} {
		for r := rune(fontFirst); r <= fontLast; r++ {
			size := letters.size(r, em)
			require.Positive(t, size.X)
			pixels := make([]byte, 4*size.X*size.Y)
			letters.render(r, em, white, black, pixels, 4*size.X)
			if em == 24 {
				assert.Equal(t, r != ' ', brightest(pixels) > 0x80, "%q", r)
			}
		}
	}
}

func brightest(pixels []byte) byte {
	most := byte(0)
	for _, v := range pixels {
		most = max(most, v)
	}
	return most
}

func TestKeyNames(t *testing.T) {
	assert.Equal(t, "a", keyName('a'))
	assert.Equal(t, "space", keyName(' '))
	assert.Equal(t, "Return", keyName(0xff0d))
	assert.Equal(t, "F12", keyName(0xffc9))
	assert.Equal(t, "0x1008ff99", keyName(0x1008ff99))
	assert.Equal(t, "left", buttonName(1))
	assert.Equal(t, "forward", buttonName(9))
	assert.Equal(t, "button 0", buttonName(0))
	assert.Equal(t, "button 17", buttonName(17))
}
