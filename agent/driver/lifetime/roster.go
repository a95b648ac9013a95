package lifetime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"streamstack/agent/driver"
)

// Mortal is what a [Roster] asks of an instance.
type Mortal interface {
	comparable
	// RequestStop asks for its end, Stop waits for that too.
	RequestStop()
	Stop(ctx context.Context) error
}

// Roster knows the instances of a driver that live, by their sessions' names; one may have several names. The zero value is empty. Its
// methods may be called concurrently; what they are given to call must not call them.
type Roster[I Mortal] struct {
	mu     sync.Mutex
	closed bool
	live   map[string]I
}

// Admit makes an instance and keeps it under a name, unless the roster is closed ([driver.ErrClosed]) or the name is taken
// ([driver.ErrExists]). Close waits for what was admitted before.
func (r *Roster[I]) Admit(name string, enter func() I) (none I, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return none, driver.ErrClosed
	}
	if _, taken := r.live[name]; taken {
		return none, fmt.Errorf("%s: %w", name, driver.ErrExists)
	}
	in := enter()
	r.keep(name, in)
	return in, nil
}

// Enter calls begin, which may start what the driver's Close waits for, unless the roster is closed ([driver.ErrClosed]).
func (r *Roster[I]) Enter(begin func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return driver.ErrClosed
	}
	begin()
	return nil
}

func (r *Roster[I]) keep(name string, in I) {
	if r.live == nil {
		r.live = map[string]I{}
	}
	r.live[name] = in
}

// Alias keeps an instance under one more name, unless another has that; rename, which may change what the instance calls itself, is
// called if so, and nobody finds it under the one name and not under the other.
func (r *Roster[I]) Alias(name string, in I, rename func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, taken := r.live[name]; taken && other != in {
		return fmt.Errorf("%s: %w", name, driver.ErrExists)
	}
	rename()
	r.keep(name, in)
	return nil
}

// Find finds an instance.
func (r *Roster[I]) Find(name string) (I, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, lives := r.live[name]
	return in, lives
}

// Lives tells whether there is an instance of a name.
func (r *Roster[I]) Lives(name string) bool {
	_, lives := r.Find(name)
	return lives
}

// All are the instances, each once.
func (r *Roster[I]) All() (all []I) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for in := range maps.Values(r.live) {
		if !slices.Contains(all, in) {
			all = append(all, in)
		}
	}
	return all
}

// Forget gives names back.
func (r *Roster[I]) Forget(names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		delete(r.live, name)
	}
}

// Close lets no further instance in, ends all at once, and returns when the last is gone or ctx is done.
func (r *Roster[I]) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	all := r.All()
	for _, in := range all {
		in.RequestStop()
	}
	var errs []error
	for _, in := range all {
		errs = append(errs, in.Stop(ctx))
	}
	return errors.Join(errs...)
}

const (
	// KeepEnded is how many ended instances keep their logs.
	KeepEnded = 20
	// KeepTraces is how many of those keep what is in their folder traces, the RTC event log, as well: a program of an instance can make
	// it grow to 32 MiB.
	KeepTraces = 3
)

// Prune removes the folders of ended instances, and their logs, but for the newest [KeepEnded], and the traces but of the newest
// [KeepTraces]. They are in a folder of folders that have the instances' names; ours tells which of them are the driver's to remove. No
// instance is admitted meanwhile.
func (r *Roster[I]) Prune(folder string, ours func(path string) bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err //nolint:wrapcheck // it names the folder
	}
	var ended []fs.FileInfo
	for _, entry := range entries {
		if _, lives := r.live[entry.Name()]; lives || !entry.IsDir() || !ours(filepath.Join(folder, entry.Name())) {
			continue
		}
		if info, err := entry.Info(); err == nil {
			ended = append(ended, info)
		}
	}
	slices.SortFunc(ended, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	var errs []error
	for i, old := range ended {
		path := filepath.Join(folder, old.Name())
		switch {
		case i >= KeepEnded:
			errs = append(errs, os.RemoveAll(path))
		case i >= KeepTraces:
			errs = append(errs, removeTraces(path, old))
		}
	}
	return errors.Join(errs...)
}

// removeTraces leaves the folder as old as it was: its age is what the next pruning goes by.
func removeTraces(path string, was fs.FileInfo) error {
	traces := filepath.Join(path, "traces")
	if _, err := os.Lstat(traces); err != nil {
		return nil //nolint:nilerr // there are none
	}
	return errors.Join(os.RemoveAll(traces), os.Chtimes(path, was.ModTime(), was.ModTime()))
}
