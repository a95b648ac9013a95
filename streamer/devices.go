package streamer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pion/webrtc/v3"

	"streamstack/events"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

// The client's microphone and camera. They come as media only when the client's settings ask for them, so that the offer has a line,
// and the streamer has asked on the control channel; until then the SDK sends a placeholder (control-channel.md, section 10).
//
// The streamer asks as soon as the control channel is open, where the instance has a device to show applications: whether an application
// records at the moment is not known here.

const (
	// askPictureEvery is how often the camera is asked for a whole picture: one that was lost is not missed for longer.
	askPictureEvery = 3 * time.Second
	// maxPacket is the size of the longest RTP packet, in bytes.
	maxPacket = 1500
)

// What is asked of the client's devices; all are wishes.
var (
	wantedMicrophone = control.Microphone{Freq: 48000, Channels: 2, Samples: 480}
	wantedCamera     = control.Camera{Width: 1280, Height: 720, Front: true, FrameRate: 30}
)

// Player plays RTP packets of the client. Write does not wait.
type Player interface {
	Write(packet []byte) error
	Done() <-chan struct{}
	Err() error
	Close() error
}

// Devices are what applications take for a microphone and a camera.
type Devices interface {
	// Microphone and Camera say why there is no such device; nil where there is one.
	Microphone() error
	Camera() error
	StartMicrophone(payloadType uint8) (Player, error)
	StartCamera(codec frame.Codec, payloadType uint8, c control.Camera) (Player, error)
}

// errNoDevices is of a streamer without devices.
var errNoDevices = errors.New("this instance has none")

// available says why a device cannot be served; nil where it can.
func (s *Streamer) available(device string) error {
	switch {
	case s.cfg.Devices == nil:
		return errNoDevices
	case device == events.DeviceCamera:
		return s.cfg.Devices.Camera()
	default:
		return s.cfg.Devices.Microphone()
	}
}

// askDevices asks the client for the devices that its settings offer, once its control channel is open.
func (c *client) askDevices(post func(func(context.Context) error)) {
	for _, d := range []struct {
		name   string
		wanted bool
		ask    func() ([]byte, error)
	}{
		{events.DeviceMicrophone, c.settings.EnableMicrophone, func() ([]byte, error) { return control.EnableMicrophone(wantedMicrophone) }},
		{events.DeviceCamera, c.settings.EnableCamera, func() ([]byte, error) { return control.OpenCamera(wantedCamera) }},
	} {
		if !d.wanted {
			continue
		}
		if err := c.s.available(d.name); err != nil {
			post(func(ctx context.Context) error { return c.sayDevice(ctx, d.name, events.DeviceUnavailable, err) })
			continue
		}
		text, err := d.ask()
		if err == nil {
			err = c.peer.Send(peer.ControlChannel, text)
		}
		if err != nil {
			c.s.log.Warn("the client is not asked for its "+d.name, "peer", c.id, "err", err)
		}
	}
}

func (c *client) sayDevice(ctx context.Context, device, state string, why error) error {
	d := events.DeviceChangedData{Peer: c.id, Device: device, State: state}
	if why != nil {
		d.Reason = why.Error()
	}
	return c.s.say(ctx, events.DeviceChanged, d)
}

// track plays a microphone or camera of the client until its end, which the client's close waits for.
func (c *client) track(ctx context.Context, remote *webrtc.TrackRemote, post func(func(context.Context) error)) {
	device, wanted := events.DeviceMicrophone, c.settings.EnableMicrophone
	if remote.Kind() == webrtc.RTPCodecTypeVideo {
		device, wanted = events.DeviceCamera, c.settings.EnableCamera
	}
	if !wanted || c.s.available(device) != nil {
		return // pion drops what nobody reads
	}
	c.channels.Go(func() {
		player, err := c.startPlayer(device, remote)
		if err != nil {
			post(func(ctx context.Context) error { return c.sayDevice(ctx, device, events.DeviceUnavailable, err) })
			return
		}
		post(func(ctx context.Context) error { return c.sayDevice(ctx, device, events.DeviceStarted, nil) })
		err = c.play(ctx, device, remote, player)
		if closing := player.Close(); closing != nil {
			c.s.log.Warn("a client's device does not close", "device", device, "err", closing)
		}
		post(func(ctx context.Context) error { return c.sayDevice(ctx, device, events.DeviceEnded, err) })
	})
}

func (c *client) startPlayer(device string, remote *webrtc.TrackRemote) (Player, error) {
	payloadType := uint8(remote.PayloadType())
	if device == events.DeviceMicrophone {
		return c.s.cfg.Devices.StartMicrophone(payloadType)
	}
	_, name, _ := strings.Cut(remote.Codec().MimeType, "/")
	return c.s.cfg.Devices.StartCamera(frame.Codec(name), payloadType, wantedCamera)
}

// play hands packets on until the client stops sending for good, or the device fails, which it tells.
func (c *client) play(ctx context.Context, device string, remote *webrtc.TrackRemote, player Player) error {
	buffer := make([]byte, maxPacket)
	var asked time.Time
	for {
		n, _, err := remote.Read(buffer)
		if err != nil {
			return nil //nolint:nilerr // the end of the track, as all have one
		}
		if device == events.DeviceCamera && time.Since(asked) > askPictureEvery {
			asked = time.Now()
			if err := c.peer.AskPicture(remote); err != nil {
				c.s.log.Debug("camera not asked for a picture", "peer", c.id, "err", err)
			}
		}
		if err := player.Write(buffer[:n]); err == nil {
			continue
		}
		select {
		case <-player.Done():
			return fmt.Errorf("%s: %w", device, orElse(player.Err(), "it ended"))
		case <-ctx.Done():
			return nil
		default: // one packet
		}
	}
}
