package command

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/streamer/peer"
)

func TestParseScreen(t *testing.T) {
	s, err := parseScreen("1280x720@60")
	require.NoError(t, err)
	require.Equal(t, events.Screen{Width: 1280, Height: 720, FPS: 60}, s)
	for _, text := range []string{
		"", "x", "1280x720", "1280x720@", "@60", "1280x720@60x", "1280x720@60 ", " 1280x720@60", "1280 x720@60", "1280x 720@60",
		"+1280x720@60", "-1280x720@60", "1280x-720@60", "1280x720@-60", "1x720@60", "1280x0@60", "1280x720@0", "1280X720@60",
		"1280,720@60", "1e3x720@60", "99999999999x720@60", "1280x720@6000", "1280x720@60\n", "1280x720@60\x00", "１280x720@60",
	} {
		_, err := parseScreen(text)
		require.Equal(t, connect.ExitUsage, connect.ExitStatus(err), "%q: %v", text, err)
		require.ErrorContains(t, err, "--screen takes")
	}
}

func FuzzParseScreen(f *testing.F) {
	for _, seed := range []string{"1280x720@60", "2x2@1", "x@", "99999x99999@999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseScreen(text)
		if err == nil && (s.Width < 2 || s.Height < 2 || s.FPS < 1 || strings.Trim(text, "0123456789x@") != "") {
			t.Fatalf("%q became %+v", text, s)
		}
	})
}

// network runs a command that has the streamers' network flags.
func network(t *testing.T, args ...string) (env []string, err error) {
	t.Helper()
	cmd := &cli.Command{Name: "agent", Writer: io.Discard, ErrWriter: io.Discard, OnUsageError: connect.OnUsageError, Flags: NetworkFlags(),
		Action: func(_ context.Context, cmd *cli.Command) error {
			env = NetworkEnv(cmd)
			return CheckNetworkFlags(cmd, 1)
		}}
	return env, cmd.Run(t.Context(), append([]string{"agent"}, args...))
}

// What an agent takes in these flags, a streamer understands in its environment.
func TestNetworkFlags(t *testing.T) {
	env, err := network(t)
	require.NoError(t, err)
	require.Empty(t, env)
	env, err = network(t, "--ice-ports", "50000-50999", "--ice-udp-port", "3478", "--nat-1to1", "192.0.2.7", "--streamer-config", "/etc/streamer.json", "--clipboard", "out")
	require.NoError(t, err)
	require.Equal(t, []string{"STREAMSTACK_ICE_PORTS=50000-50999", "STREAMSTACK_NAT_1TO1=192.0.2.7", "STREAMSTACK_STREAMER_CONFIG=/etc/streamer.json", "STREAMSTACK_CLIPBOARD=out", "STREAMSTACK_ICE_UDP_PORT=3478"}, env)
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	again, err := network(t)
	require.NoError(t, err)
	require.Equal(t, env, again)
}

func TestBadPorts(t *testing.T) {
	for _, text := range []string{"50000", "50000-", "-50000", "0-10", "1-65536", "20-10", "10-20x", " 10-20", "10 - 20", "+10-20", "010-20", "a-b"} {
		_, err := network(t, "--ice-ports="+text)
		require.Equal(t, connect.ExitUsage, connect.ExitStatus(err), "%q: %v", text, err)
		require.ErrorContains(t, err, "--ice-ports takes MIN-MAX")
	}
	_, err := network(t, "--ice-udp-port=many")
	require.Equal(t, connect.ExitUsage, connect.ExitStatus(err))
}

// Wrong usage is told by its exit status and one line, before anything is touched.
func TestUsage(t *testing.T) {
	good := []string{"--session", "s1", "--region", "local", "--screen", "640x480@30"}
	for name, args := range map[string][]string{
		"nothing":         {},
		"no screen":       good[:4],
		"no session":      good[2:],
		"unknown flag":    append([]string{"--telepathy"}, good...),
		"bad screen":      append(append([]string{}, good[:4]...), "--screen", "big"),
		"bad session":     append(append([]string{}, good[2:]...), "--session", "no.token"),
		"bad region":      append(append([]string{}, good...), "--region", "Local"),
		"bad ports":       append(append([]string{}, good...), "--ice-ports", "9-1"),
		"bad port":        append(append([]string{}, good...), "--ice-udp-port", "70000"),
		"bad adb port":    append(append([]string{}, good...), "--adb-port", "65536"),
		"bad address":     append(append([]string{}, good...), "--nat-1to1", "example"),
		"bad clipboard":   append(append([]string{}, good...), "--clipboard", "sideways"),
		"bad switch":      append(append([]string{}, good...), "--audio=perhaps"),
		"not an argument": append(append([]string{}, good...), "run"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DISPLAY", "") // whatever gets past the flags must not touch a display
			cmd := Command()
			cmd.Writer, cmd.ErrWriter = io.Discard, io.Discard
			err := cmd.Run(t.Context(), append([]string{"streamer"}, args...))
			require.Equal(t, connect.ExitUsage, connect.ExitStatus(err), "%v", err)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// Streamers of one machine that share the first of their ports get one each, and the last no other than it may have.
func TestOnePortEach(t *testing.T) {
	probe, err := net.ListenPacket("udp", ":0")
	require.NoError(t, err)
	address, ok := probe.LocalAddr().(*net.UDPAddr)
	require.True(t, ok)
	first := address.Port
	require.NoError(t, probe.Close())
	c := peer.NetworkConfig{UDPPort: min(first, maxPort-2), Log: slog.New(slog.DiscardHandler)}
	for range 2 {
		n, err := openNetwork(c, 8)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, n.Close()) })
	}
	_, err = openNetwork(c, 1)
	require.ErrorIs(t, err, syscall.EADDRINUSE)

	for args, want := range map[string]string{"": "say with --slots N", "65534": "leaves no port for each of 4 slots", "50000": ""} {
		slots, port := 4, args
		if port == "" {
			slots, port = 0, "50000"
		}
		cmd := &cli.Command{Flags: NetworkFlags(), Action: func(_ context.Context, cmd *cli.Command) error { return CheckNetworkFlags(cmd, slots) }}
		err := cmd.Run(t.Context(), []string{"agent", "--ice-udp-port", port})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
		require.Equal(t, connect.ExitUsage, connect.ExitStatus(err))
	}
}

// Features that are Android's or not known are let pass, what cannot be the name of one is not.
func TestParseFeatures(t *testing.T) {
	parse := func(text string) (ice bool, err error) {
		cmd := &cli.Command{Name: "x", Flags: NetworkFlags(), Action: func(_ context.Context, cmd *cli.Command) error {
			ice, err = parseFeatures(cmd, slog.New(slog.DiscardHandler))
			return nil
		}}
		require.NoError(t, cmd.Run(t.Context(), []string{"x", "--features", text}))
		return ice, err
	}
	for text, want := range map[string]bool{
		"": false, " , ": false, "enable_anbox_ime,allow_android_reboot": false, "webrtc.other": false, "some_flag," + iceLogging: true, iceLogging: true, "enable_system_ui, " + iceLogging: true,
	} {
		ice, err := parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, ice, text)
	}
	for _, text := range []string{"two words", "WEBRTC.ENABLE_ICE_LOGGING", iceLogging + ";x"} {
		_, err := parse(text)
		require.Equal(t, connect.ExitUsage, connect.ExitStatus(err), "%q: %v", text, err)
		require.ErrorContains(t, err, "--features takes")
	}
}
