package peer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"streamstack/streamer/frame"
)

// Queues between the encoders and the network. They are short: what waits here is late.
const (
	// maxVideoQueue pictures may wait; one more and all are dropped up to the next key frame.
	maxVideoQueue = 5
	// maxAudioQueue packets may wait (50 ms of sound); one more and the oldest is dropped.
	maxAudioQueue = 5
)

// sender carries frames from the encoders to the tracks on a goroutine of its own, sound before pictures, so that no
// encoder ever waits for a socket.
type sender struct {
	log          *slog.Logger
	counters     *counters
	keyframes    *keyframeGate
	freezes      *freezeMeter
	video, audio *track

	mu        sync.Mutex
	live      bool // connected
	stopped   bool
	waiting   bool // for a key frame
	pictures  []frame.Video
	sound     []frame.Audio
	wake      chan struct{}
	lastError time.Time
}

func newSender(log *slog.Logger, counters *counters, keyframes *keyframeGate, freezes *freezeMeter, video, audio *track) *sender {
	return &sender{
		log: log, counters: counters, keyframes: keyframes, freezes: freezes, video: video, audio: audio,
		waiting: true, wake: make(chan struct{}, 1),
	}
}

// start lets frames through, from the next key frame on.
func (s *sender) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.waiting = !s.stopped, true
}

// stop drops what waits and everything that comes, for good.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.stopped = false, true
	s.pictures, s.sound = nil, nil
}

func (s *sender) writeVideo(v frame.Video) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live || s.waiting && !v.Keyframe {
		s.counters.dropped.Add(1)
		return
	}
	s.waiting = false
	if len(s.pictures) == maxVideoQueue {
		s.counters.dropped.Add(maxVideoQueue)
		s.pictures = nil
		if !v.Keyframe {
			// Each picture builds on the one before, so after a gap only a key frame can be shown.
			s.counters.dropped.Add(1)
			s.waiting = true
			s.keyframes.request(KeyframeOverflow)
			return
		}
	}
	s.pictures = append(s.pictures, v)
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

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for ctx.Err() == nil {
			s.sendSound()
			picture, ok := s.nextPicture()
			if !ok {
				break
			}
			s.sendPicture(picture)
		}
	}
}

func (s *sender) nextPicture() (frame.Video, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pictures) == 0 {
		return frame.Video{}, false
	}
	picture := s.pictures[0]
	s.pictures = s.pictures[1:]
	return picture, true
}

func (s *sender) nextSound() (frame.Audio, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sound) == 0 {
		return frame.Audio{}, false
	}
	sound := s.sound[0]
	s.sound = s.sound[1:]
	return sound, true
}

func (s *sender) sendPicture(v frame.Video) {
	packets := s.video.packetizer()
	if packets == nil {
		return
	}
	if v.Keyframe {
		s.keyframes.sent()
	}
	s.freezes.sent(time.Now(), v)
	s.note(packets.write(v.Data, v.PTS, v.CapturedAt, s.sendSound))
}

func (s *sender) sendSound() {
	for {
		sound, ok := s.nextSound()
		if !ok {
			return
		}
		if packets := s.audio.packetizer(); packets != nil {
			s.note(packets.write(sound.Data, sound.PTS, sound.CapturedAt, func() {}))
		}
	}
}

// note logs a failure to send, once a second at most: the network may refuse every packet for a while.
func (s *sender) note(err error) {
	if err == nil || errors.Is(err, io.ErrClosedPipe) || time.Since(s.lastError) < time.Second {
		return
	}
	s.lastError = time.Now()
	s.log.Warn("media packet not sent", "error", err)
}
