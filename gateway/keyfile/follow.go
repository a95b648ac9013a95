package keyfile

import (
	"log/slog"
	"os"
	"sync"
	"time"
)

// File is a key file that is read again when it changes, so that keys rotate while everything runs. It may be used from
// several goroutines.
//
// It is looked at on each use and by no clock: of two gateways on one file, the one that did not rotate it knows the new key
// when the first token signed with it comes. Looking costs a microsecond, once a request.
type File struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	seen    stamp // of what was read last, whether it could be read or not
	keys    Keys
	version uint64
}

// stamp tells one state of a file from another. A rename brings another inode.
type stamp struct {
	info os.FileInfo
	at   time.Time
	size int64
	mode os.FileMode
}

func (s stamp) same(o stamp) bool {
	return s.info != nil && o.info != nil && os.SameFile(s.info, o.info) && s.at.Equal(o.at) && s.size == o.size && s.mode == o.mode
}

// Follow is [Open] of a file that may change afterwards. A file that cannot be read any more is logged, once, and the keys
// that were read before stay.
func Follow(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log, version: 1}
	// Looked at first: a change in between is seen by the next look.
	f.seen = look(path)
	var err error
	f.keys, err = Open(path)
	return f, err
}

// Keys returns the keys as they are now, and a number that rises with each change.
func (f *File) Keys() (Keys, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := look(f.path)
	if now.same(f.seen) {
		return f.keys, f.version
	}
	broken := f.seen.info == nil && now.info == nil // away still: said already
	f.seen = now
	keys, err := read(f.path)
	switch {
	case err != nil && !broken:
		f.log.Error("a key file changed and cannot be read: the keys of before stay in use", "file", f.path, "err", err)
	case err == nil && !keys.equal(f.keys):
		f.keys = keys
		f.version++
		f.log.Info("keys were rotated", "file", f.path)
	}
	return f.keys, f.version
}

// look is empty where there is no file.
func look(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info: info, at: info.ModTime(), size: info.Size(), mode: info.Mode()}
}
