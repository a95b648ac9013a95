package media

import (
	"fmt"
	"runtime"

	"streamstack/streamer/frame"
	"streamstack/streamer/media/encoder"
)

// rows are the known encoders, best first.
var rows = encoder.Table()

// describe writes a row as a part of a gst-launch line for this machine and what is installed on it.
func describe(r encoder.Row, fps, kbps int) string {
	return r.Describe(fps, kbps, runtime.GOMAXPROCS(0), hasProperty)
}

// Encoder tells of one video encoder, as [Probe] found it.
type Encoder = encoder.Found

func found(r encoder.Row) Encoder {
	return Encoder{Name: r.Element, Codec: r.Codec, Vendor: r.Vendor, Hardware: r.Hardware()}
}

// chooseRow returns the named encoder of a codec, or with an empty name the best one that is installed.
func chooseRow(codec frame.Codec, name string) (encoder.Row, error) {
	var advice error
	for _, r := range rows {
		if r.Codec != codec || name != "" && r.Element != name {
			continue
		}
		missing := missingOf(r)
		if missing == nil || name != "" {
			return r, nil
		}
		if advice == nil && !r.Hardware() {
			advice = missing // what can be installed on any machine, the best of it
		}
	}
	switch {
	case name != "":
		return encoder.Row{}, fmt.Errorf("media: no encoder %s for %s is known: take one that Probe lists", name, codec)
	case advice != nil:
		return encoder.Row{}, fmt.Errorf("media: no encoder for %s: %w", codec, advice)
	}
	return encoder.Row{}, fmt.Errorf("media: no encoder for %s is known: take a codec that Probe lists", codec)
}

// plugins name what registers the elements of hardware, and only where it finds some.
var plugins = map[encoder.Vendor]string{encoder.NVIDIA: "nvcodec", encoder.VA: "va", encoder.QSV: "qsv", encoder.V4L2: "video4linux2"}

// devices are the files through which hardware is reached.
var devices = map[encoder.Vendor]string{encoder.NVIDIA: "/dev/nvidia*", encoder.VA: "/dev/dri/renderD*", encoder.QSV: "/dev/dri/renderD*", encoder.V4L2: "/dev/video*"}

// missingOf says which of a row's elements are missing, nil if none is.
func missingOf(r encoder.Row) error {
	var missing []string
	for _, element := range r.Elements() {
		if !installed(element) {
			missing = append(missing, element)
		}
	}
	switch plugin := plugins[r.Vendor]; {
	case len(missing) == 0:
		return nil
	case plugin != "" && pluginInstalled(plugin):
		return fmt.Errorf("%w: %s: the plugin %s found no device that has it (is there a GPU, its driver, the right to use %s?), or this GStreamer is too old",
			ErrMissing, missing[len(missing)-1], plugin, devices[r.Vendor])
	}
	return missingError(missing)
}
