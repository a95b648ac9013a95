package stack

import (
	"encoding/json"
	"os"
)

// firstURL is the first client address in a ports file of nats-server; empty while it is being written.
func firstURL(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	var ports struct {
		NATS []string `json:"nats"`
	}
	if json.Unmarshal(text, &ports) != nil || len(ports.NATS) == 0 {
		return ""
	}
	return ports.NATS[0]
}
