package streamer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"streamstack/events"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

// captures are the video and the sound of one client. They start in the background, for a start waits for the first
// picture; what is asked of them meanwhile is remembered.
type captures struct {
	c *client

	mu      sync.Mutex
	closed  bool
	video   Video
	target  peer.Target // asked for before the video was there, zero for nothing
	aimed   bool        // by congestion control
	wantKey bool        // likewise, and not answered yet
	keys    keySpacing
	later   *time.Timer // for a key frame that has to wait, nil for none
	sound   Audio
	loss    int // of the client's network, that the sound was told, percent

	work   sync.WaitGroup
	cancel context.CancelFunc
	ctx    context.Context
}

func newCaptures(c *client) *captures { return &captures{c: c} }

// begin makes the context of the captures' goroutines, once.
func (k *captures) begin(ctx context.Context) context.Context {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ctx == nil {
		k.ctx, k.cancel = context.WithCancel(ctx)
	}
	return k.ctx
}

// startVideo starts the picture and watches over it. The encoders are of one codec, best first: when one fails, also after hours,
// the next takes over, with a keyframe, and the client sees no more than a pause. The last one takes over from itself, but not again and
// again.
func (k *captures) startVideo(ctx context.Context, encoders []Encoder, kbps int) {
	life := k.begin(ctx)
	k.work.Go(func() {
		var before *failure
		for i, again := 0, false; ; {
			e, begun := encoders[i], time.Now()
			ended, ran, err := k.play(life, e, kbps, before)
			switch last := i+1 == len(encoders); {
			case life.Err() != nil:
				return
			case errors.Is(err, frame.ErrDisplay), last && !ran, last && again && time.Since(begun) < steadyTime:
				k.fail(life, err)
				return
			case last:
				again = true
			default:
				i++
			}
			before = k.failed(life, e, err, ended)
		}
	})
}

// steadyTime is how long an encoder that was started again must have run to be started once more.
const steadyTime = time.Minute

// failure is that of an encoder for which another is to take over.
type failure struct {
	encoder Encoder
	cause   error
	at      time.Time
}

// play runs one encoder until it fails, and tells when and why, or until life ends; ran tells that there were pictures. before is the failure of the
// encoder in whose place it is, if any.
func (k *captures) play(life context.Context, e Encoder, kbps int, before *failure) (ended time.Time, ran bool, err error) {
	start, cancel := context.WithTimeout(life, captureTime)
	defer cancel()
	v, err := k.c.s.cfg.Media.StartVideo(start, e, k.c.screen, k.wanted(kbps), func(f frame.Video) {
		k.c.quality.latency.add(f)
		k.c.quality.stages.add(f)
		k.c.s.inside.encoded(f, e)
		if f.Keyframe {
			k.answered()
		}
		k.c.showVideo(f)
	})
	if err != nil {
		return time.Now(), false, err
	}
	defer func() { k.ignore(v.Close()) }()
	if before != nil {
		k.replaced(life, *before, e)
	}
	if !k.keepVideo(v) {
		return ended, true, nil
	}
	defer k.keepVideo(nil)
	select {
	case <-v.Done():
		return time.Now(), true, orElse(v.Err(), "it ended") // before its closing, which is a part of the pause
	case <-life.Done():
		return ended, true, nil
	}
}

// wanted is the bitrate that was asked for last, else the given one.
func (k *captures) wanted(kbps int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.target != (peer.Target{}) {
		return k.nominal()
	}
	return kbps
}

// nominal is what an encoder is told for the target, in kbit/s: encoders see pictures at the full rate, and spend the same on each.
func (k *captures) nominal() int {
	return k.target.Bitrate / 1000 * k.c.screen.FPS / max(1, k.target.FPS)
}

// failed keeps an encoder that has failed from being the first choice for the next client.
func (k *captures) failed(ctx context.Context, e Encoder, cause error, at time.Time) *failure {
	f := &failure{e, cause, at}
	k.c.s.log.Warn("an encoder failed, another takes over", "encoder", e.Element, "err", cause)
	k.c.s.post(ctx, func(context.Context) error {
		k.c.s.failed[e.Element] = true
		return nil
	})
	return f
}

// replaced tells that another encoder has taken over: its first picture is there.
func (k *captures) replaced(ctx context.Context, before failure, to Encoder) {
	pause := time.Since(before.at)
	k.c.s.log.Info("another encoder has taken over", "from", before.encoder.Element, "to", to.Element, "pause", pause)
	if k.c.peer != nil { // and not viewers alone
		k.c.decisions.fellBack(time.Now(), before.encoder.Element, to.Element, k.c.peer.Stats())
	}
	k.c.s.post(ctx, func(ctx context.Context) error {
		return k.c.s.say(ctx, events.EncoderChanged, events.EncoderChangedData{
			Peer: k.c.id, Codec: string(to.Codec), From: before.encoder.Element, To: to.Element, Reason: before.cause.Error(),
			PauseMs: max(1, pause.Milliseconds()), // 0 would be left out
		})
	})
}

// keepVideo takes a started capture in and tells it what was asked for meanwhile; nil takes the one that is there out.
func (k *captures) keepVideo(v Video) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.video = nil
	if v == nil || k.closed {
		return false
	}
	k.video = v
	k.tell()
	k.keys = keySpacing{} // a new encoder, and a client that has nothing it could show
	if k.wantKey {
		k.askKey(true)
	}
	return true
}

// startAudio starts the sound. A session goes on without it: the picture matters more.
func (k *captures) startAudio(ctx context.Context) {
	life := k.begin(ctx)
	k.work.Go(func() {
		start, cancel := context.WithTimeout(life, captureTime)
		defer cancel()
		a, err := k.c.s.cfg.Media.StartAudio(start, k.c.showAudio)
		if err != nil {
			k.c.s.log.Error("no sound", "err", err)
			return
		}
		k.keepSound(a)
		defer k.keepSound(nil)
		select {
		case <-a.Done():
			if life.Err() == nil {
				k.c.s.log.Error("the sound has ended", "err", a.Err())
			}
		case <-life.Done():
		}
		k.ignore(a.Close())
	})
}

// fail ends the streamer: without a picture there is no session.
func (k *captures) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		k.c.s.post(ctx, func(context.Context) error { return fmt.Errorf("streamer: no picture: %w", err) })
	}
}

// acted tells the video that the client has done something.
func (k *captures) acted() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.video != nil {
		k.video.Acted()
	}
}

// follow tells the video how its pictures meet the client's display.
func (k *captures) follow(r frame.Rhythm) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.video != nil {
		k.video.Follow(r)
	}
}

// aim sets the encoder's target.
func (k *captures) aim(t peer.Target) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.target, k.aimed = t, true
	k.tell()
}

// begins sets the target that a stream begins with in place of the one it was made with, unless there is one of congestion control.
func (k *captures) begins(t peer.Target) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.aimed {
		k.target = t
		k.tell()
	}
}

// tell tells the video its target, if there are both.
func (k *captures) tell() {
	if k.video == nil || k.target == (peer.Target{}) {
		return
	}
	k.ignore(k.video.SetFrameRate(k.target.FPS))
	k.ignore(k.video.SetBitrate(k.nominal()))
}

// close ends both and waits for them.
func (k *captures) close() {
	k.mu.Lock()
	k.closed = true
	if k.later != nil {
		k.later.Stop()
	}
	cancel := k.cancel
	k.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	k.work.Wait()
}

// ignore logs an error that nobody can act on.
func (k *captures) ignore(err error) {
	if err != nil {
		k.c.s.log.Debug("capture", "err", err)
	}
}
