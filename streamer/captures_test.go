package streamer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// An encoder's first picture is a key frame: what was asked for before it needs no second, what was asked for after it does.
func TestOneKeyframeAtTheStart(t *testing.T) {
	t.Parallel()
	asked := func(steps ...func(*captures)) int {
		k := newCaptures(nil)
		for _, step := range steps {
			step(k)
		}
		v := newPlaying(Encoder{Codec: frame.H264}, 0)
		require.True(t, k.keepVideo(v))
		return v.keys
	}
	require.Equal(t, 0, asked())
	keyframe := func(k *captures) { k.keyframe(true) }
	require.Equal(t, 0, asked(keyframe, (*captures).answered), "the client was there first")
	require.Equal(t, 1, asked((*captures).answered, keyframe), "the picture was there first, and nobody got it")
	require.Equal(t, 1, asked(keyframe))
}
