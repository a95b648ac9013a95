// Package schema holds the vocabulary of the log in a form that other languages read: a JSON Schema (draft 2020-12) of
// each event type's data in each version, one of an event as it is printed, and an AsyncAPI 3.0 document of the channels,
// messages and headers.
//
// All of it is generated from the Go types of package events and their comments, committed, and embedded in the binary;
// a test beside the generator fails when a file is stale. After a change of a type:
//
//	go generate ./events/schema
//
// The files refer to each other by relative paths, and have no $id of their own: so they can be read from a gateway, from
// a folder or from a checkout alike. Unknown fields are valid everywhere, since a newer program may send more.
package schema

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:generate go run ./generate -events .. -out files

// Event is the name of the schema of a whole event, as printed with --json and sent by the REST API. It has each type's
// schema applied to the data.
const Event = "event"

const (
	folder   = "files/schemas"
	suffix   = ".json"
	asyncAPI = "files/asyncapi.json"
)

//go:embed files
var files embed.FS

// Names lists the schemas: the event types with their versions, [Event], and work for the work queue's messages.
func Names() []string {
	entries, err := fs.ReadDir(files, folder)
	if err != nil { // it is embedded
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	return names
}

// Get returns a schema by its name; ok is false when there is none.
func Get(name string) (text []byte, ok bool) {
	text, err := files.ReadFile(path.Join(folder, path.Base(name)+suffix))
	return text, err == nil
}

// AsyncAPI is the document that describes the channels, messages and headers of the log.
func AsyncAPI() []byte {
	text, err := files.ReadFile(asyncAPI)
	if err != nil { // it is embedded
		return nil
	}
	return text
}
