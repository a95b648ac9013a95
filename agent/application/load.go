package application

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// maxFileSize bounds what is read of one file; a real one has some hundred bytes.
const maxFileSize = 1 << 20

//go:embed builtin/*.yaml
var builtin embed.FS

// Builtin is the catalogue that ships in the binary: testcard, xterm and glxgears.
func Builtin() (Catalogue, error) {
	return loadFolder(builtin, "builtin", func(name string) string { return "built-in " + filepath.Base(name) })
}

// Load reads a YAML file (one application a document) or every *.yaml and *.yml of a folder, not its sub-folders.
//
// The error is one line that names file, line and field. A name and version given twice, also in two files, and a
// path that holds no application at all are errors.
func Load(path string) (Catalogue, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Catalogue{}, fmt.Errorf("application: %w; give --applications an existing YAML file or a folder of them", err)
	}
	if info.IsDir() {
		return loadFolder(os.DirFS(path), ".", func(name string) string { return filepath.Join(path, name) })
	}
	found, err := loadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path), path)
	if err != nil {
		return Catalogue{}, err
	}
	return collect(path, found)
}

// located remembers where an application was read, for the message about its double.
type located struct {
	Application
	file string
	line int
}

func loadFolder(fsys fs.FS, folder string, shown func(name string) string) (Catalogue, error) {
	var names []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		matches, err := fs.Glob(fsys, filepath.ToSlash(filepath.Join(folder, pattern)))
		if err != nil {
			return Catalogue{}, fmt.Errorf("application: %w", err)
		}
		names = append(names, matches...)
	}
	slices.Sort(names)
	var found []located
	for _, name := range names {
		of, err := loadFile(fsys, name, shown(name))
		if err != nil {
			return Catalogue{}, err
		}
		found = append(found, of...)
	}
	return collect(shown(folder), found)
}

func loadFile(fsys fs.FS, name, shown string) ([]located, error) {
	info, err := fs.Stat(fsys, name)
	if err == nil && info.Size() > maxFileSize {
		err = fmt.Errorf("the file has %d bytes, at most %d are read", info.Size(), maxFileSize)
	}
	var content []byte
	if err == nil {
		content, err = fs.ReadFile(fsys, name)
	}
	if err != nil {
		if pathError := (*fs.PathError)(nil); errors.As(err, &pathError) {
			err = pathError.Err // without the name relative to the folder, which shown says in full
		}
		return nil, fmt.Errorf("application: %s: %w", shown, err)
	}
	return parse(shown, content)
}

// collect makes the catalogue and reports doubles with both places.
func collect(from string, found []located) (Catalogue, error) {
	if len(found) == 0 {
		return Catalogue{}, fmt.Errorf("application: %s holds no application (*.yaml or *.yml with name and command)", from)
	}
	type key struct {
		name    string
		version int
	}
	seen := make(map[key]located, len(found))
	applications := make([]Application, 0, len(found))
	for _, a := range found {
		k := key{a.Name, a.Version}
		if first, double := seen[k]; double {
			return Catalogue{}, fmt.Errorf("application: %s:%d: version: %s version %d is already given in %s:%d; change one's version",
				a.file, a.line, a.Name, a.Version, first.file, first.line)
		}
		seen[k] = a
		applications = append(applications, a.Application)
	}
	return New(applications...)
}
