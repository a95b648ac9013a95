package streamer

import "time"

const (
	// keyEvery is the least time between two key frames: one costs several times a plain picture. Those who ask have bounds of their
	// own, but they are several (the client, its viewers), and do not see what the encoder is at.
	keyEvery = 500 * time.Millisecond
	// keyPatience is how long a key frame may take that an encoder was asked for, before it is asked again.
	keyPatience = 2 * time.Second
)

// keySpacing decides when an encoder is asked for a key frame. The zero value is of an encoder that has made none.
type keySpacing struct {
	asked time.Time // zero where it has been answered
	came  time.Time // of the last key frame
}

// ask tells whether the encoder is to be asked now, else in how long there is to be another look; 0 for not at all, for a key frame is on
// its way. A client that has nothing to show yet does not wait for the last one's time to pass.
func (s *keySpacing) ask(now time.Time, first bool) (ok bool, wait time.Duration) {
	if !s.asked.IsZero() && now.Sub(s.asked) < keyPatience {
		return false, 0
	}
	if wait = s.came.Add(keyEvery).Sub(now); wait > 0 && !first {
		return false, wait
	}
	s.asked = now
	return true, 0
}

// answer notes a key frame.
func (s *keySpacing) answer(now time.Time) { s.asked, s.came = time.Time{}, now }

// keyframe asks for a key frame, at once, when the last is long enough ago, or as soon as there is a picture. first is of a client that
// has nothing to show yet.
func (k *captures) keyframe(first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wantKey = true
	k.askKey(first)
}

// askKey asks the encoder for the key frame that is wanted, now or later. The caller holds the lock.
func (k *captures) askKey(first bool) {
	if k.video == nil || k.closed {
		return
	}
	now := time.Now()
	ok, wait := k.keys.ask(now, first)
	switch {
	case ok:
		k.video.RequestKeyframe()
		fallthrough // and looks whether it comes
	case wait == 0:
		wait = k.keys.asked.Add(keyPatience).Sub(now) // what is left of it: who asks again meanwhile does not put it off
	}
	if k.later != nil {
		k.later.Stop()
	}
	k.later = time.AfterFunc(wait, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.wantKey {
			k.askKey(false)
		}
	})
}

// answered notes that a key frame is on its way: it is what was asked for before. An encoder's first picture is one by itself,
// so that the start of a stream needs no second.
func (k *captures) answered() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wantKey = false
	k.keys.answer(time.Now())
}
