package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/go-gst/go-gst/gst"

	"streamstack/streamer/frame"
	"streamstack/streamer/media/encoder"
)

// Limits of a picture. Sizes are even because pictures are encoded with halved colour (4:2:0).
const (
	minSide = 16
	maxSide = 8192
	maxFPS  = 240
	maxKbps = 500_000
)

// VideoConfig says what to capture and how to encode it.
type VideoConfig struct {
	// Display is the X display, for instance ":5".
	Display string
	// Width and Height are the size the display must have, in pixels, even.
	Width, Height int
	// FPS is the frame rate, 1 to 240 pictures per second.
	FPS int
	// Codec is H264, VP8, VP9 or AV1.
	Codec frame.Codec
	// Encoder is the name of an encoder as Probe tells it; empty means the best one that is installed for the codec.
	Encoder string
	// NVENC is how NVIDIA's encoder is to work, if it is that.
	NVENC encoder.NVENC
	// BitrateKbps is the target bitrate at the start, kbit/s.
	BitrateKbps int
	// FailAfter, for tests, makes the pipeline fail after so many pictures, with an error of GStreamer right before the encoder. 0 is never.
	FailAfter int
	// Log receives what GStreamer warns of; nil means nobody.
	Log *slog.Logger
}

// displayName is `[host]:display[.screen]` of X(7).
var displayName = regexp.MustCompile(`^[A-Za-z0-9.-]*:[0-9]{1,5}(\.[0-9])?$`)

func (c VideoConfig) validate() error {
	switch {
	case !displayName.MatchString(c.Display):
		return fmt.Errorf("media: %q is not the name of an X display: set Display, for instance to :0", c.Display)
	case c.Width < minSide || c.Width > maxSide || c.Height < minSide || c.Height > maxSide || c.Width%2 != 0 || c.Height%2 != 0:
		return fmt.Errorf("media: display size %dx%d: both must be even and between %d and %d", c.Width, c.Height, minSide, maxSide)
	case c.FPS < 1 || c.FPS > maxFPS:
		return fmt.Errorf("media: %d pictures per second: take 1 to %d", c.FPS, maxFPS)
	}
	return validateBitrate(c.BitrateKbps)
}

func validateBitrate(kbps int) error {
	if kbps < 1 || kbps > maxKbps {
		return fmt.Errorf("media: bitrate of %d kbit/s: take 1 to %d", kbps, maxKbps)
	}
	return nil
}

// Video is a running capture of a display. Its methods are safe for concurrent use.
type Video struct {
	pipeline *pipeline
	row      encoder.Row
	fps      int
	encoder  *gst.Element
	feed     *feed        // nil for a test picture
	kbps     atomic.Int64 // target
}

// StartVideo starts capturing and returns when the first picture has been encoded, which is a keyframe. ctx bounds the start only;
// the capture runs until Close or until it fails.
//
// sink gets each picture in order, the first ones before StartVideo returns, on a thread of GStreamer: it must not block, since
// the encoder waits for it, and it must not call Close. It is not called any more once Close has returned without an error.
//
// It is an error if the display cannot be read or has another size than cfg says. A display that is resized meanwhile ends the
// capture with [ErrDisplaySize], as the size of a stream never changes: close, resize, start anew.
func StartVideo(ctx context.Context, cfg VideoConfig, sink func(frame.Video)) (*Video, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := initialise(); err != nil {
		return nil, err
	}
	row, err := chooseRow(cfg.Codec, cfg.Encoder)
	if err != nil {
		return nil, err
	}
	end := newEnding()
	v := &Video{row: row.Tuned(cfg.NVENC), fps: cfg.FPS}
	v.kbps.Store(int64(cfg.BitrateKbps))
	if v.feed, err = newFeed(ctx, cfg, end); err != nil {
		return nil, err
	}
	if err := v.start(ctx, cfg, end, sink); err != nil {
		return nil, errors.Join(err, v.feed.close())
	}
	return v, nil
}

