package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lock makes sure that one agent at a time runs on a data folder: two of one name would claim each other's sessions and take
// over each other's instances. The kernel lets go of it when the process ends, however that happens.
func lock(data string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(data, "agent.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("agent: the data folder cannot be written: %w (name another with --data)", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("agent: another agent runs on %s: stop it, or name another folder with --data", data)
	case err != nil:
		_ = f.Close()
		return nil, fmt.Errorf("agent: lock: %w", err)
	}
	return func() { _ = f.Close() }, nil // lets go of the lock
}
