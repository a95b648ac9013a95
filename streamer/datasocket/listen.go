package datasocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	// maxPath is the longest path that a socket's address holds, in bytes (unix(7)).
	maxPath = 107
	// socketMode lets the owner and its group connect; folderMode is of folders that are made.
	socketMode, folderMode = 0o660, 0o750
)

// listen makes a socket, in place of one that a process that is gone has left there. remove takes it away
// again, but none that has taken its place; it is to be called before the socket is closed.
func listen(ctx context.Context, folder, name string) (l *net.UnixListener, remove func(), err error) {
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return nil, nil, fmt.Errorf("datasocket: folder of the sockets: %w", err)
	}
	opened, err := os.Open(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("datasocket: folder of the sockets: %w", err)
	}
	defer func() { _ = opened.Close() }() // it was only to have a name for it
	path := filepath.Join(folder, name)
	address := path
	if len(address) > maxPath {
		// Programs reach it by a path relative to their working directory.
		address = filepath.Join("/proc/self/fd", strconv.Itoa(int(opened.Fd())), name)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("datasocket: %w", err)
	}
	made, err := (&net.ListenConfig{}).Listen(ctx, "unix", address)
	if err != nil {
		return nil, nil, fmt.Errorf("datasocket: make the socket %s: %w", path, err)
	}
	l = made.(*net.UnixListener) //nolint:forcetypeassert,errcheck // of network unix
	l.SetUnlinkOnClose(false)    // the address may not be a path any more by then
	mine, err := os.Lstat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("datasocket: %w", errors.Join(err, l.Close()))
	}
	remove = func() {
		// A page that opens its channel again has another socket there, maybe while a slow program still takes what came on the one before.
		if there, err := os.Lstat(path); err == nil && os.SameFile(mine, there) {
			_ = os.Remove(path)
		}
	}
	if err := errors.Join(os.Chmod(path, socketMode), giveAway(path, opened)); err != nil {
		remove()
		return nil, nil, fmt.Errorf("datasocket: permissions of the socket: %w", errors.Join(err, l.Close()))
	}
	return l, remove, nil
}

// giveAway gives a socket that root makes to the folder's owner, so that a streamer with more rights than its application
// serves it all the same.
func giveAway(path string, folder *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := folder.Stat()
	if err != nil {
		return err //nolint:wrapcheck // the caller does
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, int(s.Uid), int(s.Gid)) //nolint:wrapcheck // the caller does
	}
	return nil
}
