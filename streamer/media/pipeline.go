package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/go-gst/go-gst/gst/app"

	"streamstack/streamer/grab"
)

const (
	// startTimeout is how long the first picture or sound may take. A local display and server take tens of milliseconds.
	startTimeout = 5 * time.Second
	// closeTimeout is how long taking a pipeline down may take; it waits for at most one picture, unless a driver hangs.
	closeTimeout = 5 * time.Second
	// busInterval is how long a reason to end may wait that does not come as a message on the bus, as the loss of a display.
	busInterval = gst.ClockTime(100 * time.Millisecond)
	// sinkElement ends every pipeline. It does not wait for the presentation time, keeps nothing and drops nothing.
	sinkElement = "appsink name=sink sync=false qos=false enable-last-sample=false wait-on-eos=false max-buffers=4"
)

// Errors that a caller can act on.
var (
	// ErrDisplayLost is wrapped when the X server went away or refused to be read.
	ErrDisplayLost = grab.ErrLost
	// ErrDisplaySize is wrapped when the display has, or has taken on, another size than the capture was started for.
	ErrDisplaySize = grab.ErrSize
	// ErrClosed is returned when something is asked of a capture that has ended.
	ErrClosed = errors.New("media: the capture has ended")
	// errEnded is the end of a stream, which no live source should ever have.
	errEnded = errors.New("media: the stream ended by itself")
)

// encoded is one buffer from the end of a pipeline. Data is a copy in Go's memory.
type encoded struct {
	data       []byte
	keyframe   bool
	running    time.Duration // its time in the pipeline
	pts        time.Duration
	capturedAt time.Time
	duration   time.Duration
}

// pipeline is a running GStreamer pipeline that ends in a sink of ours. The goroutine run owns its state; all other methods only
// send it requests and are safe for concurrent use.
type pipeline struct {
	log     *slog.Logger
	what    string // for errors: what is being captured
	gst     *gst.Pipeline
	bus     *gst.Bus
	sink    *app.Sink
	clock   *gst.Clock
	end     ending
	first   chan struct{}
	started sync.Once
	done    chan struct{}
	err     error // written by run before done is closed
}

// ending carries the first reason to end a pipeline, nil when that is wanted.
type ending chan error

func newEnding() ending { return make(ending, 1) }

// because gives a reason and never blocks; those after the first do not count.
func (e ending) because(reason error) {
	select {
	case e <- reason:
	default:
	}
}

// newPipeline builds a pipeline from a gst-launch description that ends in sinkElement. Elements may be opened, but nothing runs
// before start.
func newPipeline(log *slog.Logger, what, description string, end ending) (*pipeline, error) {
	built, err := gst.NewPipelineFromString(description)
	if err != nil {
		return nil, fmt.Errorf("media: cannot build the pipeline for %s (see Require for what must be installed): %w", what, err)
	}
	element, err := built.GetElementByName("sink")
	if err != nil {
		return nil, fmt.Errorf("media: %s: %w", what, err)
	}
	clock := gst.ObtainSystemClock().Clock
	built.ForceClock(clock)
	return &pipeline{
		log: log, what: what, gst: built, bus: built.GetPipelineBus(), sink: app.SinkFromElement(element), clock: clock,
		end: end, first: make(chan struct{}), done: make(chan struct{}),
	}, nil
}

// element returns a named element of the description.
func (p *pipeline) element(name string) (*gst.Element, error) {
	e, err := p.gst.GetElementByName(name)
	if err != nil {
		return nil, fmt.Errorf("media: %s: %w", p.what, err)
	}
	return e, nil
}

// start plays the pipeline, gives every buffer to deliver from GStreamer's thread, and returns when the first has come. After an error nothing
// runs any more.
func (p *pipeline) start(ctx context.Context, deliver func(encoded)) error {
	p.sink.SetCallbacks(&app.SinkCallbacks{NewSampleFunc: func(sink *app.Sink) gst.FlowReturn {
		sample := sink.PullSample()
		if sample == nil {
			return gst.FlowEOS
		}
		e, ok := p.take(sample)
		if ok {
			deliver(e)
			p.started.Do(func() { close(p.first) })
		}
		return gst.FlowOK
	}})
	go p.run()

	err := p.gst.SetState(gst.StatePlaying)
	if err == nil {
		err = p.waitFirst(ctx)
	} else if reported := p.reported(); reported != nil {
		err = reported // what the element said is better than "failed to change state"
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, p.close())
}

func (p *pipeline) waitFirst(ctx context.Context) error {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	select {
	case <-p.first:
		return nil
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("media: starting %s: %w", p.what, ctx.Err())
	case <-deadline.C:
		return fmt.Errorf("media: nothing came from %s in %v: is it running?", p.what, startTimeout)
	}
}

