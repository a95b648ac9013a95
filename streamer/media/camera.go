package media

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"streamstack/streamer/frame"
)

// cameraJitter is how long a packet of the client's camera waits for one before it, in milliseconds.
const cameraJitter = 60

// videoClock is the RTP clock of every video codec.
const videoClock = 90000

// cameraDecoders unpack and decode what browsers send.
var cameraDecoders = map[frame.Codec]string{
	frame.VP8: "rtpvp8depay ! vp8dec",
	frame.VP9: "rtpvp9depay ! vp9dec",
	// The parameter sets come with the format then, without which openh264dec refuses it.
	frame.H264: "rtph264depay ! video/x-h264,stream-format=avc,alignment=au ! h264parse ! openh264dec",
}

// cameraSink makes a picture of one size, whatever the camera gives, and shows it to applications: a reader of a V4L2 device keeps the
// size that it began with. YUY2 is what about every application takes.
const cameraSink = " ! videoconvert ! videoscale add-borders=true ! " +
	"video/x-raw,format=YUY2,width=%d,height=%d,pixel-aspect-ratio=1/1 ! %s"

// CameraConfig says where a client's camera is shown.
type CameraConfig struct {
	// Device is a v4l2loopback device, such as /dev/video0 (see LoopbackCameras).
	Device string
	// Codec and PayloadType are those of the client's packets; VP8, VP9 or H264.
	Codec       frame.Codec
	PayloadType uint8
	// Width and Height are in pixels.
	Width, Height int
	// Log receives what GStreamer warns of; nil means nobody.
	Log *slog.Logger

	// sink stands in for the device in tests.
	sink string
}

// Camera shows a client's camera to applications. Its methods are safe for concurrent use.
type Camera struct{ *player }

// StartCamera opens the device.
func StartCamera(cfg CameraConfig) (*Camera, error) {
	decoder, ok := cameraDecoders[cfg.Codec]
	if !ok {
		return nil, fmt.Errorf("media: a camera in %s cannot be decoded: VP8, VP9 and H264 can", cfg.Codec)
	}
	if cfg.Width < minSide || cfg.Height < minSide || cfg.Width > maxSide || cfg.Height > maxSide {
		return nil, fmt.Errorf("media: a camera of %dx%d: take %d to %d pixels", cfg.Width, cfg.Height, minSide, maxSide)
	}
	sink, set := "v4l2sink name=sink sync=false qos=false", map[string]map[string]string{"sink": {"device": cfg.Device}}
	if cfg.sink != "" {
		sink, set = cfg.sink, nil
	}
	f, err := startPlay(cfg.Log, "camera at "+cfg.Device,
		fmt.Sprintf(playSource, "video", string(cfg.Codec), videoClock, cfg.PayloadType, cameraJitter)+decoder+fmt.Sprintf(cameraSink, cfg.Width, cfg.Height, sink), set)
	if err != nil {
		return nil, err
	}
	return &Camera{f}, nil
}

// LoopbackCameras are the devices of v4l2loopback on this machine, in order: video devices that no hardware is behind.
func LoopbackCameras() []string {
	found, err := filepath.Glob("/sys/devices/virtual/video4linux/video*")
	if err != nil {
		return nil // of a pattern that cannot be read, which this is not
	}
	devices := make([]string, 0, len(found))
	for _, f := range found {
		devices = append(devices, filepath.Join("/dev", filepath.Base(f)))
	}
	slices.Sort(devices)
	return devices
}
