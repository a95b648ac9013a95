package peer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/pion/interceptor"

	"streamstack/streamer/pacer"
	"streamstack/streamer/rate"
)

const (
	// idle is how long the sender sleeps where it does not know of anything to do.
	idle = time.Second
	// trickleAfter is how long nothing may be heard of what was sent before something small is sent every trickleEvery, so that the
	// end of an interruption is noticed at once, also without sound.
	trickleAfter, trickleEvery = 200 * time.Millisecond, 50 * time.Millisecond
)

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
		if copies, why := s.soundLoss.copies(now, path.Loss, path.Estimate); copies != of.red.copies {
			of.red.copies = copies
			if of.red.payloadType != 0 { // the client takes them
				s.redundancy(copies, why)
			}
		}
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
