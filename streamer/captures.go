package streamer

import (
	"context"
	"fmt"
	"sync"

	"streamstack/streamer/frame"
)

// captures are the video and the sound of one client. They start in the background, for a start waits for the first
// picture; what is asked of them meanwhile is remembered.
type captures struct {
	c *client

	mu      sync.Mutex
	closed  bool
	video   Video
	kbps    int  // asked for before the video was there
	wantKey bool // likewise

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

// startVideo starts the picture and watches over it.
func (k *captures) startVideo(ctx context.Context, e Encoder, kbps int) {
	life := k.begin(ctx)
	k.work.Go(func() {
		start, cancel := context.WithTimeout(life, captureTime)
		defer cancel()
		v, err := k.c.s.cfg.Media.StartVideo(start, e, k.c.s.cfg.Screen, kbps, func(f frame.Video) {
			k.c.quality.latency.add(f)
			k.c.peer.WriteVideo(f)
		})
		if err != nil {
			k.fail(life, err)
			return
		}
		if !k.keepVideo(v) {
			k.ignore(v.Close())
			return
		}
		select {
		case <-v.Done():
			k.fail(life, orElse(v.Err(), "it ended"))
		case <-life.Done():
		}
		k.ignore(v.Close())
	})
}

// keepVideo takes a started capture in and tells it what was asked for meanwhile.
func (k *captures) keepVideo(v Video) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	k.video = v
	if k.kbps > 0 {
		k.ignore(v.SetBitrate(k.kbps))
	}
	if k.wantKey {
		v.RequestKeyframe()
	}
	return true
}

// startAudio starts the sound. A session goes on without it: the picture matters more.
func (k *captures) startAudio(ctx context.Context) {
	life := k.begin(ctx)
	k.work.Go(func() {
		start, cancel := context.WithTimeout(life, captureTime)
		defer cancel()
		a, err := k.c.s.cfg.Media.StartAudio(start, func(f frame.Audio) { k.c.peer.WriteAudio(f) })
		if err != nil {
			k.c.s.log.Error("no sound", "err", err)
			return
		}
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

// keyframe asks for a key frame, at once or as soon as there is a picture.
func (k *captures) keyframe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wantKey = true
	if k.video != nil {
		k.video.RequestKeyframe()
	}
}

// bitrate sets the encoder's target, in kbit/s.
func (k *captures) bitrate(kbps int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kbps = kbps
	if k.video != nil {
		k.ignore(k.video.SetBitrate(kbps))
	}
}

// close ends both and waits for them.
func (k *captures) close() {
	k.mu.Lock()
	k.closed = true
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
