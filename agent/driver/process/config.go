package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
)

const (
	// startTimeout bounds a launch; display and sound take about 0.2 s on an idle machine, so this is a machine in trouble.
	startTimeout = 20 * time.Second
	// The graces add up to 2 s, so that a machine full of instances still ends within the 5 s of a SIGTERM.
	applicationGrace = 700 * time.Millisecond
	streamerGrace    = 800 * time.Millisecond
	soundGrace       = 250 * time.Millisecond
	displayGrace     = 250 * time.Millisecond
	// settle is how long the end of one part may pull down others before the cause is judged: an X server's death is
	// often noticed through its clients.
	settle = 100 * time.Millisecond
	// logLimit is the most that is kept of a part's output, in bytes.
	logLimit = 1 << 20
	// logCheck is how often that is looked after.
	logCheck = 100 * time.Millisecond
)

// Config is what a driver needs. Data, Self and Streamer are required.
type Config struct {
	// Data is the data folder; instances live in its sub-folder "instances".
	Data string
	// Self is our own executable, for applications whose command is application.Self.
	Self string
	// Streamer is the command of the streamer, such as [/usr/bin/streamstack streamer].
	Streamer []string
	// Confine is the command that runs the application that follows it in namespaces of its own, such as
	// [/usr/bin/streamstack confined] (package confine); empty: it runs in ours.
	Confine []string
	// Hide are files and folders that such an application does not see, besides the data folder and those for temporary files, of which it
	// sees what is its own: the agent's credentials, where they are elsewhere. They must exist.
	Hide []string
	// Sockets, if not empty, becomes a link to the folder of the instance's sockets, for programs that look where the contract has them and
	// not into their environment. It is for a container, which has one instance.
	Sockets string
	// Limits says what becomes of the applications' limits; empty is LimitsAuto.
	Limits Limits
	// Log gets what operators need; nil discards.
	Log *slog.Logger
}

func (c *Config) complete() error {
	if c.Data == "" || c.Self == "" || len(c.Streamer) == 0 {
		return errors.New("process: data folder, own executable and streamer command must be given")
	}
	if c.Limits == "" {
		c.Limits = LimitsAuto
	}
	if !c.Limits.Valid() {
		return fmt.Errorf("process: limits %q: give auto, enforce or off", c.Limits)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// runtimeFolder makes an instance's private folder for sockets. A socket's path has at most 107 bytes (unix(7)), so
// a long TMPDIR is not used.
func runtimeFolder() (string, error) {
	base := os.TempDir()
	if len(base) > 60 || strings.ContainsAny(base, "\"\n\\") {
		base = "/tmp"
	}
	folder, err := os.MkdirTemp(base, "streamstack-")
	if err != nil {
		return "", fmt.Errorf("process: %w", err)
	}
	return folder, nil
}
