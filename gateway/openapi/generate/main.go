// Command generate puts the parts of the OpenAPI document together, from the YAML that people write to the one JSON file
// that the gateway serves.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	source := flag.String("source", "source", "the folder of the parts")
	out := flag.String("out", "files/openapi.json", "the file to write")
	flag.Parse()
	if err := run(*source, *out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(source, out string) error {
	text, err := bundle(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o750); err != nil {
		return fmt.Errorf("the output folder: %w", err)
	}
	if err := os.WriteFile(out, text, 0o600); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
