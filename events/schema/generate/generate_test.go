package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/schema"
	"streamstack/events/schema/schematest"
)

const source, committed = "../..", "../files"

// read has the files of a folder, by their paths in it.
func read(t *testing.T, folder string) map[string]string {
	t.Helper()
	m := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path) // both are relative to the same
		m[filepath.ToSlash(name)] = string(text)
		return err
	}))
	return m
}

// The committed files are what the types and their comments give now.
func TestFilesAreNotStale(t *testing.T) {
	fresh, err := generate(source)
	require.NoError(t, err)
	there := read(t, committed)
	for name, text := range fresh {
		require.Equal(t, string(text), there[name], "%s is stale: run go generate ./events/schema", name)
		delete(there, name)
	}
	require.Empty(t, there, "nothing generates these any more: run go generate ./events/schema")
}

// A run writes all files, and takes away what is generated no more.
func TestRun(t *testing.T) {
	out := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(out, "schemas"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(out, "schemas", "streamstack.session.gone.v1.json"), nil, 0o600))
	require.NoError(t, run(source, out))
	require.Equal(t, read(t, committed), read(t, out))
	require.Error(t, run(t.TempDir(), out), "a folder without the types")
}

// Every type and every property says what it is.
func TestEverythingIsDescribed(t *testing.T) {
	for _, name := range schema.Names() {
		text, _ := schema.Get(name)
		var s described
		require.NoError(t, json.Unmarshal(text, &s))
		require.NotEmpty(t, s.Description, "the comment of the type of %s", name)
		all := maps.Clone(s.Defs)
		if all == nil {
			all = map[string]described{}
		}
		all[name] = s
		for in, d := range all {
			for p, x := range d.Properties {
				require.NotEmpty(t, x.Description+x.Ref+x.OneOf.description(), "the comment of %s of %s in %s", p, in, name)
			}
		}
	}
}

// described is what this test wants to know of a schema.
type described struct {
	Description string
	Ref         string `json:"$ref"`
	OneOf       alternatives
	Properties  map[string]described
	Defs        map[string]described `json:"$defs"`
}

type alternatives []described

func (a alternatives) description() (all string) {
	for _, d := range a {
		all += d.Description
	}
	return all
}

// The document is what the official schema of AsyncAPI 3.0.0 says one is.
func TestDocumentIsAsyncAPI(t *testing.T) {
	f, err := os.Open("testdata/asyncapi-3.0.0.json.gz")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	spec, err := jsonschema.UnmarshalJSON(z)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("mem:///asyncapi.json", spec))
	official, err := c.Compile("mem:///asyncapi.json")
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema.AsyncAPI()))
	require.NoError(t, err)
	require.NoError(t, official.Validate(doc))
}

// Every reference of the document leads somewhere, within it or to a schema beside it.
func TestReferencesLeadSomewhere(t *testing.T) {
	var doc any
	require.NoError(t, json.Unmarshal(schema.AsyncAPI(), &doc))
	found := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				found++
				resolve(t, doc, ref)
			}
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(doc)
	require.Greater(t, found, 3*len(events.Types()))
}

func resolve(t *testing.T, doc any, ref string) {
	t.Helper()
	if name, ok := strings.CutPrefix(ref, "./schemas/"); ok {
		_, ok := schema.Get(strings.TrimSuffix(name, ".json"))
		require.True(t, ok, ref)
		return
	}
	pointer, ok := strings.CutPrefix(ref, "#/")
	require.True(t, ok, ref)
	for token := range strings.SplitSeq(pointer, "/") {
		o, _ := doc.(map[string]any)
		doc = o[token]
		require.NotNil(t, doc, ref)
	}
}

// Every event type is a message of its stream's channel, and somebody appends the newest version of it.
func TestDocumentIsWhole(t *testing.T) {
	r, err := newReflector(source)
	require.NoError(t, err)
	d := r.document()
	sent := map[string]bool{}
	for _, o := range d.Operations {
		for _, m := range o.Messages {
			sent[m.Ref] = sent[m.Ref] || o.Action == "send"
		}
	}
	for _, k := range events.Types() {
		for _, c := range channelsOf(k) {
			require.Contains(t, d.Channels[c].Messages, k.CEType)
		}
		require.Equal(t, k.Newest, sent["#/channels/"+channelsOf(k)[0]+"/messages/"+k.CEType], k.CEType)
	}
}

// Whatever a program of this version can append is valid: the schemas promise no more than the types keep.
func TestAnyValueOfATypeIsValid(t *testing.T) {
	v := schematest.New(t)
	random := rand.New(rand.NewSource(1))
	for _, k := range events.Types() {
		for range 50 {
			value, ok := quick.Value(reflect.TypeOf(k.Data), random)
			require.True(t, ok, k.CEType)
			held := reflect.New(value.Type()).Elem()
			held.Set(value)
			tame(held)
			text, err := json.Marshal(held.Interface())
			require.NoError(t, err, k.CEType)
			require.NoError(t, v.Check(k.CEType, text), string(text))
		}
	}
}

// tame makes JSON of the fields that hold some, which are random bytes.
func tame(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			tame(v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[events.Raw]() {
			v.SetBytes([]byte(`{"any":[1]}`))
			return
		}
		for i := range v.Len() {
			tame(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			tame(v.Elem())
		}
	default:
	}
}