func (v *Video) start(ctx context.Context, cfg VideoConfig, end ending, sink func(frame.Video)) (err error) {
	// The source is a queue of one picture with a thread of its own, which converts and encodes; see feed for who fills it.
	v.pipeline, err = newPipeline(orDiscard(cfg.Log), "display "+cfg.Display, fmt.Sprintf(
		"appsrc name=source is-live=true format=time max-buffers=1 max-bytes=0 "+
			"caps=video/x-raw,format=BGRx,width=%d,height=%d,framerate=%d/1,pixel-aspect-ratio=1/1 ! %s%s ! %s",
		cfg.Width, cfg.Height, cfg.FPS, fault(cfg.FailAfter), describe(v.row, cfg.FPS, cfg.BitrateKbps), sinkElement), end)
	if err != nil {
		return err
	}
	source, err := v.pipeline.element("source")
	if err != nil {
		return err
	}
	if v.encoder, err = v.pipeline.element("encoder"); err != nil {
		return err
	}
	v.feed.watchStages(v.encoder)
	clock := v.pipeline.clock
	if err := v.feed.start(ctx, source, func() time.Duration { return time.Duration(clock.GetTime()) }); err != nil {
		return errors.Join(err, v.pipeline.close())
	}
	return v.pipeline.start(ctx, func(e encoded) {
		f := frame.Video{Data: e.data, Keyframe: e.keyframe, CapturedAt: e.capturedAt, PTS: e.pts}
		if s, found := v.feed.shot(e.running); found {
			f.CapturedAt, f.PTS, f.Still, f.ChangedAt = s.at, s.pts, s.picture.Still, s.picture.ChangedAt
			f.Stages = v.feed.stages(s)
			if f.Still {
				v.feed.cadence.Encoded(len(e.data), int(v.kbps.Load())*1000/8/v.fps)
			}
		}
		sink(f)
	})
}

// fault is the element that fails, none for 0.
func fault(after int) string {
	if after <= 0 {
		return ""
	}
	return fmt.Sprintf("identity error-after=%d ! ", after+1)
}

// RequestKeyframe makes the next picture a keyframe. It does not block, and does nothing once the capture has ended.
func (v *Video) RequestKeyframe() {
	select {
	case <-v.pipeline.done:
		return
	default:
	}
	// The event of GStreamer's video library, gst_video_event_new_upstream_force_key_unit; all-headers asks for SPS and PPS too.
	v.encoder.SendEvent(gst.NewCustomEvent(gst.EventTypeCustomUpstream,
		gst.NewStructureFromString("GstForceKeyUnit, all-headers=(boolean)true, count=(uint)0")))
	if v.feed != nil {
		v.feed.ask()
	}
}

// SetBitrate changes the target bitrate, in kbit/s, from the next picture on, without a keyframe. It returns ErrClosed once the
// capture has ended.
func (v *Video) SetBitrate(kbps int) error {
	if err := validateBitrate(kbps); err != nil {
		return err
	}
	select {
	case <-v.pipeline.done:
		return ErrClosed
	default:
	}
	v.kbps.Store(int64(kbps))
	for _, p := range v.row.Bitrate(v.fps, kbps, hasProperty) {
		v.encoder.SetArg(p.Name, p.Value)
	}
	return nil
}

// Encoder tells which encoder is at work.
func (v *Video) Encoder() Encoder {
	e := found(v.row)
	e.OK = true
	return e
}

// Done is closed when the capture has ended, by Close or by itself.
func (v *Video) Done() <-chan struct{} { return v.pipeline.done }

// Err tells why the capture ended by itself: ErrDisplayLost, ErrDisplaySize, or what GStreamer said. It is nil while it runs and after Close.
func (v *Video) Err() error { return v.pipeline.ended() }

// Close ends the capture and waits for its threads, for at most five seconds. Further calls return the same.
func (v *Video) Close() error {
	if err := v.pipeline.close(); err != nil {
		return err
	}
	return v.feed.close()
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
