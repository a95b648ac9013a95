package peer

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

func TestUseMeter(t *testing.T) {
	t.Parallel()
	var m useMeter
	now := time.Unix(1_700_000_000, 0)
	var sent use
	var payload uint64
	for range 30 {
		sent.pictures, sent.other, payload = sent.pictures+10_000, sent.other+2500, payload+9000
		now = now.Add(useTick)
		m.add(now, sent, payload)
	}
	use := m.add(now.Add(time.Millisecond), sent, payload)
	require.InDelta(t, 200_000, use.Other, 20_000)
	require.InDelta(t, 0.9, use.Payload, 0.01)
}

// An interruption of the network is noticed, nothing is sent into it, and its end begins with a key frame; both are told.
func TestInterruption(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{muteable: true})
	connect(t, p, r, c)
	n := 0
	play := func(missing func() string) {
		t.Helper()
		until(t, func() string {
			p.WriteVideo(picture(frame.H264, n, n == 0 || r.count("keyframe outage") > 0))
			n++
			return missing()
		})
	}
	decided := func(kind DecisionKind) func() string {
		return func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, d := range r.decisions {
				if d.Kind == kind {
					return ""
				}
			}
			return fmt.Sprintf("%s in %+v", kind, r.decisions)
		}
	}
	play(func() string {
		if s := p.estimator.state(); s.RTT == 0 {
			return "feedback"
		}
		return ""
	})
	c.socket.interrupt(true)
	play(decided(DecidedOutage))
	dropped := p.Stats().FramesDropped
	play(func() string {
		if got := p.Stats().FramesDropped; got < dropped+10 {
			return fmt.Sprintf("%d pictures dropped", got-dropped)
		}
		return ""
	})
	c.socket.interrupt(false)
	play(decided(DecidedResume))
	play(r.missing("keyframe outage"))
	received := len(c.packets(true))
	play(func() string {
		if len(c.packets(true)) < received+5 {
			return "pictures at the client"
		}
		return ""
	})
	require.Zero(t, r.count("disconnected lost"))
}
