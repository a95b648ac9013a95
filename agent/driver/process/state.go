package process

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"streamstack/agent/driver"
)

// state is what a later run must know to end an instance: it is written before the first part starts and after each.
type state struct {
	Session string   `json:"session"`
	Name    string   `json:"name"`  // in the processes' marker: what it was started as, if that was not the session
	Owner   identity `json:"owner"` // the agent's process
	// Boot is the kernel's boot id: pids and start times of another boot mean nothing.
	Boot    string                   `json:"boot"`
	Runtime string                   `json:"runtime"`
	Display int                      `json:"display"`
	Cookie  []byte                   `json:"cookie"` // the display's, which its own file holds too
	Parts   map[driver.Part]identity `json:"parts"`
	// Groups are the folders of the control group, by controller.
	Groups map[string]string `json:"groups,omitempty"`
}

const stateFile = "state.json"

// bootID reads the kernel's id of this boot (proc_sys_kernel(5)).
func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("process: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// write replaces the state of the instance in folder at once.
func (s state) write(folder string) error {
	content, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("process: state: %w", err)
	}
	path := filepath.Join(folder, stateFile)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return fmt.Errorf("process: state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("process: state: %w", err)
	}
	return nil
}

// readState reads an instance's state; fs.ErrNotExist when it has ended.
func readState(folder string) (state, error) {
	var s state
	content, err := os.ReadFile(filepath.Join(folder, stateFile))
	if err != nil {
		return s, fmt.Errorf("process: state: %w", err)
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("process: state of %s: %w", folder, err)
	}
	return s, nil
}

func (s state) identities() []identity {
	var all []identity
	for _, id := range s.Parts {
		all = append(all, id)
	}
	return all
}

var hostPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// hostID reads, or makes at first use, the random id of an instances folder.
func hostID(instances string) (string, error) {
	path := filepath.Join(instances, ".host")
	content, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(content)); err == nil && hostPattern.MatchString(id) {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("process: %w", err)
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	id := hex.EncodeToString(random)
	if err := os.WriteFile(path+".new", []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("process: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return "", fmt.Errorf("process: %w", err)
	}
	return id, nil
}
