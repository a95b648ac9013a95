package peer

import (
	"context"
	"errors"
	"io"
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
	// repeatWait is how long repeats may take at the rate of the moment. More are not taken: they are asked for again.
	repeatWait = 250 * time.Millisecond
	// doubleLoss is the loss from which a repeat goes twice. Where a picture has thirty packets and one in twenty is lost, every tenth
	// picture loses one twice, and a browser that sends nothing knows no round trip time and waits 100 ms before it asks again.
	doubleLoss = 0.015
	// trickleAfter is how long nothing may be heard of what was sent before something small is sent every trickleEvery, so that the
	// end of an interruption is noticed at once, also without sound.
	trickleAfter, trickleEvery = 200 * time.Millisecond, 50 * time.Millisecond
	// oldest is before how many packets a key frame counts as of then: nothing is repeated that is as old (see nackBuffer).
	oldest = 1 << 14
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
		dropped: func(int) {}, wire: &outlet{},
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

// repeat takes a packet that is asked for again. One of before the last key frame helps nobody, and fills a path that has lost
// something already.
func (s *sender) repeat(r repeat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live || s.out || s.outdated(r) || s.superseded(r) || s.pacer.Bytes(pacer.Repeat) > s.within(repeatWait) {
		return
	}
	s.putRepeat(r, false)
	if s.path.state().Loss >= doubleLoss {
		s.putRepeat(r, true)
	}
	s.signal()
}

// putRepeat has a repeat sent. A copy is one that the receiver's SRTP drops if it has the other (RFC 3711, section 3.3.2), without a
// word in its feedback.
func (s *sender) putRepeat(r repeat, isCopy bool) {
	p := packet{r.header.Clone(), r.payload, time.Now()} // each gets stamps of its own
	if s.pacer.Put(pacer.Repeat, outgoing{packet: p, again: r.next, says: sending{repeat: true, isCopy: isCopy}}, p.size()) {
		s.counters.repeats.Add(1)
	}
}

// superseded tells that the packet is of a picture that the key frame that is awaited will take the place of.
func (s *sender) superseded(r repeat) bool {
	video := s.video.packetizer()
	return video != nil && r.header.SSRC == video.header.SSRC && !s.pictures.Flowing()
}

func (s *sender) outdated(r repeat) bool {
	video := s.video.packetizer()
	return video != nil && r.header.SSRC == video.header.SSRC && s.padding && after(s.keySeq, r.header.SequenceNumber)
}

func (s *sender) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// idle is how long the sender sleeps where it does not know of anything to do.
const idle = time.Second

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		wait := idle
		for ctx.Err() == nil {
			next, after, ok := s.next(time.Now())
			if !ok {
				if after > 0 {
					wait = after
				}
				break
			}
			s.transmit(next)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// next is what is to be sent now, or how long there is nothing; 0 for until something changes.
func (s *sender) next(now time.Time) (out outgoing, wait time.Duration, ok bool) {
	path := s.path.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return out, 0, false
	}
	s.packSound(now, path)
	if s.pacer.Bytes(pacer.Video) == 0 {
		s.packPicture(now)
	}
	between := s.padding && s.pacer.Bytes(pacer.Video) == 0
	room := 1
	if path.Window > 0 {
		room = path.Window - path.InFlight
	}
	if path.Silence > trickleAfter && now.Sub(s.trickled) >= trickleEvery {
		s.trickled = now
		if between {
			return outgoing{pad: true, of: s.video.packetizer(), says: sending{padding: true}}, 0, true
		}
		room = 1
	}
	turn := s.pacer.Next(now, room, between)
	switch {
	case turn.OK:
		turn.Item.says.probe = turn.Probe
		return turn.Item, 0, true
	case turn.Pad:
		return outgoing{pad: true, of: s.video.packetizer(), says: sending{padding: true, probe: turn.Probe}}, 0, true
	}
	return out, turn.Wait, false
}

// packSound makes packets of the sound that waits, with copies of those before where packets are being lost.
func (s *sender) packSound(now time.Time, path rate.State) {
	if len(s.sound) == 0 {
		return
	}
	if of := s.audio.packetizer(); of != nil {
		of.red.copies = s.soundLoss.copies(now, path.Loss, path.Estimate)
		for _, a := range s.sound {
			packets, err := of.pack(a.Data, a.PTS, a.CapturedAt)
			s.note(err)
			for _, p := range packets {
				s.pacer.Put(pacer.Audio, outgoing{packet: p, of: of}, p.size())
			}
		}
	}
	s.sound = nil
}

// packPicture makes packets of the oldest picture that waits. Only now it has numbers: what was dropped leaves no gap.
func (s *sender) packPicture(now time.Time) {
	of := s.video.packetizer()
	if of == nil {
		return
	}
	picture, ok := s.pictures.Pop()
	if !ok {
		return
	}
	v := picture.Item
	next := of.header.SequenceNumber
	switch {
	case v.Keyframe:
		s.keyframes.sent()
		s.keySeq = next
	case next-s.keySeq > oldest:
		// Without this a key frame of more than half of the numbers ago would seem to be yet to come, and nothing be repeated.
		s.keySeq = next - oldest
	}
	s.begunAt = s.rate
	s.freezes.sent(now, v)
	packets, err := of.pack(v.Data, v.PTS, v.CapturedAt)
	s.note(err)
	for _, p := range packets {
		s.padding = true
		s.pacer.Put(pacer.Video, outgoing{packet: p, of: of}, p.size())
	}
}

func (s *sender) transmit(out outgoing) {
	s.path.says(out.says)
	s.wire.waited(out.packet.made, time.Now())
	var err error
	switch {
	case out.pad && out.of == nil:
		// The track has just been unbound.
	case out.pad:
		err = out.of.pad()
	case out.again != nil:
		_, err = out.again.Write(&out.packet.header, out.packet.payload, interceptor.Attributes{})
	default:
		err = out.of.send(out.packet)
	}
	s.note(err)
}

// note logs a failure to send, once a second at most: the network may refuse every packet for a while.
func (s *sender) note(err error) {
	if err == nil || errors.Is(err, io.ErrClosedPipe) || time.Since(s.lastError) < time.Second {
		return
	}
	s.lastError = time.Now()
	s.log.Warn("media packet not sent", "error", err)
}
