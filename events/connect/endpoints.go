package connect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// endpointsFile is the name of the file in the data folder (cli.md).
const endpointsFile = "endpoints.json"

// folderMode lets the owner alone into a data folder that has to be made.
const folderMode fs.FileMode = 0o700

// ErrNoStack is returned when no stack runs on a data folder.
var ErrNoStack = errors.New("no stack runs")

// Endpoints is where the parts of a running stack are reached; DIR/endpoints.json holds it. It is secret: Token opens the
// API. Credentials for NATS lie beside it ([OperatorCreds]).
type Endpoints struct {
	Gateway string `json:"gateway"` // http://… or https://…, without a path
	NATS    string `json:"nats"`    // nats://…, no secret in it
	TURN    string `json:"turn"`    // turn:…
	Token   string `json:"token"`   // of an account made for this run
	// Certificate is the file of the gateway's certificate, in PEM; empty without TLS.
	Certificate string `json:"certificate,omitempty"`
}

// LogValue keeps the secrets out of structured logs.
func (e Endpoints) LogValue() slog.Value {
	return slog.GroupValue(slog.String("gateway", e.Gateway), slog.String("nats", Redact(e.NATS)), slog.String("turn", e.TURN))
}

// Write puts the endpoints into the data folder, readable by its owner alone. A reader sees the old file or the new one,
// never a part.
func (e Endpoints) Write(dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("connect: write %s: %w", endpointsFile, err)
		}
	}()
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, ".endpoints-*") // CreateTemp makes files with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // after the rename it is gone already
	_, err = temporary.Write(append(text, '\n'))
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), filepath.Join(dir, endpointsFile))
}

// ReadEndpoints reads what the stack that runs on a data folder wrote. Without one it fails with [ErrNoStack].
func ReadEndpoints(dir string) (Endpoints, error) {
	path := filepath.Join(dir, endpointsFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Endpoints{}, fmt.Errorf("%w on %s: start one with `streamstack up --data %s`", ErrNoStack, dir, dir)
	case errors.Is(err, fs.ErrPermission):
		return Endpoints{}, fmt.Errorf("%s belongs to somebody else: run this as the user who started the stack", path)
	case err != nil:
		return Endpoints{}, fmt.Errorf("connect: %w", err)
	}
	var e Endpoints
	if err := json.Unmarshal(text, &e); err != nil {
		return Endpoints{}, fmt.Errorf("%s is damaged (%w): restart the stack, which writes it anew", path, err)
	}
	return e, nil
}

// RemoveEndpoints takes the file away; the stack does so when it ends. That it is not there is no error.
func RemoveEndpoints(dir string) error {
	if err := os.Remove(filepath.Join(dir, endpointsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// DefaultDataDir is $XDG_STATE_HOME/streamstack, or ~/.local/state/streamstack where that variable is not set (XDG Base
// Directory Specification 0.8, which has relative paths ignored). It is empty for a user without a home folder.
func DefaultDataDir() string {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "streamstack")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "streamstack")
}
