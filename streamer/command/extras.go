package command

import (
	"context"
	"log/slog"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/streamer"
	"streamstack/streamer/input"
	"streamstack/streamer/input/clipboard"
	"streamstack/streamer/input/gamepad"
	"streamstack/streamer/sensors"
)

// Values of --clipboard.
const (
	clipboardBoth = "both"
	clipboardIn   = "in"
	clipboardOut  = "out"
	clipboardOff  = "off"
)

// parseClipboard reads which ways the clipboard goes.
func parseClipboard(cmd *cli.Command) (in, out bool, err error) {
	switch way := cmd.String("clipboard"); way {
	case clipboardBoth, "":
		return true, true, nil
	case clipboardIn:
		return true, false, nil
	case clipboardOut:
		return false, true, nil
	case clipboardOff:
		return false, false, nil
	default:
		return false, false, connect.Usagef("streamer: --clipboard takes both, in, out or off, not %q", way)
	}
}

// extras opens what the display and the machine have beside mouse and keyboard. What is missing is logged, with what to do about it, and
// is no capability. The caller calls close at the end.
func extras(ctx context.Context, cmd *cli.Command, display string, device *input.Device, log *slog.Logger) (e streamer.Extras, closeAll func(), err error) {
	in, out, err := parseClipboard(cmd)
	if err != nil {
		return e, nil, err
	}
	var closers []func()
	closeAll = func() {
		for _, f := range closers {
			f()
		}
	}
	e.Capabilities = []string{"text", "display-rhythm"}
	if device.Touch() {
		e.Capabilities = append(e.Capabilities, "touch")
	}
	if device.SmoothScroll() {
		e.Capabilities = append(e.Capabilities, "smooth-scroll")
	}
	if in || out {
		if board, err := clipboard.Open(ctx, display, log); err != nil {
			log.Warn("the clipboard is not shared", "err", err)
		} else {
			closers = append(closers, board.Close)
			if in {
				e.ClipboardIn = board
				e.Capabilities = append(e.Capabilities, "clipboard-in")
			}
			if out {
				e.ClipboardOut = board
				e.Capabilities = append(e.Capabilities, "clipboard-out")
			}
		}
	}
	if pads, err := gamepad.Open(gamepad.Path, log); err != nil {
		log.Info("gamepads of clients are not played", "err", err)
	} else {
		closers = append(closers, func() { _ = pads.Close() }) // the process ends
		e.Gamepads = pads
		e.Capabilities = append(e.Capabilities, "gamepad")
	}
	if path := cmd.String("sensor-socket"); path != "" {
		if hub, err := sensors.Listen(ctx, path, log); err != nil {
			log.Warn("sensors of clients are not handed on", "err", err)
		} else {
			closers = append(closers, func() { _ = hub.Close() }) // the process ends
			e.Sensors = hub
		}
	}
	return e, closeAll, nil
}
