package peer

import (
	"log/slog"
	"sync"
	"time"

	"github.com/pion/interceptor"

	"streamstack/streamer/frame"
	"streamstack/streamer/pacer"
	"streamstack/streamer/rate"
)

const (
	// maxAudioQueue packets of sound may wait (50 ms); one more and the oldest is dropped. What waits here is late.
	maxAudioQueue = 5
	// staleWait is how long a picture that was begun may still take when the path has become narrower, to less than a part
	// staleShare of what it was when the picture was begun.
	staleWait, staleShare = 400 * time.Millisecond, 0.5
	// padOnWire is what a packet of padding takes.
	padOnWire = 12 + 4 + lateExtensions + padSize + underRTP
)

// sender carries frames from the encoders to the tracks on a goroutine of its own, in the order and at the times that package
// pacer gives, so that no encoder ever waits for a socket. It alone sends RTP.
type sender struct {
	log          *slog.Logger
	counters     *counters
	keyframes    *keyframeGate
	freezes      *freezeMeter
	path         *estimator
	wire         *outlet
	video, audio *track
	dropped      func(pictures int) // tells of an overflow
	redundancy   func(copies int, why RedundancyCause)

	mu       sync.Mutex
	live     bool // connected
	stopped  bool
	out      bool // nothing is heard of the client
	rate     int  // of the path, bit/s
	pictures pacer.Pictures[frame.Video]
	sound    []frame.Audio
	// soundLoss decides on copies of the sound.
	soundLoss soundLoss
	pacer     *pacer.Pacer[outgoing]
	padding   bool   // something was sent, after which there may be padding
	keySeq    uint16 // of the first packet of the last key frame, or oldest packets ago
	begunAt   int    // rate when the picture that is being sent was begun
	trickled  time.Time
	// repeated are the bytes of repeats beyond their share of the path, as of repeatedAt.
	repeated   float64
	repeatedAt time.Time

	wake      chan struct{}
	lastError time.Time
}

// outgoing is a packet in the pacer: of a stream, or a repeat.
type outgoing struct {
	packet packet
	of     *packetizer
	again  interceptor.RTPWriter // of a repeat
	pad    bool
	says   sending
}

func newSender(log *slog.Logger, counters *counters, keyframes *keyframeGate, freezes *freezeMeter, path *estimator, video, audio *track) *sender {
	return &sender{
		log: log, counters: counters, keyframes: keyframes, freezes: freezes, path: path, video: video, audio: audio,
		dropped: func(int) {}, redundancy: func(int, RedundancyCause) {}, wire: &outlet{},
		rate: path.state().Estimate, pacer: pacer.New[outgoing](padOnWire), wake: make(chan struct{}, 1),
	}
}

// start lets frames through, from the next key frame on.
func (s *sender) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = !s.stopped
	s.pictures.Drop()
}

// stop drops what waits and everything that comes, for good.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.stopped = false, true
	s.pictures.Drop()
	s.sound = nil
	for _, c := range []pacer.Class{pacer.Audio, pacer.Repeat, pacer.Video} {
		s.pacer.Drop(c)
	}
}

// setPace says how fast packets go, and wakes up who waits for that, or for room on the path.
func (s *sender) setPace(p rate.Pace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pacer.SetRate(time.Now(), p.Rate, p.Burst)
	s.signal()
}

// setPath takes what is known of the path. It returns how many pictures were dropped because nothing gets through, or less than
// before: they would be late.
func (s *sender) setPath(estimate int, out bool) (dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = estimate
	if s.pacer.Bytes(pacer.Repeat) > s.within(repeatWait) {
		s.pacer.Drop(pacer.Repeat)
	}
	switch {
	case out && !s.out:
		dropped = s.pictures.Drop()
		s.pacer.Drop(pacer.Repeat)
		s.pacer.Drop(pacer.Video) // the gap is in front of a key frame then
	case !out && s.live:
		dropped = s.trim()
	}
	s.counters.dropped.Add(uint64(dropped))
	s.out = out
	return dropped
}

// trim drops what takes too long on a path that has become narrower, and asks for a key frame then.
func (s *sender) trim() (dropped int) {
	begun := s.pacer.Bytes(pacer.Video)
	if begun > s.within(staleWait) && float64(s.rate) < staleShare*float64(s.begunAt) {
		s.pacer.Drop(pacer.Video)
		dropped = 1 + s.pictures.Drop()
	} else if n, ask := s.pictures.Trim(begun, s.rate); ask {
		dropped = n
	}
	if dropped > 0 {
		s.pacer.Drop(pacer.Repeat)
		s.counters.overflows.Add(1)
		s.dropped(dropped)
		s.keyframes.request(KeyframeOverflow)
	}
	return dropped
}

// within is how many bytes go in a time at the present rate.
func (s *sender) within(d time.Duration) int { return int(float64(s.rate) / 8 * d.Seconds()) }

// probe sends a probe.
func (s *sender) probe(p rate.Probe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pacer.SetProbe(time.Now(), p.ID, p.Rate, p.Bytes, p.Packets)
	s.signal()
}

func (s *sender) writeVideo(v frame.Video) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live || s.out {
		s.counters.dropped.Add(1)
		return
	}
	dropped, ask := s.pictures.Put(pacer.Picture[frame.Video]{Item: v, Size: len(v.Data), Key: v.Keyframe}, s.pacer.Bytes(pacer.Video), s.rate)
	s.counters.dropped.Add(uint64(dropped))
	if ask {
		s.pacer.Drop(pacer.Repeat) // of what the key frame will take the place of
		// Each picture builds on the one before, so after a gap only a key frame can be shown.
		s.counters.overflows.Add(1)
		s.dropped(dropped)
		s.keyframes.request(KeyframeOverflow)
	}
	s.signal()
}

func (s *sender) writeAudio(a frame.Audio) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return
	}
	if len(s.sound) == maxAudioQueue {
		s.sound = s.sound[1:]
	}
	s.sound = append(s.sound, a)
	s.signal()
}

func (s *sender) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
