package streamer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"streamstack/events"
	"streamstack/streamer/peer"
)

// clientInfo is what the application finds in the client file, as JSON: what the page that shows it has asked of it
// (signalling.md, section 2, settings). The file is replaced as a whole when another client is let in, and is there before
// that client's first picture; there is none before the first client.
type clientInfo struct {
	Peer events.PeerID `json:"peer"`
	// DeviceType is free text, one line of at most 256 bytes; empty where the page names none.
	DeviceType string `json:"device_type"`
	// ForegroundActivity is what the page wants to be brought up, such as com.example.Main or .Main; empty likewise.
	ForegroundActivity string `json:"foreground_activity"`
}

// tellApplication writes the client file.
func (s *Streamer) tellApplication(id events.PeerID, settings peer.Settings) error {
	if s.cfg.ClientFile == "" {
		return nil
	}
	text, err := json.Marshal(clientInfo{id, settings.DeviceType, settings.ForegroundActivity})
	if err != nil {
		return fmt.Errorf("streamer: client file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(s.cfg.ClientFile), ".client-*")
	if err != nil {
		return fmt.Errorf("streamer: client file: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), s.cfg.ClientFile)
	}
	if err != nil {
		return fmt.Errorf("streamer: client file: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
