package ams

import (
	"encoding/json"
	"fmt"
	"strings"

	"streamstack/agent/driver"
)

// streamerKey is the member of the user data that the image's start hook looks for. The names of connection members are
// free (section 11, section 16).
const streamerKey = "streamer"

// streamerData is what `streamstack streamer` needs in the instance.
type streamerData struct {
	Env   map[string]string `json:"env"`             // its environment
	Stdin json.RawMessage   `json:"stdin,omitempty"` // its standard input: the way into the log, for its session only
}

// userData composes the document for the instance. It must not be logged.
func userData(spec driver.Spec) (string, error) {
	members := map[string]json.RawMessage{}
	if len(spec.UserData) > 0 {
		if err := json.Unmarshal(spec.UserData, &members); err != nil {
			return "", fmt.Errorf("ams: the user data must be a JSON object: %w", err)
		}
	}
	if _, taken := members[streamerKey]; taken {
		return "", fmt.Errorf("ams: the user data has a member %q, which is the streamer's", streamerKey)
	}
	d := screen(spec.Screen)
	s := streamerData{Env: map[string]string{"STREAMSTACK_SCREEN": fmt.Sprintf("%dx%d@%d", d.Width, d.Height, d.FPS)}}
	for _, pair := range spec.Streamer.Env {
		name, value, _ := strings.Cut(pair, "=")
		s.Env[name] = value
	}
	if secret := spec.Streamer.Secret; len(secret) > 0 {
		if !json.Valid(secret) {
			return "", fmt.Errorf("ams: the streamer's secret must be JSON") // without its text
		}
		s.Stdin = secret
	}
	part, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("ams: user data: %w", err)
	}
	members[streamerKey] = part
	text, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("ams: user data: %w", err)
	}
	if len(text) > driver.MaxUserData {
		return "", fmt.Errorf("ams: the user data has %d bytes, %d of them for the streamer; AMS takes %d: ask for the session with a smaller extra_data",
			len(text), len(part), driver.MaxUserData)
	}
	return string(text), nil
}

// screen is a session's in AMS's words, both sides even.
func screen(s driver.Screen) display {
	return display{Width: s.Width + s.Width%2, Height: s.Height + s.Height%2, FPS: s.FPS, Density: s.Density}
}
