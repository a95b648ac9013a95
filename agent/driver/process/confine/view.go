package confine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// View is what an application sees of the file system: everything, as its user's permissions have it, but not what is hidden. An empty
// file system in memory takes the place of a folder, /dev/null that of a file. The user is the same inside and outside, so that without it
// the agent's credentials and the sockets of other sessions would be an open(2) away.
type View struct {
	// Hide are folders and files that exist; Keep are what is seen of them nevertheless, at the same place. All paths are absolute.
	Hide, Keep []string
}

// The arguments of [Run] before the command.
const (
	hideFlag, keepFlag = "--hide=", "--keep="
	lastFlag           = "--run"
)

// Args are the arguments that go before the command's.
func (v View) Args() (args []string) {
	for _, path := range v.Hide {
		args = append(args, hideFlag+path)
	}
	for _, path := range v.Keep {
		args = append(args, keepFlag+path)
	}
	return append(args, lastFlag)
}

// parse takes the view from a command line; without one, nothing is hidden.
func parse(argv []string) (v View, command []string, err error) {
	for i, arg := range argv {
		hidden, hide := strings.CutPrefix(arg, hideFlag)
		kept, keep := strings.CutPrefix(arg, keepFlag)
		switch {
		case hide && filepath.IsAbs(hidden) && filepath.Clean(hidden) != "/":
			v.Hide = append(v.Hide, hidden)
		case keep && filepath.IsAbs(kept):
			v.Keep = append(v.Keep, kept)
		case hide, keep:
			return v, nil, fmt.Errorf("confine: %s: give an absolute path below /", arg)
		case arg == lastFlag:
			return v, argv[i+1:], nil
		default:
			return v, argv[i:], nil
		}
	}
	return v, nil, nil
}

// size bounds each of the file systems in memory.
const size = "268435456"

// impose hides what is to be hidden, in a mount namespace of our own. program is kept.
func (v View) impose(program string) error {
	hide, err := outermost(v.Hide)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	kept := map[string]int{} // a file descriptor each, by which it is found when it is covered
	defer func() {
		for _, fd := range kept {
			_ = unix.Close(fd) // nothing was written
		}
	}()
	for _, path := range append(slices.Clone(v.Keep), program) {
		if _, twice := kept[path]; twice || !within(path, hide) {
			continue
		}
		if kept[path], err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			delete(kept, path)
			return fmt.Errorf("confine: keep %s: %w", path, err)
		}
	}
	for _, path := range hide {
		if err := cover(path); err != nil {
			return err
		}
	}
	for path, fd := range kept {
		if err := uncover(path, fd); err != nil {
			return err
		}
	}
	// The one that we are in is the covered one, whose parent could be reached from it.
	if err := os.Chdir(here); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return nil
}

// outermost are the real paths without those in one another.
func outermost(paths []string) (out []string, err error) {
	for _, path := range paths {
		resolved, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, fmt.Errorf("confine: hide: %w", err)
		}
		out = append(out, resolved)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	all := slices.Clone(out)
	return slices.DeleteFunc(out, func(path string) bool {
		return within(path, slices.DeleteFunc(slices.Clone(all), func(other string) bool { return other == path }))
	}), nil
}

// within tells whether a path is one of the folders, or in one.
func within(path string, folders []string) bool {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return slices.ContainsFunc(folders, func(folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") })
}

func cover(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case info.IsDir():
		err = unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777,size="+size)
	default:
		err = unix.Mount(os.DevNull, path, "", unix.MS_BIND, "")
	}
	if err != nil {
		return fmt.Errorf("confine: hide %s: %w", path, err)
	}
	return nil
}

// uncover puts what a file descriptor stands for to where it was.
func uncover(path string, fd int) error {
	var info unix.Stat_t
	err := errors.Join(unix.Fstat(fd, &info), os.MkdirAll(filepath.Dir(path), 0o755)) //nolint:gosec // what is hidden is not in it
	if err == nil && info.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = os.MkdirAll(path, 0o700)
	} else if err == nil {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err == nil {
		err = unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), path, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err != nil {
		return fmt.Errorf("confine: keep %s: %w", path, err)
	}
	return nil
}
