package command

import (
	"context"
	"log/slog"

	"streamstack/events"
	"streamstack/streamer"
	"streamstack/streamer/frame"
	"streamstack/streamer/media"
	"streamstack/streamer/media/encoder"
)

// gst makes captures with GStreamer; it implements streamer.Media.
type gst struct {
	display, sound string
	fault          fault
	nvenc          map[frame.Codec]encoder.NVENC
	log            *slog.Logger
}

func (g gst) StartVideo(ctx context.Context, e streamer.Encoder, s events.Screen, kbps int, sink func(frame.Video)) (streamer.Video, error) {
	v, err := media.StartVideo(ctx, media.VideoConfig{
		Display: g.display, Width: s.Width, Height: s.Height, FPS: s.FPS, Codec: e.Codec, Encoder: e.Element, BitrateKbps: kbps,
		NVENC: g.nvenc[e.Codec], FailAfter: g.fault.of(e.Element), Log: g.log,
	}, sink)
	if err != nil {
		return nil, err // not v: a nil pointer in an interface is not nil
	}
	return v, nil
}

func (g gst) StartAudio(ctx context.Context, sink func(frame.Audio)) (streamer.Audio, error) {
	a, err := media.StartAudio(ctx, media.AudioConfig{Server: g.sound, Log: g.log}, sink)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// encoders are those that work here, best first.
func encoders(ctx context.Context, log *slog.Logger) (out []streamer.Encoder) {
	for _, e := range media.Probe(ctx, log) {
		if e.OK {
			out = append(out, streamer.Encoder{Codec: e.Codec, Element: e.Name, Hardware: e.Hardware})
		}
	}
	return out
}
