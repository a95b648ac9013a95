package media

import (
	"fmt"
	"log/slog"

	"github.com/go-gst/go-gst/gst"
	"github.com/go-gst/go-gst/gst/app"
)

// playSource begins the pipelines that play a client's RTP. What the pipeline does not take in time is dropped, the oldest first: it is
// live, and late is wrong. The jitter buffer holds a packet only while one before it is missing, at most so many milliseconds.
const playSource = `appsrc name=rtp is-live=true do-timestamp=true format=time block=false max-buffers=64 max-bytes=0 leaky-type=downstream ` +
	`caps="application/x-rtp,media=%s,encoding-name=%s,clock-rate=%d,payload=%d" ! rtpjitterbuffer latency=%d drop-on-latency=true do-lost=true ! `

// player is a running pipeline that plays RTP packets. Its methods are safe for concurrent use.
type player struct {
	pipeline *pipeline
	source   *app.Source
}

// startPlay builds a pipeline from a description that begins with playSource, and plays it.
func startPlay(log *slog.Logger, what, description string, set map[string]map[string]string) (*player, error) {
	if err := initialise(); err != nil {
		return nil, err
	}
	built, err := gst.NewPipelineFromString(description)
	if err != nil {
		return nil, fmt.Errorf("media: cannot build the pipeline for %s (see Require for what must be installed): %w", what, err)
	}
	p := &pipeline{log: orDiscard(log), what: what, gst: built, bus: built.GetPipelineBus(), end: newEnding(), first: make(chan struct{}), done: make(chan struct{})}
	element, err := p.element("rtp")
	if err != nil {
		return nil, err
	}
	for name, values := range set {
		target, err := p.element(name)
		if err != nil {
			return nil, err
		}
		for property, value := range values {
			if err := target.SetProperty(property, value); err != nil {
				return nil, fmt.Errorf("media: %s of %s: %w", property, what, err)
			}
		}
	}
	go p.run()
	if err := built.SetState(gst.StatePlaying); err != nil {
		if reported := p.reported(); reported != nil {
			return nil, reported
		}
		return nil, fmt.Errorf("media: %s does not start: %w", what, err)
	}
	return &player{p, app.SrcFromElement(element)}, nil
}

// Write plays an RTP packet (RFC 3550), which can be used again when it returns. It does not wait.
func (f *player) Write(packet []byte) error {
	select {
	case <-f.pipeline.done:
		return ErrClosed
	default:
	}
	buffer := gst.NewBufferFromBytes(packet)
	if flow := f.source.PushBuffer(buffer); flow != gst.FlowOK {
		return fmt.Errorf("media: %s takes no more packets: %s", f.pipeline.what, flow)
	}
	return nil
}

// Done is closed when the playing has ended, by Close or by itself.
func (f *player) Done() <-chan struct{} { return f.pipeline.done }

// Err tells why it ended by itself; nil while it runs and after Close.
func (f *player) Err() error { return f.pipeline.ended() }

// Close ends it and waits for its threads, for at most five seconds. Further calls return the same.
func (f *player) Close() error { return f.pipeline.close() }
