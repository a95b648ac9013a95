package command

import (
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/streamer/peer"
)

// parseScreen reads WxH@FPS.
func parseScreen(text string) (s events.Screen, err error) {
	var rest string
	n, _ := fmt.Sscanf(text+"\x00", "%dx%d@%d%s", &s.Width, &s.Height, &s.FPS, &rest)
	if n != 4 || rest != "\x00" || s.Width < 2 || s.Height < 2 || s.FPS < 1 {
		return events.Screen{}, connect.Usagef("streamer: --screen takes WIDTHxHEIGHT@FPS, such as 1280x720@60, not %q", text)
	}
	return s, nil
}

// parseNetwork reads [NetworkFlags].
func parseNetwork(cmd *cli.Command, log *slog.Logger) (peer.NetworkConfig, error) {
	c := peer.NetworkConfig{Log: log, UDPPort: cmd.Int("ice-udp-port")}
	if text := cmd.String("ice-ports"); text != "" {
		var lo, hi int
		if n, _ := fmt.Sscanf(text, "%d-%d", &lo, &hi); n != 2 || lo < 1 || hi > 65535 || lo > hi || fmt.Sprintf("%d-%d", lo, hi) != text {
			return c, connect.Usagef("streamer: --ice-ports takes MIN-MAX, such as 50000-50999, not %q", text)
		}
		c.PortMin, c.PortMax = uint16(lo), uint16(hi) //nolint:gosec // 1 to 65535, checked above
	}
	if ip := cmd.String("nat-1to1"); ip != "" {
		c.NAT1To1 = []string{ip}
	}
	return c, nil
}

// CheckNetworkFlags tells what is wrong with [NetworkFlags], for an agent that passes them on.
func CheckNetworkFlags(cmd *cli.Command) error {
	_, err := parseNetwork(cmd, slog.New(slog.DiscardHandler))
	return err
}
