package streamer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/streamer/frame"
)

func TestStageTimes(t *testing.T) {
	t.Parallel()
	var s stageTimes
	require.Nil(t, s.take())
	s.add(frame.Video{}) // not known
	require.Nil(t, s.take())
	const ms = time.Millisecond
	s.add(frame.Video{Stages: frame.Stages{Capture: 2 * ms, Convert: ms, Encode: 4 * ms}})
	s.add(frame.Video{Stages: frame.Stages{Capture: 4 * ms, Convert: ms, Encode: 8 * ms}})
	require.Equal(t, &events.StagesData{CaptureMs: 3, ConvertMs: 1, EncodeMs: 6}, s.take())
	require.Nil(t, s.take(), "each picture counts once")
}
