package application

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"
)

// followEvery is how often the files are looked at: their sizes and times, not what is in them. It works on every file
// system, also on a ConfigMap's links and over NFS, where nothing tells of changes.
const followEvery = 2 * time.Second

// Follower watches the files of a catalogue.
type Follower struct {
	Path string // as for [Load]
	Log  *slog.Logger
	// Every is the time between two looks; 0 for 2 seconds.
	Every time.Duration
}

// Follow calls changed with each catalogue that takes the place of known, until ctx ends or changed fails, and returns the
// error. Files that are not sound, such as one that is half written, are reported in the log with their line and field,
// once for each change, and what was known stays.
func (f Follower) Follow(ctx context.Context, known Catalogue, changed func(Catalogue) error) error {
	every := f.Every
	if every == 0 {
		every = followEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	// read is of what was read last: not known at first, so that what changed between the load and now is seen. A change
	// counts once it has stood for one look, for an editor may be writing still.
	read, seen := "", ""
	for {
		now := fingerprint(f.Path)
		settled := now == seen
		seen = now
		if settled && now != read {
			read = now
			c, err := Load(f.Path)
			switch {
			case err != nil:
				f.Log.Error("the applications' files are not sound: what was served before stays", "err", err)
			case !reflect.DeepEqual(c.All(), known.All()):
				known = c
				if err := changed(c); err != nil {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("application: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// fingerprint changes when a file does, or comes, or goes.
func fingerprint(path string) string {
	files := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		files = nil
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			matches, _ := fs.Glob(os.DirFS(path), pattern) // the pattern is sound, which the folder's name may not be
			for _, name := range matches {
				files = append(files, filepath.Join(path, name))
			}
		}
		slices.Sort(files)
	}
	var b strings.Builder
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			continue
		}
		var inode uint64
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = s.Ino
		}
		fmt.Fprintf(&b, "%s %d %d %d\n", name, info.Size(), info.ModTime().UnixNano(), inode)
	}
	return b.String()
}
