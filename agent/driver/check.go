package driver

import (
	"fmt"
	"regexp"

	"streamstack/agent/application"
)

var idPattern = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// ValidID tells whether a session's or an agent's id is 1 to 63 of a-z, 0-9 and -: one folder's name, and one NATS token.
func ValidID(id string) bool { return idPattern.MatchString(id) }

// Check refuses what no driver can launch whose instances run a command, before anything is started.
func (s Spec) Check() error {
	switch {
	case !ValidID(s.Session):
		return fmt.Errorf("session id %q must be 1 to 63 of a-z, 0-9 and -", s.Session)
	case len(s.Application.Command) == 0:
		return fmt.Errorf("application %q has no command", s.Application.Name)
	case len(s.UserData) > MaxUserData:
		return fmt.Errorf("user data has %d bytes, at most %d are allowed", len(s.UserData), MaxUserData)
	case len(s.Streamer.Secret) > MaxSecret:
		return fmt.Errorf("the streamer's secret has %d bytes, at most %d are allowed", len(s.Streamer.Secret), MaxSecret)
	}
	screen := application.Screen{Width: s.Screen.Width, Height: s.Screen.Height, FPS: s.Screen.FPS}
	if err := screen.Validate(); err != nil {
		return fmt.Errorf("screen: %w", err)
	}
	return nil
}
