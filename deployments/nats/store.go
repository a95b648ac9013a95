package natsd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// folderMode lets the owner alone into the store: what clients send is in it.
	folderMode fs.FileMode = 0o700
	lockFile               = ".lock"
)

// prepareStore makes the store's folder and takes its lock. The server itself takes none: two of them on one store would
// both start, and each write over what the other wrote.
func prepareStore(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, storeError(dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, storeError(dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // it was never ours
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("natsd: another stack runs on %s: end it first, or choose another folder with --data", filepath.Dir(dir))
		}
		return nil, storeError(dir, err)
	}
	return lock, nil
}

// storeError says what to do about a folder that cannot be written.
func storeError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("natsd: %s cannot be written: give it to this user, or choose another folder with --data: %w", dir, err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("natsd: %s is no folder: move away what is there, or choose another folder with --data: %w", dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("natsd: %s: the disk is full: make room, or choose another folder with --data: %w", dir, err)
	default:
		return fmt.Errorf("natsd: store %s: %w", dir, err)
	}
}
