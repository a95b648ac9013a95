// Command generate writes the JSON Schemas and the AsyncAPI document of package schema, from the types of package events
// and the comments in their source.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
)

func main() {
	source := flag.String("events", "..", "the folder of package events")
	out := flag.String("out", "files", "the folder to write to; files in it that are generated no more are removed")
	flag.Parse()
	if err := run(*source, *out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run writes the files, and removes what earlier runs wrote and this one did not.
func run(source, out string) error {
	files, err := generate(source)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(out)
	if err != nil {
		return fmt.Errorf("the output folder: %w", err)
	}
	for name, text := range files {
		if err := errors.Join(root.MkdirAll(path.Dir(name), 0o750), root.WriteFile(name, text, 0o600)); err != nil {
			return errors.Join(err, root.Close())
		}
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if _, wanted := files[name]; err != nil || d.IsDir() || wanted {
			return err
		}
		return root.Remove(name)
	})
	return errors.Join(err, root.Close())
}

// generate makes all files, by their path below the output folder. source is the folder of package events.
func generate(source string) (map[string][]byte, error) {
	r, err := newReflector(source)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	add := func(name string, v any) error {
		text, err := encode(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files[name] = text
		return nil
	}
	for name, s := range r.schemas() {
		if err := add("schemas/"+name+".json", s); err != nil {
			return nil, err
		}
	}
	if err := add("asyncapi.json", r.document()); err != nil {
		return nil, err
	}
	return files, nil
}
