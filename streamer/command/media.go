package command

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"streamstack/events"
	"streamstack/streamer"
	"streamstack/streamer/control"
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

// devices are the instance's microphone and camera; it implements streamer.Devices.
type devices struct {
	sound, microphone, camera string
	log                       *slog.Logger
}

func (d devices) Microphone() error {
	if d.sound == "" || d.microphone == "" {
		return errors.New("the instance has no sink for a microphone (--microphone)")
	}
	return nil
}

func (d devices) Camera() error {
	if d.camera == "" {
		return errors.New("this machine has no v4l2loopback device: load that module, or name one with --camera")
	}
	return nil
}

func (d devices) StartMicrophone(payloadType uint8) (streamer.Player, error) {
	m, err := media.StartMicrophone(media.MicrophoneConfig{Server: d.sound, Device: d.microphone, PayloadType: payloadType, Log: d.log})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (d devices) StartCamera(codec frame.Codec, payloadType uint8, c control.Camera) (streamer.Player, error) {
	m, err := media.StartCamera(media.CameraConfig{Device: d.camera, Codec: codec, PayloadType: payloadType, Width: c.Width, Height: c.Height, Log: d.log})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// camera is the device that was named, or else the machine's first one.
func camera(named string) string {
	if found := media.LoopbackCameras(); named == "" && len(found) > 0 {
		return found[0]
	}
	return named
}

// probe takes what an earlier streamer on this machine has found, where there is a place to keep it.
func probe(ctx context.Context, log *slog.Logger) []media.Encoder {
	folder, err := os.UserCacheDir()
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err != nil {
		return media.Probe(ctx, log)
	}
	return media.ProbeCached(ctx, log, folder)
}

// encoders are those that work here, best first.
func encoders(ctx context.Context, log *slog.Logger) (out []streamer.Encoder) {
	for _, e := range probe(ctx, log) {
		if e.OK {
			out = append(out, streamer.Encoder{Codec: e.Codec, Element: e.Name, Hardware: e.Hardware})
		}
	}
	return out
}
