package streamer

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v3/pkg/media/ivfreader"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
)

// ball is a second of a moving ball, 160x120 at 30 fps in VP8, the first picture a key frame. It was made by
//
//	gst-launch-1.0 videotestsrc num-buffers=30 pattern=ball ! video/x-raw,width=160,height=120,framerate=30/1 !
//	  vp8enc deadline=1 keyframe-max-dist=30 target-bitrate=100000 ! multifilesink location=f%03d
//
//go:embed testdata/ball.ivf
var ball []byte

const frameTime = time.Second / 30

func pictures(t testing.TB) (list [][]byte) {
	t.Helper()
	r, _, err := ivfreader.NewWith(bytes.NewReader(ball))
	require.NoError(t, err)
	for {
		data, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		list = append(list, data)
	}
}

// screen is a Media that plays the ball in place of a display, whatever codec is asked for.
type screen struct {
	pictures [][]byte
	noVideo  error // why the video does not start
	noAudio  error

	mu     sync.Mutex
	videos []*playing
	sounds []*playing
}

// playing is a Video or Audio of a screen.
type playing struct {
	encoder Encoder
	screen  events.Screen
	key     chan struct{}
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once

	mu     sync.Mutex
	err    error
	kbps   int
	fps    int // 0 before it was set
	keys   int
	closed bool
	acts   int
	rhythm frame.Rhythm
}

func (s *screen) StartVideo(_ context.Context, e Encoder, size events.Screen, kbps int, sink func(frame.Video)) (Video, error) {
	if s.noVideo != nil {
		return nil, s.noVideo
	}
	p := newPlaying(e, kbps)
	p.screen = size
	s.mu.Lock()
	s.videos = append(s.videos, p)
	s.mu.Unlock()
	go func() { // ends with Close or fail
		defer close(p.done)
		begun, n := time.Now(), 0
		tick := time.NewTicker(frameTime)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-p.key:
				n = 0
			case now := <-tick.C:
				sink(frame.Video{Data: s.pictures[n], Keyframe: n == 0, CapturedAt: now, PTS: now.Sub(begun)})
				n = (n + 1) % len(s.pictures)
			}
		}
	}()
	return p, nil
}

func (s *screen) StartAudio(_ context.Context, sink func(frame.Audio)) (Audio, error) {
	if s.noAudio != nil {
		return nil, s.noAudio
	}
	p := newPlaying(Encoder{Codec: frame.Opus}, 0)
	s.mu.Lock()
	s.sounds = append(s.sounds, p)
	s.mu.Unlock()
	go func() { // ends with Close or fail
		defer close(p.done)
		begun := time.Now()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case now := <-tick.C:
				// RFC 6716, section 3.1: one 10 ms frame of wide-band SILK, empty.
				sink(frame.Audio{Data: []byte{8 << 3}, CapturedAt: now, PTS: now.Sub(begun), Duration: 10 * time.Millisecond})
			}
		}
	}()
	return p, nil
}

func newPlaying(e Encoder, kbps int) *playing {
	return &playing{encoder: e, kbps: kbps, key: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

func (p *playing) RequestKeyframe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys++
	select {
	case p.key <- struct{}{}:
	default:
	}
}

func (p *playing) SetBitrate(kbps int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kbps = kbps
	return nil
}

func (p *playing) SetFrameRate(fps int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fps = fps
	return nil
}

func (p *playing) Acted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acts++
}

func (p *playing) Follow(r frame.Rhythm) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rhythm = r
}

// heard says what is missing of what the picture is to have been told: that the client has done something so often, and the rhythm of its display.
func (s *screen) heard(acts int, rhythm frame.Rhythm) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.videos) == 0 {
		return "a picture"
	}
	p := s.videos[len(s.videos)-1]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.acts != acts || p.rhythm != rhythm {
		return fmt.Sprintf("told of %d inputs and %v: %d, %v", acts, rhythm, p.acts, p.rhythm)
	}
	return ""
}

func (p *playing) Done() <-chan struct{} { return p.done }

func (p *playing) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *playing) Close() error {
	p.once.Do(func() { close(p.stop) })
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// fail ends the capture as a crash of GStreamer would.
func (p *playing) fail(err error) {
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	p.once.Do(func() { close(p.stop) })
}

// open are the captures that were started and not closed.
func (s *screen) open() (videos, sounds []*playing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := func(all []*playing) (out []*playing) {
		for _, p := range all {
			p.mu.Lock()
			if !p.closed {
				out = append(out, p)
			}
			p.mu.Unlock()
		}
		return out
	}
	return left(s.videos), left(s.sounds)
}

// allClosed says which captures are left.
func (s *screen) allClosed() string {
	if v, a := s.open(); len(v)+len(a) > 0 {
		return fmt.Sprintf("%d videos and %d sounds to end", len(v), len(a))
	}
	return ""
}

// hands is an Input that writes down what it is told.
type hands struct {
	mu       sync.Mutex
	got      []control.Message
	released int
	gone     chan struct{}
	err      error
}

func newHands() *hands { return &hands{gone: make(chan struct{})} }

func (h *hands) Handle(_ context.Context, m control.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, m)
	return nil
}

func (h *hands) ReleaseAll(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.released++
	return nil
}

func (h *hands) Done() <-chan struct{} { return h.gone }
func (h *hands) Err() error            { return h.err }

func (h *hands) messages() []control.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]control.Message(nil), h.got...)
}

func (h *hands) releases() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.released
}