// reported waits a moment for the bus to tell why a state could not be reached; the message is posted before the failure returns.
func (p *pipeline) reported() error {
	deadline := time.NewTimer(closeTimeout)
	defer deadline.Stop()
	p.stop(errNoReport)
	select {
	case <-p.done:
		if !errors.Is(p.err, errNoReport) {
			return p.err
		}
	case <-deadline.C:
	}
	return nil
}

// errNoReport marks a pipeline that failed to start without saying why.
var errNoReport = errors.New("media: no reason reported")

// run owns the pipeline: it waits for an error on the bus or a request to stop, then takes it down.
func (p *pipeline) run() {
	defer close(p.done)
	p.err = p.waitEnd()
	if err := p.gst.SetState(gst.StateNull); err != nil {
		p.log.Warn("stopping a pipeline", "pipeline", p.what, "error", err)
	}
	// The callbacks refer to the pipeline and the pipeline keeps the callbacks: without this neither is ever freed.
	if p.sink != nil { // a feed has none
		p.sink.SetCallbacks(&app.SinkCallbacks{})
	}
	trim()
}

func (p *pipeline) waitEnd() error {
	for {
		message := p.bus.TimedPopFiltered(busInterval, gst.MessageError|gst.MessageEOS|gst.MessageWarning|gst.MessageApplication)
		if message != nil {
			switch message.Type() {
			case gst.MessageError:
				return p.describe(message.ParseError())
			case gst.MessageEOS:
				return fmt.Errorf("%w: %s", errEnded, p.what)
			case gst.MessageWarning:
				p.log.Warn("GStreamer warns", "pipeline", p.what, "error", p.describe(message.ParseWarning()))
				continue // what the bus holds comes before a request to stop: it may be the reason for it
			}
		}
		select {
		case err := <-p.end:
			return err
		default:
		}
	}
}

// describe turns GStreamer's error into one line; the last line of its debug text is the one that tells the cause.
func (p *pipeline) describe(reported *gst.GError) error {
	if reported == nil {
		return fmt.Errorf("media: %s failed without a reason", p.what)
	}
	lines := strings.Split(strings.TrimSpace(reported.DebugString()), "\n")
	if detail := strings.TrimSpace(lines[len(lines)-1]); detail != "" && len(lines) > 1 {
		return fmt.Errorf("media: %s: %s (%s)", p.what, reported.Error(), detail)
	}
	return fmt.Errorf("media: %s: %s", p.what, reported.Error())
}

// stop asks run to end the pipeline at once with a reason, nil for none. It never blocks.
func (p *pipeline) stop(reason error) {
	p.end.because(reason)
	// Only wakes the bus; the reason is in the channel.
	p.bus.Post(gst.NewApplicationMessage(p.gst, gst.NewStructure("streamstack-wake")))
}

// close ends the pipeline and waits until its goroutine and its threads have ended; deliver is not called afterwards.
func (p *pipeline) close() error {
	p.stop(nil)
	deadline := time.NewTimer(closeTimeout)
	defer deadline.Stop()
	select {
	case <-p.done:
		return nil
	case <-deadline.C:
		return fmt.Errorf("media: %s did not stop in %v: a driver or the receiving function hangs", p.what, closeTimeout)
	}
}

// ended tells the reason after done is closed, nil before and after close.
func (p *pipeline) ended() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// take copies a sample into Go's memory and frees it at once: waiting for the garbage collector, which does not see C's memory,
// would let pictures pile up.
func (p *pipeline) take(sample *gst.Sample) (encoded, bool) {
	runtime.SetFinalizer(sample, nil)
	defer sample.Unref()
	buffer := sample.GetBuffer()
	if buffer == nil {
		return encoded{}, false
	}
	runtime.SetFinalizer(buffer, nil)
	defer buffer.Unref()

	// x264enc moves its timestamps a thousand hours ahead and says so in the segment: only running time is comparable.
	running := sample.GetSegment().ToRunningTime(gst.FormatTime, uint64(buffer.PresentationTimestamp()))
	if gst.ClockTime(running) == gst.ClockTimeNone {
		return encoded{}, false
	}
	pts := time.Duration(p.gst.GetBaseTime()) + time.Duration(running)
	age := time.Duration(p.clock.GetTime()) - pts
	e := encoded{
		data:       buffer.Bytes(),
		running:    time.Duration(running),
		keyframe:   !buffer.HasFlags(gst.BufferFlagDeltaUnit),
		pts:        pts,
		capturedAt: time.Now().Add(-age),
	}
	if length := buffer.Duration(); length != gst.ClockTimeNone {
		e.duration = time.Duration(length)
	}
	return e, len(e.data) > 0
}
