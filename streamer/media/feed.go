package media

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-gst/go-gst/gst"

	"streamstack/streamer/cadence"
	"streamstack/streamer/grab"
)

const (
	// busyRetry is how soon it is looked again whether an encoder that lags behind takes a picture.
	busyRetry = time.Millisecond
	// hearAgain is how soon after a change the X server tells of the next one, if the screen has not been read by then. Programs draw a
	// picture with several requests, which count as one change.
	hearAgain = 4 * time.Millisecond
	// maxPointerRate is how often a second the pointer's place is asked for while it moves; one that has been at rest for pointerRest is looked
	// for every idlePointer: most of what a still screen costs is this.
	maxPointerRate = 60
	pointerRest    = time.Second
	idlePointer    = time.Second / 20
	// lookSoon is when it is looked for the pointer after an input: played, that has been by then.
	lookSoon = 2 * time.Millisecond
	// remembered is for how many pictures it is known when they were taken: far more than any encoder keeps.
	remembered = 64
)

// feed reads a screen when its cadence says so and gives the pictures to a pipeline. One goroutine, run, does the work.
type feed struct {
	screen  *grab.Screen
	cadence *cadence.Cadence
	pool    *pool
	end     ending
	clock   func() time.Duration // the pipeline's
	// step is the time between two pictures as the encoder sees it.
	step   time.Duration
	stamps stamps        // when pictures came to the encoder
	wake   chan struct{} // something was asked for
	acted  chan struct{} // the client has done something

	mu    sync.Mutex
	count uint64 // of pictures pushed
	shots [remembered]shot

	stop    context.CancelFunc
	done    chan struct{}
	closing sync.Mutex
}

// shot is a picture on its way through the encoder.
type shot struct {
	number  uint64
	at      time.Time     // when the screen began to be read
	read    time.Time     // when it had been
	pts     time.Duration // the same on the pipeline's clock
	picture cadence.Picture
}

// newFeed opens the display; what ends the reading ends the pipeline.
func newFeed(ctx context.Context, cfg VideoConfig, end ending) (*feed, error) {
	screen, err := grab.Open(ctx, cfg.Display, cfg.Width, cfg.Height)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return &feed{
		screen: screen, cadence: cadence.New(cfg.FPS), end: end, step: time.Second / time.Duration(cfg.FPS),
		wake: make(chan struct{}, 1), acted: make(chan struct{}, 1), done: make(chan struct{}), stop: func() {},
	}, nil
}

// start begins to feed a pipeline's source.
func (f *feed) start(ctx context.Context, source *gst.Element, clock func() time.Duration) (err error) {
	if f.pool, err = newPool(ctx, f.screen, source); err != nil {
		return err
	}
	f.clock = clock
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx)) // outlives the start; close ends it
	go func() {
		defer close(f.done)
		if err := f.run(ctx); err != nil && ctx.Err() == nil {
			f.end.because(fmt.Errorf("media: %w", err))
		}
	}()
	return nil
}

// close ends the reading; the pipeline must have ended, or never have begun.
func (f *feed) close() error {
	f.closing.Lock()
	defer f.closing.Unlock()
	f.stop()
	if f.pool == nil {
		f.screen.Close()
		return nil
	}
	<-f.done
	f.screen.Close()
	return f.pool.close()
}

// ask wants a picture at once, whatever is on the screen.
func (f *feed) ask() {
	f.cadence.Ask()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feed) run(ctx context.Context) error {
	lookEvery, moved := max(f.step, time.Second/maxPointerRate), time.Now()
	look, soon := time.NewTimer(lookEvery), false
	defer look.Stop()
	next, hear := time.NewTimer(0), time.NewTimer(hearAgain)
	defer next.Stop()
	defer hear.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.screen.Done():
			return f.screen.Err() //nolint:wrapcheck // start does
		case <-f.wake:
		case <-f.acted:
			if !soon { // and not later and later, while inputs follow each other
				look.Reset(lookSoon)
				soon = true
			}
		case <-f.screen.Changed():
			f.cadence.Change(time.Now())
			hear.Reset(hearAgain)
		case <-hear.C:
			if err := f.screen.Hear(ctx); err != nil {
				return err //nolint:wrapcheck // start does
			}
		case <-look.C:
			soon = false
			seen, err := f.look(ctx)
			if err != nil {
				return err
			}
			now := time.Now()
			if seen {
				moved = now
				f.cadence.Change(now)
			}
			if now.Sub(moved) < pointerRest {
				look.Reset(lookEvery)
			} else {
				look.Reset(max(lookEvery, idlePointer))
			}
		case <-next.C:
			taken, err := f.take(ctx)
			if err != nil {
				return err
			}
			if !taken {
				next.Reset(busyRetry)
				continue
			}
			hear.Stop() // reading has done it
		}
		next.Reset(time.Until(f.cadence.Next()))
	}
}

// look looks for changes that the X server does not tell: of the pointer, or, where it tells of none, for anything.
func (f *feed) look(ctx context.Context) (changed bool, err error) {
	if !f.screen.Damage() {
		return true, nil
	}
	return f.screen.PointerMoved(ctx) //nolint:wrapcheck // start does
}

// take reads the screen and pushes the picture, unless the encoder is behind.
//
// The encoder is told that pictures come at an even rate, whatever the screen does. With the real times in between, those of VP8, VP9 and
// AV1 would take a second's rest for a change of the frame rate and spend a second's bits on the next picture, which would then be late.
func (f *feed) take(ctx context.Context) (bool, error) {
	segment := f.pool.free()
	if segment == nil {
		return false, nil
	}
	now := time.Now()
	s := shot{at: now, pts: f.clock(), picture: f.cadence.Taken(now)}
	if !s.picture.Still && s.picture.ChangedAt.IsZero() {
		// A key frame of a screen on which nothing has changed: the picture before was right until now, and has not been frozen.
		s.picture.ChangedAt = now
	}
	if err := f.screen.Grab(ctx, segment.Segment); err != nil {
		return false, err //nolint:wrapcheck // start does
	}
	s.read = time.Now()
	f.mu.Lock()
	s.number = f.count
	f.shots[s.number%remembered] = s
	f.count++
	f.mu.Unlock()
	switch flow := f.pool.push(segment, time.Duration(s.number)*f.step, f.step); flow {
	case gst.FlowOK, gst.FlowFlushing: // the latter: it is ending, for a reason of its own
		return true, nil
	default:
		return false, errors.New("the pipeline takes no more pictures: " + flow.String())
	}
}

// shot finds the picture that was pushed for a time of the pipeline.
func (f *feed) shot(running time.Duration) (shot, bool) {
	number := uint64((running + f.step/2) / f.step)
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.shots[number%remembered]
	return s, s.number == number && !s.at.IsZero()
}
