package rate

import "time"

const (
	// limitedUsage of the estimate is what a sender must use for its use to say anything (libwebrtc's AlrDetector).
	limitedUsage = 0.65
	// limitedTime bounds the memory of use.
	limitedTime = 500 * time.Millisecond
	// limitedBegin and limitedEnd are the parts of the memory that must be unused for the state to begin and to last.
	limitedBegin, limitedEnd = 0.80, 0.50
)

// limited finds out whether the application sends less than it might: a still screen. Then arrivals tell how much is sent and not
// how much could be.
type limited struct {
	begun  bool
	last   time.Duration
	unused float64 // bytes of the allowance that were not sent
	active bool
}

// sent takes a packet of the application: no padding.
func (l *limited) sent(size int) { l.unused -= float64(size) }

func (l *limited) tick(now time.Duration, estimate float64) {
	if !l.begun {
		l.begun, l.last = true, now
	}
	allowance := estimate / 8 * limitedUsage
	most := allowance * limitedTime.Seconds()
	l.unused += allowance * (now - l.last).Seconds()
	l.unused = min(max(l.unused, -most), most)
	l.last = now
	if l.active {
		l.active = l.unused >= limitedEnd*most
	} else {
		l.active = l.unused > limitedBegin*most
	}
}
