package command

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// iceLogging is the feature flag of ours (streamer-config.md, section 8).
const iceLogging = "webrtc.enable_ice_logging"

// ofAndroid are those of the same list that are about Android, which lists made for it may name.
var ofAndroid = []string{"enable_anbox_ime", "enable_virtual_keyboard", "enable_system_ui", "allow_android_reboot"}

// featureName is how features of the original are named. Lists made for it may name any, so those that are not known are let pass.
var featureName = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)

// parseFeatures reads --features, and tells whether ICE candidates are to be logged.
func parseFeatures(cmd *cli.Command, log *slog.Logger) (ice bool, err error) {
	for name := range strings.SplitSeq(cmd.String("features"), ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case name == iceLogging:
			ice = true
		case slices.Contains(ofAndroid, name):
			log.Info("a feature of Android's has no effect here", "feature", name)
		case featureName.MatchString(name):
			log.Warn("an unknown feature has no effect", "feature", name, "known", iceLogging)
		default:
			return false, connect.Usagef("streamer: --features takes %s (and, without effect, %s), not %q", iceLogging, strings.Join(ofAndroid, ", "), name)
		}
	}
	return ice, nil
}
