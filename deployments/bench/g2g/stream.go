package g2g

// streamStats are counters of an RTCInboundRtpStreamStats (W3C webrtc-stats, section 8.5), those in seconds as they come.
type streamStats struct {
	Codec                    string
	FrameWidth, FrameHeight  int
	BytesReceived            float64
	FramesReceived           float64
	FramesDecoded            float64
	FramesDropped            float64
	KeyFramesDecoded         float64
	PacketsLost              float64
	NackCount                float64
	PliCount                 float64
	FreezeCount              float64
	TotalFreezesDuration     float64
	TotalDecodeTime          float64
	TotalProcessingDelay     float64
	TotalAssemblyTime        float64
	JitterBufferDelay        float64
	JitterBufferTargetDelay  float64
	JitterBufferMinimumDelay float64
	JitterBufferEmittedCount float64
	Timestamp                float64 // milliseconds
}

// StreamFigures are differences over a recording. Times are in milliseconds a frame.
type StreamFigures struct {
	Codec                                   string
	Seconds                                 float64 // between the two readings, some more than the recording has
	Width, Height                           int
	Kbps                                    float64
	Received, Decoded, Dropped, Keyframes   int
	Lost, NACKs, PLIs                       int
	Freezes                                 int
	FrozenMs                                float64
	DecodeMs, ProcessingMs, AssemblyMs      float64
	BufferMs, BufferTargetMs, BufferLeastMs float64
}

func (s streamStats) since(b streamStats) StreamFigures {
	each := func(total, n float64) float64 {
		if n <= 0 {
			return 0
		}
		return 1000 * total / n
	}
	decoded, emitted := s.FramesDecoded-b.FramesDecoded, s.JitterBufferEmittedCount-b.JitterBufferEmittedCount
	return StreamFigures{
		Codec: s.Codec, Seconds: (s.Timestamp - b.Timestamp) / 1000, Width: s.FrameWidth, Height: s.FrameHeight,
		Kbps:     each((s.BytesReceived-b.BytesReceived)*8/1000, s.Timestamp-b.Timestamp),
		Received: int(s.FramesReceived - b.FramesReceived), Decoded: int(decoded), Dropped: int(s.FramesDropped - b.FramesDropped),
		Keyframes: int(s.KeyFramesDecoded - b.KeyFramesDecoded),
		Lost:      int(s.PacketsLost - b.PacketsLost), NACKs: int(s.NackCount - b.NackCount), PLIs: int(s.PliCount - b.PliCount),
		Freezes: int(s.FreezeCount - b.FreezeCount), FrozenMs: 1000 * (s.TotalFreezesDuration - b.TotalFreezesDuration),
		DecodeMs: each(s.TotalDecodeTime-b.TotalDecodeTime, decoded), ProcessingMs: each(s.TotalProcessingDelay-b.TotalProcessingDelay, decoded),
		AssemblyMs:     each(s.TotalAssemblyTime-b.TotalAssemblyTime, decoded),
		BufferMs:       each(s.JitterBufferDelay-b.JitterBufferDelay, emitted),
		BufferTargetMs: each(s.JitterBufferTargetDelay-b.JitterBufferTargetDelay, emitted),
		BufferLeastMs:  each(s.JitterBufferMinimumDelay-b.JitterBufferMinimumDelay, emitted),
	}
}
