package events

import (
	"encoding/json"
	"fmt"
)

// MaxUserData is the longest user data of an instance, in bytes: AMS's limit (gateway-api.md, section 5).
const MaxUserData = 10240

// UserData is the document that an instance gets: the keys of ams-api.md, section 11, so that an application finds the same
// whatever runs it. The gateway holds its length against [MaxUserData] before the session is created, the agent hands it
// over. extra is any JSON; nothing stands for null.
func UserData(id SessionID, s Screen, extra Raw) (Raw, error) {
	if len(extra) == 0 {
		extra = Raw("null")
	}
	data, err := json.Marshal(map[string]any{
		"display_width": s.Width, "display_height": s.Height, "display_density": s.Density, "fps": s.FPS,
		"extra_data": extra, "session_id": id,
	})
	if err != nil {
		return nil, fmt.Errorf("events: user data: %w", err)
	}
	return data, nil
}
