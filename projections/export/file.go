package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// toFile has write fill a file that appears under its name whole or not at all: it is written beside it, brought to the
// disk and renamed. Events hold addresses of people, so only the owner may read it. An empty path is standard output; a
// path that is there and is no regular file (a pipe, /dev/null) is written to as it is.
func toFile(path string, standard io.Writer, write func(io.Writer) error) (err error) {
	if path == "" {
		return write(standard)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return toDevice(path, info, write)
	}
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-*") // with mode 0600
	if err != nil {
		return outError(path, err)
	}
	defer func() { _ = os.Remove(t.Name()) }() // after the rename it is gone already
	err = write(t)
	if err == nil {
		err = t.Sync()
	}
	if cerr := t.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return outError(path, err)
	}
	if err := os.Rename(t.Name(), path); err != nil {
		return outError(path, err)
	}
	return nil
}

func toDevice(path string, info fs.FileInfo, write func(io.Writer) error) error {
	if info.IsDir() {
		return fmt.Errorf("export: %s is a folder: name a file with --out", path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return outError(path, err)
	}
	return errors.Join(write(f), f.Close())
}

// outError says what to do about a file that cannot be written.
func outError(path string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return fmt.Errorf("export: %s cannot be written: %w (name another file with --out)", path, of.Err)
	}
	return err
}
