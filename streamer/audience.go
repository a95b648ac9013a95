package streamer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"streamstack/streamer/frame"
)

// How viewers are served. One encoder serves everybody, at the pace of the client: a viewer never changes its bitrate.
const (
	// viewerKeyEvery is the least time between two key frames that are made because viewers ask for them, all together: at
	// 720p one costs what a fifth of a second of pictures does.
	viewerKeyEvery = time.Second
	// thinEvery is how often a viewer that cannot keep up is sent a picture, a key frame, for which it asks as any other.
	thinEvery = 4 * time.Second
	// thinTime is how long it is served so before it is tried with all pictures again; each time in a row it is twice as long,
	// up to maxThinTime.
	thinTime, maxThinTime = 8 * time.Second, 2 * time.Minute
	// trouble is how many key frames a viewer asks for within troubleTime, for what it has lost or could not be sent, when it
	// cannot keep up.
	trouble, troubleTime = 4, 8 * time.Second
	// enough is the part of what the encoder makes below which a viewer's network cannot carry the pictures.
	enough = 0.6
)

// listener is who is sent pictures and sound; neither call waits.
type listener interface {
	WriteVideo(v frame.Video)
	WriteAudio(a frame.Audio)
}

// audience hands what was encoded once to all viewers. Each has a queue of its own (its peer's), which drops up to the next key
// frame when it is full. All methods but run are safe for concurrent use and never wait.
type audience struct {
	log *slog.Logger
	now func() time.Time
	// key asks the encoder that runs for a key frame, if one does; run calls it.
	key func()

	mu      sync.Mutex
	viewers map[listener]*seat
	wished  bool          // a key frame, and none has come since
	nextKey time.Time     // no key frame is asked for before
	wake    chan struct{} // for run
	rate    float64       // of what is encoded, bit/s
	bytes   int           // of it since
	since   time.Time
}

// seat is how one viewer is served.
type seat struct {
	asked     []time.Time // for key frames, within troubleTime
	thinUntil time.Time   // zero while it is sent everything
	thinFor   time.Duration
	nextThin  time.Time // no picture before
	estimate  int       // of its network, bit/s
}

func newAudience(log *slog.Logger, key func()) *audience {
	return &audience{log: log, now: time.Now, key: key, viewers: map[listener]*seat{}, wake: make(chan struct{}, 1)}
}

// run asks for the key frames that viewers wish for, until ctx ends.
func (a *audience) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
		a.mu.Lock()
		wait := a.nextKey.Sub(a.now())
		a.mu.Unlock()
		pause := time.NewTimer(max(0, wait))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		a.mu.Lock()
		wished := a.wished
		if a.wished = false; wished {
			a.nextKey = a.now().Add(viewerKeyEvery)
		}
		a.mu.Unlock()
		if wished {
			a.key()
		}
	}
}

func (a *audience) add(l listener) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.viewers[l] = &seat{thinFor: thinTime}
}

func (a *audience) remove(l listener) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.viewers, l)
}

// thinned tells whether a viewer is sent key frames only.
func (a *audience) thinned(l listener) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.viewers[l]
	return s != nil && !s.thinUntil.IsZero()
}

// video hands on a picture. Its data is shared: nobody changes it.
func (a *audience) video(v frame.Video) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.measure(now, len(v.Data))
	if v.Keyframe && len(a.viewers) > 0 {
		a.wished, a.nextKey = false, now.Add(viewerKeyEvery) // it serves whoever asked for one
	}
	for l, s := range a.viewers {
		if s.admits(now, v.Keyframe) {
			l.WriteVideo(v)
		} else if now.After(s.nextThin) {
			a.wish() // no key frame has come by itself
		}
	}
}

// admits tells whether a viewer is sent a picture.
func (s *seat) admits(now time.Time, keyframe bool) bool {
	if s.thinUntil.IsZero() {
		return true
	}
	if !keyframe || now.Before(s.nextThin) {
		return false
	}
	if now.After(s.thinUntil) {
		s.thinUntil, s.asked = time.Time{}, nil // another try, from a key frame on
		s.thinFor = min(2*s.thinFor, maxThinTime)
		return true
	}
	s.nextThin = now.Add(thinEvery)
	return true
}

func (a *audience) audio(f frame.Audio) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for l := range a.viewers {
		l.WriteAudio(f)
	}
}

// keyframe is a viewer's wish for a key frame. lost tells that it misses pictures, by loss or since its queue was full: one that
// does so too often is sent key frames only for a while, so that its network does not cost the others their picture's quality.
func (a *audience) keyframe(l listener, lost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, now := a.viewers[l], a.now()
	if s == nil || !s.thinUntil.IsZero() {
		return // what it gets next is one
	}
	if lost {
		s.asked = append(s.asked, now)
		for len(s.asked) > 0 && now.Sub(s.asked[0]) > troubleTime {
			s.asked = s.asked[1:]
		}
		if len(s.asked) >= trouble {
			a.thinLocked(s, now)
			return
		}
	}
	a.wish()
}

// estimated takes a new estimate of a viewer's network, in bit/s. It never changes what the encoder makes: where it has fallen far
// below that, the viewer is sent key frames only for a while.
func (a *audience) estimated(l listener, estimate int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.viewers[l]
	if s == nil {
		return
	}
	fell := estimate < s.estimate && float64(estimate) < enough*a.rate
	if s.estimate = estimate; fell && s.thinUntil.IsZero() {
		a.thinLocked(s, a.now())
	}
}

// measure follows the rate of what is encoded.
func (a *audience) measure(now time.Time, bytes int) {
	a.bytes += bytes
	if took := now.Sub(a.since); took >= time.Second {
		a.rate = float64(a.bytes) * 8 / took.Seconds()
		a.bytes, a.since = 0, now
	}
}

func (a *audience) thinLocked(s *seat, now time.Time) {
	a.log.Info("a viewer cannot keep up: it is sent key frames only", "for", s.thinFor, "rate", int(a.rate), "estimate", s.estimate, "asked", len(s.asked))
	s.thinUntil, s.nextThin = now.Add(s.thinFor), now.Add(thinEvery)
}

// wish asks for a key frame, now or when the last is long enough ago. The caller holds the lock.
func (a *audience) wish() {
	a.wished = true
	select {
	case a.wake <- struct{}{}:
	default:
	}
}
