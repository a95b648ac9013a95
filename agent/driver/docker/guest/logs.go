package guest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// logEvery is how often the parts' logs are looked at for what is new.
	logEvery = 100 * time.Millisecond
	// chunk is the most that is read of one at once, in bytes.
	chunk = 32 << 10
)

// follower copies what the parts of an instance print, which the process driver keeps in files, to one stream: the
// container's log. Each line begins with its part's name.
type follower struct {
	folder string
	to     io.Writer
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	read   map[string]int64  // offset, by file
	rest   map[string][]byte // the beginning of a line whose end has not come
}

// follow begins to copy the logs in folder, a pattern of what need not be there yet, until end. An instance that waited moves to
// another folder, with its logs: a part has one log, wherever it is.
func follow(folder string, to io.Writer) *follower {
	f := &follower{folder: folder, to: to, stop: make(chan struct{}), done: make(chan struct{}), read: map[string]int64{}, rest: map[string][]byte{}}
	go f.run()
	return f
}

// end copies what is there yet and stops. It may be called again.
func (f *follower) end() {
	f.once.Do(func() { close(f.stop) })
	<-f.done
}

func (f *follower) run() {
	defer close(f.done)
	tick := time.NewTicker(logEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.copy()
		case <-f.stop:
			f.copy()
			for part, rest := range f.rest {
				f.line(part, rest)
			}
			return
		}
	}
}

func (f *follower) copy() {
	files, _ := filepath.Glob(filepath.Join(f.folder, "*.log")) // the pattern is sound
	slices.Sort(files)
	for _, path := range files {
		f.copyOne(path, strings.TrimSuffix(filepath.Base(path), ".log"))
	}
}

// copyOne copies what is new in one file. One that has become shorter was cut by the process driver (its logs are bounded): it
// is gone on with at its end, since what was kept has been copied but for what came in the moment of the cut.
func (f *follower) copyOne(path, part string) {
	file, err := os.Open(path)
	if err != nil {
		return // removed meanwhile
	}
	defer func() { _ = file.Close() }() // opened to read
	info, err := file.Stat()
	if err != nil {
		return
	}
	if info.Size() < f.read[part] {
		f.read[part] = info.Size()
	}
	buffer := make([]byte, chunk)
	for {
		n, err := file.ReadAt(buffer, f.read[part])
		f.read[part] += int64(n)
		text := append(f.rest[part], buffer[:n]...)
		for {
			line, rest, found := bytes.Cut(text, []byte{'\n'})
			if !found {
				break
			}
			f.line(part, line)
			text = rest
		}
		if len(text) >= chunk { // a line without an end
			f.line(part, text)
			text = nil
		}
		f.rest[part] = bytes.Clone(text)
		if n == 0 || errors.Is(err, io.EOF) || err != nil {
			return
		}
	}
}

func (f *follower) line(part string, text []byte) {
	if len(text) > 0 {
		_, _ = f.to.Write(append(append([]byte(part+": "), text...), '\n')) // the engine's to keep; there is nobody to tell
	}
}
