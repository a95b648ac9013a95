package media_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/media"
)

func TestProbeFindsTheSoftwareEncoders(t *testing.T) {
	var log bytes.Buffer
	require.NoError(t, media.Require(t.Context())) // the first use of GStreamer may read its registry anew
	eventually(t, 20*time.Second, func() error {   // on a machine that is busy with something else it takes longer
		started := time.Now()
		found := media.Probe(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
		took := time.Since(started)
		var working []string
		for _, e := range found {
			require.NotEqual(t, e.OK, e.Reason != "", "%s: a reason for each no", e.Name)
			if e.Hardware {
				require.False(t, e.OK, "no GPU is here: where there is one, take the hardware rows out of this line")
				require.Contains(t, e.Reason, "element missing")
				continue
			}
			if e.OK {
				working = append(working, e.Name)
			}
		}
		require.Equal(t, []string{"x264enc", "openh264enc", "vp8enc", "vp9enc", "libaomenc"}, working, "best first; av1enc of GStreamer 1.22 gives no keyframes on request")
		if took > time.Second {
			return fmt.Errorf("the probe took %v", took)
		}
		return nil
	})
	require.Contains(t, log.String(), "encoder=vp8enc")
}

func TestProbeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, encoder := range media.Probe(ctx, slog.New(slog.DiscardHandler)) {
		require.False(t, encoder.OK && encoder.Reason != "")
	}
	require.ErrorIs(t, media.Require(ctx), context.Canceled)
}

// childVariable makes TestMain run as the child of the test below.
const childVariable = "MEDIA_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// child prints what Require and Probe say with the plugins that the environment shows, and whether the command line is intact.
func child() {
	ctx := context.Background() // the root of this process
	fmt.Println("require:", media.Require(ctx))
	for _, encoder := range media.Probe(ctx, slog.New(slog.DiscardHandler)) {
		fmt.Printf("%s %v %s\n", encoder.Name, encoder.OK, encoder.Reason)
	}
	_, err := media.StartVideo(ctx, media.VideoConfig{Display: ":0", Width: 320, Height: 240, FPS: 30, Codec: frame.H264, BitrateKbps: 500},
		func(frame.Video) {})
	fmt.Println("start:", err)
	fmt.Println("arguments:", os.Args[1:])
}

func TestMissingElementIsSaidInOneLine(t *testing.T) {
	const advice = "GStreamer element missing: x264enc: run `apt-get install gstreamer1.0-plugins-ugly`"
	said := runWithout(t, "libgstx264.so")
	require.Equal(t, "require: media: "+advice, said[0])
	require.Contains(t, said, "x264enc false "+advice)
	require.Contains(t, said, "vp8enc true ")
	require.Contains(t, said, "nvh264enc false GStreamer element missing: cudaupload, cudaconvert, nvh264enc: run `apt-get install gstreamer1.0-plugins-bad`")
	require.Equal(t, "start: media: no encoder for H264: "+advice, said[len(said)-2])
	require.Equal(t, "arguments: [--gst-version]", said[len(said)-1], "GStreamer must not read the command line")

	said = runWithout(t, "libgstvpx.so", "libgstopus.so", "libgstpulseaudio.so")
	require.Equal(t, "require: media: GStreamer element missing: pulsesrc, opusenc, vp8enc: "+
		"run `apt-get install gstreamer1.0-plugins-good gstreamer1.0-plugins-base`", said[0])
}

// runWithout runs this test binary as a child that sees all of GStreamer's plugins but some, and returns the lines it printed.
func runWithout(t *testing.T, plugins ...string) []string {
	t.Helper()
	installed, err := filepath.Glob("/usr/lib/*/gstreamer-1.0/*.so")
	require.NoError(t, err)
	require.NotEmpty(t, installed)
	folder := t.TempDir()
	for _, plugin := range installed {
		// Few are needed, and each is loaded to see what it has.
		for _, needed := range []string{"x264", "vpx", "pulseaudio", "opus", "coreelements", "app", "video", "audio"} {
			if strings.HasPrefix(filepath.Base(plugin), "libgst"+needed) {
				_ = os.Symlink(plugin, filepath.Join(folder, filepath.Base(plugin))) // two prefixes may match
			}
		}
	}
	for _, plugin := range plugins {
		require.NoError(t, os.Remove(filepath.Join(folder, plugin)))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), self, "--gst-version")
	command.Env = append(os.Environ(), childVariable+"=1", "GST_PLUGIN_SYSTEM_PATH_1_0="+folder, "GST_PLUGIN_PATH_1_0=",
		"GST_REGISTRY_1_0="+filepath.Join(folder, "registry"))
	output, err := command.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimRight(string(output), "\n"), "\n")
}
