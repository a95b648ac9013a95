package process

import (
	"errors"
	"os"
	"path/filepath"
)

// socketFolder is where the streamer makes the sockets of the page's channels and of the API (streamer/datasocket, streamer/instanceapi).
func (in *instance) socketFolder() string { return in.runtimeFile("anbox/sockets") }

// linkSockets leads from where the contract has the sockets to where they are. Programs that take their environment's word do without.
func (in *instance) linkSockets() {
	if in.sockets == "" {
		return
	}
	err := os.MkdirAll(filepath.Dir(in.sockets), 0o700)
	if err == nil {
		if err = os.Remove(in.sockets); err == nil || errors.Is(err, os.ErrNotExist) { // of an earlier instance
			err = os.Symlink(in.socketFolder(), in.sockets)
		}
	}
	if err != nil {
		in.log.Warn("programs find the instance's sockets by their environment only", "wanted", in.sockets, "error", err)
	}
}
