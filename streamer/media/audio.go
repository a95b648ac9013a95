package media

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/go-gst/go-gst/gst"

	"streamstack/streamer/frame"
)

const (
	// DefaultAudioKbps is the bitrate of sound when none is given: transparent for stereo music in Opus.
	DefaultAudioKbps = 128
	// packetDuration is the length of sound in one packet: the shortest that Opus codes without a loss in quality.
	packetDuration = 10 * time.Millisecond
	// minAudioKbps and maxAudioKbps are the range of Opus (RFC 6716, 2.1.1), kbit/s.
	minAudioKbps, maxAudioKbps = 6, 510
)

// audioPipeline captures with a buffer of four packets, read one packet at a time. In-band FEC exists in Opus's speech modes only
// and does nothing in the low-delay mode, which has the better sound: what is lost is made good by copies of whole packets instead
// (package peer, RED). The loss makes the encoder rely less on the packets before. Timestamps that follow the samples, not the
// arrival, are what a browser's jitter buffer wants.
const audioPipeline = "pulsesrc name=source client-name=streamstack provide-clock=false buffer-time=40000 latency-time=10000 ! " +
	"audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! " +
	"opusenc name=encoder audio-type=restricted-lowdelay frame-size=10 bitrate-type=constrained-vbr bitrate=%d " +
	"packet-loss-percentage=5 perfect-timestamp=true ! " + sinkElement

// AudioConfig says what to capture.
type AudioConfig struct {
	// Server is the PulseAudio server, for instance unix:/run/pulse/native.
	Server string
	// Device is the source to record from, usually the monitor of a sink: "out.monitor" for the sink "out". Empty means the monitor
	// of the default sink.
	Device string
	// BitrateKbps is the target bitrate, 6 to 510 kbit/s; 0 means DefaultAudioKbps.
	BitrateKbps int
	// Log receives what GStreamer warns of; nil means nobody.
	Log *slog.Logger
}

// Audio is a running capture of sound as Opus in stereo at 48 kHz. Its methods are safe for concurrent use.
type Audio struct {
	pipeline *pipeline
	encoder  *gst.Element
}

// StartAudio starts capturing and returns when the first packet has come. ctx bounds the start only. sink is called as that of
// [StartVideo], with the same duties, for each packet of 10 ms.
func StartAudio(ctx context.Context, cfg AudioConfig, sink func(frame.Audio)) (*Audio, error) {
	if cfg.Server == "" {
		return nil, fmt.Errorf("media: no PulseAudio server given: set Server, for instance to unix:/run/pulse/native")
	}
	if cfg.BitrateKbps == 0 {
		cfg.BitrateKbps = DefaultAudioKbps
	}
	if cfg.Device == "" {
		cfg.Device = "@DEFAULT_MONITOR@"
	}
	if err := validateAudioBitrate(cfg.BitrateKbps); err != nil {
		return nil, err
	}
	if err := initialise(); err != nil {
		return nil, err
	}
	p, err := newPipeline(orDiscard(cfg.Log), fmt.Sprintf("sound of %s at %s", cfg.Device, cfg.Server),
		fmt.Sprintf(audioPipeline, cfg.BitrateKbps*1000), newEnding())
	if err != nil {
		return nil, err
	}
	source, err := p.element("source")
	if err != nil {
		return nil, err
	}
	encoder, err := p.element("encoder")
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"server": cfg.Server, "device": cfg.Device} {
		if err := source.SetProperty(name, value); err != nil {
			return nil, fmt.Errorf("media: %s of the sound %q: %w", name, value, err)
		}
	}
	err = p.start(ctx, func(e encoded) {
		if e.duration <= 0 {
			e.duration = packetDuration
		}
		sink(frame.Audio{Data: e.data, CapturedAt: e.capturedAt, PTS: e.pts, Duration: e.duration})
	})
	if err != nil {
		return nil, err
	}
	return &Audio{pipeline: p, encoder: encoder}, nil
}

func validateAudioBitrate(kbps int) error {
	if kbps < minAudioKbps || kbps > maxAudioKbps {
		return fmt.Errorf("media: bitrate of sound of %d kbit/s: take %d to %d", kbps, minAudioKbps, maxAudioKbps)
	}
	return nil
}

// SetBitrate changes the target bitrate, 6 to 510 kbit/s. It returns ErrClosed once the capture has ended.
func (a *Audio) SetBitrate(kbps int) error {
	if err := validateAudioBitrate(kbps); err != nil {
		return err
	}
	select {
	case <-a.pipeline.done:
		return ErrClosed
	default:
	}
	a.encoder.SetArg("bitrate", strconv.Itoa(kbps*1000))
	return nil
}

// SetLoss tells the encoder how many of a hundred packets the network loses, so that it makes packets that can do without those before
// them (and, in a mode that has it, in-band correction). It returns ErrClosed once the capture has ended.
func (a *Audio) SetLoss(percent int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("media: a loss of %d %%: take 0 to 100", percent)
	}
	select {
	case <-a.pipeline.done:
		return ErrClosed
	default:
	}
	a.encoder.SetArg("packet-loss-percentage", strconv.Itoa(percent))
	return nil
}

// Done is closed when the capture has ended, by Close or by itself.
func (a *Audio) Done() <-chan struct{} { return a.pipeline.done }

// Err tells why the capture ended by itself, for instance because the server went away. It is nil while it runs and after Close.
func (a *Audio) Err() error { return a.pipeline.ended() }

// Close ends the capture and waits for its threads, for at most five seconds. Further calls return the same.
func (a *Audio) Close() error { return a.pipeline.close() }
