package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/agent/driver/process"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/gateway/turn"
	"streamstack/streamer/frame"
	"streamstack/streamer/media/encoder"
)

var someWork = []encoder.Found{
	{Name: "nvh264enc", Codec: frame.H264, Vendor: encoder.NVIDIA, Hardware: true, Reason: "no device"},
	{Name: "x264enc", Codec: frame.H264, Vendor: encoder.CPU, OK: true},
	{Name: "vaav1enc", Codec: frame.AV1, Vendor: encoder.VA, Hardware: true, OK: true},
}

// examine runs the command as main does.
func examine(t *testing.T, missing error, encoders []encoder.Found, args ...string) (out string, err error) {
	t.Helper()
	var b bytes.Buffer
	command := Command(func(context.Context) error { return missing }, func(context.Context, *slog.Logger) []encoder.Found { return slices.Clone(encoders) })
	root := &cli.Command{Name: "streamstack", Commands: []*cli.Command{command}, Writer: &b, ErrWriter: io.Discard,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}}
	err = root.Run(t.Context(), append([]string{"streamstack", "doctor", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--turn-listen", "127.0.0.1:0"}, args...))
	return b.String(), err
}

// find reads --json and returns the finding of a name.
func find(t *testing.T, out, area, name string) Finding {
	t.Helper()
	for line := range strings.Lines(out) {
		var f Finding
		require.NoError(t, json.Unmarshal([]byte(line), &f), line)
		require.NotEqual(t, f.OK, f.Reason != "", "a reason for each no: %s", line)
		if f.Area == area && f.Name == name {
			return f
		}
	}
	require.Fail(t, "no such line", "%s %s in %s", area, name, out)
	return Finding{}
}

func TestDoctorWithoutAStack(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	out, err := examine(t, nil, someWork, "--data", data)
	require.NoError(t, err, out)
	require.Regexp(t, `encoder +H264 nvh264enc +no +no device\n`, out)
	require.Regexp(t, `encoder +H264 x264enc +yes +in software\n`, out)
	require.Regexp(t, `encoder +AV1 vaav1enc +yes +in hardware \(va\)\n`, out)
	require.Less(t, strings.Index(out, "vaav1enc"), strings.Index(out, "nvh264enc"), "codec by codec")
	require.Regexp(t, `nats +server +no +not looked at: no stack runs`, out)

	out, err = examine(t, nil, someWork, "--data", data, "--json")
	require.NoError(t, err)
	require.Equal(t, Finding{Area: "encoder", Name: "nvh264enc", Codec: "H264", Vendor: "nvidia", Hardware: true, Reason: "no device"}, find(t, out, "encoder", "nvh264enc"))
	require.True(t, find(t, out, "port", "--listen 127.0.0.1:0").OK)
}

// What sessions cannot be without makes the exit status 1; wrong usage is 2.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	out, err := examine(t, errors.New("ximagesrc is missing: run apt-get install x"), []encoder.Found{{Name: "x264enc", Codec: frame.H264, Reason: "no"}}, "--data", data)
	require.ErrorContains(t, err, "2 things")
	require.Equal(t, connect.ExitFailed, connect.ExitStatus(err))
	require.Regexp(t, `gstreamer +elements +NO +ximagesrc is missing: run apt-get install x\n`, out)
	require.Regexp(t, `encoder +of any codec +NO +no encoder works`, out)
	_, err = examine(t, nil, someWork, "--data", data, "nonsense")
	require.Equal(t, connect.ExitUsage, connect.ExitStatus(err))
}

func TestBusyPorts(t *testing.T) {
	t.Parallel()
	busy, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, busy.Close()) })
	addr := busy.LocalAddr().String()
	all := []port{{"listen", "127.0.0.1:0", false}, {"turn-listen", addr, true}}
	found := ports(t.Context(), all, false)
	require.True(t, found[0].OK)
	require.False(t, found[1].OK)
	require.ErrorContains(t, verdict(found), "one thing")
	require.Regexp(t, `address already in use: give .up. another address with --turn-listen`, found[1].Reason)
	require.NoError(t, verdict(ports(t.Context(), all, true)), "the running stack has them")
}

func TestRunningStack(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	nats := eventstest.Start(t)
	server, err := turn.Listen(t.Context(), turn.Config{Addr: "127.0.0.1:0", Secrets: []turn.Secret{turn.Secret("0123456789abcdef0123456789abcdef")}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	endpoints := connect.Endpoints{NATS: nats.URL(), TURN: "turn:" + server.Addr().String()}
	require.NoError(t, endpoints.Write(data))
	out, err := examine(t, nil, someWork, "--data", data, "--json")
	require.NoError(t, err, out)
	require.Regexp(t, `^answers in .*s$`, find(t, out, "nats", nats.URL()).Detail)
	require.Regexp(t, `^answers in .*s, sees 127.0.0.1:[0-9]+$`, find(t, out, "turn", endpoints.TURN).Detail)

	nats.Stop()
	require.NoError(t, server.Close())
	out, err = examine(t, nil, someWork, "--data", data, "--json")
	require.ErrorContains(t, err, "2 things")
	require.False(t, find(t, out, "nats", nats.URL()).OK)
	require.Contains(t, find(t, out, "turn", endpoints.TURN).Reason, "does not answer")
	_, err = bind(t.Context(), "nonsense")
	require.Error(t, err)
}

// What the machine has is read from a folder that looks like its root.
func TestGPUs(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for path, text := range map[string]string{
		"dev/dri/renderD128": "", "sys/class/drm/renderD128/device/vendor": "0x1002\n",
		"dev/dri/renderD129": "", "sys/class/drm/renderD129/device/vendor": "0x1234\n", "dev/dri/renderD130": "",
		"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05\nGCC\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o600))
	}
	found := gpus(root)
	require.Len(t, found, 4)
	require.Equal(t, Finding{Area: "gpu", Name: "/dev/dri/renderD128", OK: true, Detail: "AMD"}, found[0])
	require.Equal(t, "of the maker with PCI number 0x1234", found[1].Detail)
	require.Equal(t, "of an unknown maker", found[2].Detail)
	require.Contains(t, found[3].Reason, "it cannot be opened", "the driver is there and its device is not")
	require.NoError(t, os.WriteFile(filepath.Join(root, "dev/nvidiactl"), nil, 0o600))
	require.Equal(t, "NVRM version: NVIDIA UNIX x86_64 Kernel Module 580.95.05", gpus(root)[3].Detail)
	for _, f := range gpus(t.TempDir()) {
		require.False(t, f.OK)
		require.NoError(t, verdict([]Finding{f}), "software encodes too")
	}
}

func TestInstances(t *testing.T) {
	t.Parallel()
	found := instances([]process.Need{{What: "the sound server", Debian: "pulseaudio", There: true}, {What: "Xorg", Debian: "xserver-xorg-core"}})
	require.Equal(t, []Finding{
		{Area: "sound", Name: "the sound server", OK: true, Required: true},
		{Area: "display", Name: "Xorg", Required: true, Reason: "run `apt-get install xserver-xorg-core`"},
	}, found)
	require.NotEmpty(t, process.Needs())
}
