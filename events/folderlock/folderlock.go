// Package folderlock keeps two processes of a kind from working on one data folder.
package folderlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Take locks the folder for who, such as "agent" or "stack", by the file name in it. It does not wait: where another process
// holds the lock, the error says so and what to do. The kernel lets go of the lock when the process ends, however that happens;
// unlock does so before.
func Take(folder, name, who string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: the data folder cannot be written: %w (name another with --data)", who, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("%s: another %[1]s runs on %s: stop it, or name another folder with --data", who, folder)
	case err != nil:
		_ = f.Close()
		return nil, fmt.Errorf("%s: lock: %w", who, err)
	}
	return func() { _ = f.Close() }, nil // lets go of the lock
}
