package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"streamstack/streamer/media/encoder"
)

// ErrMissing is wrapped when an element of GStreamer is not installed.
var ErrMissing = errors.New("GStreamer element missing")

// packages names the Debian 12 package of every element that is used; those of encoders are in their rows.
var packages = map[string]string{
	"queue":         "libgstreamer1.0-0",
	"capsfilter":    "libgstreamer1.0-0",
	"appsink":       "gstreamer1.0-plugins-base",
	"appsrc":        "gstreamer1.0-plugins-base",
	"videoconvert":  "gstreamer1.0-plugins-base",
	"videotestsrc":  "gstreamer1.0-plugins-base",
	"audioconvert":  "gstreamer1.0-plugins-base",
	"audioresample": "gstreamer1.0-plugins-base",
	"opusenc":       "gstreamer1.0-plugins-base",
	"pulsesrc":      "gstreamer1.0-plugins-good",
	"h264parse":     "gstreamer1.0-plugins-bad",
	"av1parse":      "gstreamer1.0-plugins-bad",
	"cudaupload":    "gstreamer1.0-plugins-bad",
	"cudaconvert":   "gstreamer1.0-plugins-bad",
	"vapostproc":    "gstreamer1.0-plugins-bad",

	encoder.Converter: "libyuv0", // the library of it; the element itself is ours
}

// required lists the elements without which a stream cannot be promised: an encoder without hardware for each of the two codecs that
// every browser decodes (RFC 7742, section 5), and what leads to it.
func required() []string {
	return []string{
		"queue", "capsfilter", "appsink", "appsrc", "videoconvert", "videotestsrc", "h264parse",
		"pulsesrc", "audioconvert", "audioresample", "opusenc", "x264enc", "vp8enc",
	}
}

// packageOf names the Debian 12 package of an element, "" if it is not known.
func packageOf(element string) string {
	for _, r := range rows {
		if r.Element == element {
			return r.Package
		}
	}
	return packages[element]
}

// Require checks that every element of GStreamer which the streamer needs is installed. The error is one line that names what is
// missing and the Debian packages to install, and wraps [ErrMissing]. The first call in a process reads GStreamer's registry,
// which takes seconds when plugins changed since the last time.
func Require(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("media: %w", err)
	}
	if err := initialise(); err != nil {
		return err
	}
	var missing []string
	for _, element := range required() {
		if !installed(element) {
			missing = append(missing, element)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("media: %w", missingError(missing))
	}
	return nil
}

// missingError says in one line what is missing and what to do.
func missingError(elements []string) error {
	var install []string
	for _, element := range elements {
		if p := packageOf(element); p != "" && !slices.Contains(install, p) {
			install = append(install, p)
		}
	}
	advice := "install the plugin that has it"
	if len(install) > 0 {
		advice = "run `apt-get install " + strings.Join(install, " ") + "`"
	}
	return fmt.Errorf("%w: %s: %s", ErrMissing, strings.Join(elements, ", "), advice)
}
