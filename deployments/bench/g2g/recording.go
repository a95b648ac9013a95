package g2g

import "time"

// Frame is one frame that was shown.
type Frame struct {
	// Shown is when its callback ran, Painted when clockcode drew it.
	Shown, Painted time.Time
	// Received is when its last packet had come to the browser, Captured when the streamer says that it was captured, by
	// the browser's estimate of the streamer's clock. Zero when the browser does not know.
	Received, Captured time.Time
	// Ready is when the browser had it for its compositor, Refresh the beginning of the refresh of the page with which it was shown, which may
	// have come a little before.
	Ready, Refresh time.Time
	// Decode is what the browser says of receiving and decoding it; 0 when it does not know.
	Decode time.Duration
	// Replaced tells that the next picture had already taken this one's place when the callback ran: what was read is the
	// next one's. It counts for what was shown and not for latency.
	Replaced bool
	// Presses is the number of inputs seen by clockcode, modulo 8; -1 when it could not be read. Pressed is when the last
	// one reached it, zero when it could not be read.
	Presses int
	Pressed time.Time
}

// Latency is the age of the picture when it was shown.
func (f Frame) Latency() time.Duration { return f.Shown.Sub(f.Painted) }

// Recording is what a viewer showed for a while.
type Recording struct {
	From, To time.Time
	// FPS is the rate at which pictures were captured.
	FPS int
	// Frames are those whose time could be read, in the order of their callbacks.
	Frames []Frame
	// Invalid frames could not be read: torn, corrupt or smeared. Smeared is when they were shown.
	Invalid int
	Smeared []time.Time
	// Inputs are when they reached the page.
	Inputs []time.Time
	// Callbacks is how many frames had a callback, Presented how many the browser gave to its compositor meanwhile, by its own
	// count: a frame that the next one overtakes on the way has no callback.
	Callbacks, Presented int
	// Cost is what the probe took of the page's thread, a frame.
	Cost Distribution
	// Stream is what the browser says of it.
	Stream StreamFigures
}

type rawRecording struct {
	Rows   []rawRow
	Inputs []float64
	Error  string
	Offset float64 // milliseconds from the page's clock to the wall clock
}

// rawRow is a row of probe.js: times in milliseconds of the page's clock, codes as painted.
type rawRow struct {
	Shown, Cost, Expected        float64
	Tick, Ready                  float64
	Presented                    int
	Received, Captured, DecodeMs *float64
	Replaced                     bool
	Painted, Pressed             *uint32
	Count                        *int
}

// Codes further from the frame's callback than these are of no picture of this run.
const oldest, future = 60 * time.Second, 20 * time.Millisecond

func (raw rawRecording) recording() (r Recording) {
	wall := func(ms float64) time.Time { return time.UnixMicro(int64((ms + raw.Offset) * 1000)) }
	wallOf := func(ms *float64) time.Time {
		if ms == nil {
			return time.Time{}
		}
		return wall(*ms)
	}
	costs := make([]float64, 0, len(raw.Rows))
	for _, row := range raw.Rows {
		costs = append(costs, row.Cost)
		f := Frame{Shown: wall(row.Shown), Received: wallOf(row.Received), Captured: wallOf(row.Captured), Ready: wall(row.Ready), Refresh: wall(row.Tick), Replaced: row.Replaced, Presses: -1}
		if row.Painted != nil {
			f.Painted = near(f.Shown, *row.Painted)
		}
		if l := f.Latency(); row.Painted == nil || l < -future || l > oldest {
			r.Invalid++
			r.Smeared = append(r.Smeared, f.Shown)
			continue
		}
		if row.DecodeMs != nil {
			f.Decode = time.Duration(*row.DecodeMs * float64(time.Millisecond))
		}
		if row.Count != nil {
			f.Presses = *row.Count
		}
		if row.Pressed != nil {
			f.Pressed = near(f.Shown, *row.Pressed)
		}
		r.Frames = append(r.Frames, f)
	}
	for _, ms := range raw.Inputs {
		r.Inputs = append(r.Inputs, wall(ms))
	}
	if n := len(raw.Rows); n > 0 {
		r.Callbacks, r.Presented = n, 1+raw.Rows[n-1].Presented-raw.Rows[0].Presented
	}
	r.Cost = distribute(costs)
	return r
}

// near is the time next to another whose milliseconds end in these 32 bits.
func near(t time.Time, low uint32) time.Time {
	ms := t.UnixMilli()
	return time.UnixMilli(ms - int64(int32(uint32(ms)-low)))
}
