package command

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/streamer/peer"
)

var screenPattern = regexp.MustCompile(`^([0-9]{1,5})x([0-9]{1,5})@([0-9]{1,3})$`)

// parseScreen reads WxH@FPS.
func parseScreen(text string) (events.Screen, error) {
	m := screenPattern.FindStringSubmatch(text)
	if m == nil {
		return events.Screen{}, connect.Usagef("streamer: --screen takes WIDTHxHEIGHT@FPS, such as 1280x720@60, not %q", text)
	}
	var n [3]int
	for i, digits := range m[1:] {
		n[i], _ = strconv.Atoi(digits) // at most five digits
	}
	s := events.Screen{Width: n[0], Height: n[1], FPS: n[2]}
	if s.Width < 2 || s.Height < 2 || s.FPS < 1 {
		return events.Screen{}, connect.Usagef("streamer: --screen takes at least 2x2@1, not %q", text)
	}
	return s, nil
}

// parsePort reads the port that shares lead to; 0 for none.
func parsePort(cmd *cli.Command) (int, error) {
	n := cmd.Int("adb-port")
	if n < 0 || n > 65535 {
		return 0, connect.Usagef("streamer: --adb-port takes 1 to 65535, or 0 for none, not %d", n)
	}
	return n, nil
}

// parseNetwork reads [NetworkFlags].
func parseNetwork(cmd *cli.Command, log *slog.Logger) (peer.NetworkConfig, error) {
	c := peer.NetworkConfig{Log: log, UDPPort: cmd.Int("ice-udp-port"), TCP: cmd.Bool("ice-tcp")}
	if text := cmd.String("ice-ports"); text != "" {
		var lo, hi int
		if n, _ := fmt.Sscanf(text, "%d-%d", &lo, &hi); n != 2 || lo < 1 || hi > 65535 || lo > hi || fmt.Sprintf("%d-%d", lo, hi) != text {
			return c, connect.Usagef("streamer: --ice-ports takes MIN-MAX, such as 50000-50999, not %q", text)
		}
		c.PortMin, c.PortMax = uint16(lo), uint16(hi)
	}
	if c.UDPPort < 0 || c.UDPPort > 65535 {
		return c, connect.Usagef("streamer: --ice-udp-port takes 1 to 65535, not %d", c.UDPPort)
	}
	if ip := cmd.String("nat-1to1"); ip != "" {
		if net.ParseIP(ip) == nil {
			return c, connect.Usagef("streamer: --nat-1to1 takes an IP address, not %q", ip)
		}
		c.NAT1To1 = []string{ip}
	}
	return c, nil
}

const maxPort = 65535

// openNetwork opens the ports of a streamer: with --ice-udp-port the first free one of as many as there are slots, each of which has a
// streamer of its own.
func openNetwork(c peer.NetworkConfig, ports int) (n *peer.Network, err error) {
	for range max(1, ports) {
		if n, err = peer.NewNetwork(c); c.UDPPort == 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return n, err //nolint:wrapcheck // it says what and what to do
		}
		c.UDPPort++
	}
	return nil, err //nolint:wrapcheck // likewise
}

// CheckNetworkFlags tells what is wrong with [NetworkFlags], for an agent of so many slots that passes them on (0: as many
// as the machine takes). Each session has a streamer process of its own, and one port has one owner.
func CheckNetworkFlags(cmd *cli.Command, slots int) error {
	if _, _, err := parseClipboard(cmd); err != nil {
		return err
	}
	if _, err := parseFeatures(cmd, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	c, err := parseNetwork(cmd, slog.New(slog.DiscardHandler))
	switch {
	case err != nil || c.UDPPort == 0:
		return err
	case slots < 1:
		return connect.Usagef("--ice-udp-port is one session's at a time, and a session's streamer takes the first free one from there: say with --slots N how many ports there are, or give a range with --ice-ports")
	case c.UDPPort+slots-1 > maxPort:
		return connect.Usagef("--ice-udp-port %d leaves no port for each of %d slots: give a lower one", c.UDPPort, slots)
	}
	return nil
}

// dataSockets is where programs of an instance look for the page's data channels (control-channel.md, section 13); runtime is the
// user's XDG_RUNTIME_DIR, if there is one.
func dataSockets(runtime string) string {
	if runtime == "" {
		runtime = "/run/user/1000"
	}
	return filepath.Join(runtime, "anbox", "sockets")
}
