package schema_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/schema"
	"streamstack/events/schema/schematest"
)

// goldens are the texts of package events' golden files, by file name.
func goldens(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	m := map[string][]byte{}
	for _, f := range files {
		m[filepath.Base(f)], err = os.ReadFile(f)
		require.NoError(t, err)
	}
	return m
}

// typeOf reads the type as it stands in a text: reading the event would upcast it.
func typeOf(t *testing.T, text []byte) (ceType, source string) {
	t.Helper()
	var e struct{ Type, Source string }
	require.NoError(t, json.Unmarshal(text, &e))
	return e.Type, e.Source
}

func TestGoldenFilesAreValid(t *testing.T) {
	v := schematest.New(t)
	for name, text := range goldens(t) {
		require.NoError(t, v.Check(schema.Event, text), name)
		var e events.Event
		require.NoError(t, json.Unmarshal(text, &e), name)
		require.NoError(t, v.Event(e), "%s, as it is read", name)
		require.NoError(t, v.Check(e.Type, e.Data), "%s, as it is read", name)
	}
}

// Every version of every event type has a Go type, a schema, and a golden file for each actor that may append it; and no
// golden file is of a type that is unknown.
func TestEveryTypeHasAllThree(t *testing.T) {
	v := schematest.New(t)
	has := map[string]string{}
	for name, text := range goldens(t) {
		ceType, source := typeOf(t, text)
		has[ceType+" by "+source] = name
	}
	for _, k := range events.Types() {
		require.NotNil(t, k.Data, "%s has no Go type: name it in events/catalogue.go", k.CEType)
		_, ok := schema.Get(k.CEType)
		require.True(t, ok, "%s has no schema: run go generate ./events/schema", k.CEType)
		zero, err := json.Marshal(k.Data)
		require.NoError(t, err)
		require.NoError(t, v.Check(k.CEType, zero), "the zero value of %T", k.Data)
		for _, a := range k.Actors {
			key := k.CEType + " by " + events.SourceOf(a)
			require.Contains(t, has, key, "there is no golden file in events/testdata: add it to the samples in events/envelope_test.go")
			delete(has, key)
		}
	}
	require.Empty(t, maps.Collect(maps.All(has)), "golden files of unknown types")
}

// The schemas refuse what a reader would stumble over: it is not that they let everything pass.
func TestSchemasRefuse(t *testing.T) {
	v := schematest.New(t)
	sound := string(goldens(t)["streamer.connected.json"])
	require.NoError(t, v.Check(schema.Event, []byte(sound)))
	for what, change := range map[string][2]string{
		"no peer":            {`"peer":"p1",`, ``},
		"a number as a kind": {`"kind":"host"`, `"kind":7`},
		"no time":            {`2026-11-22T06:27:09.493Z`, `yesterday`},
		"another envelope":   {`"specversion":"1.0"`, `"specversion":"0.3"`},
		"a sequence in text": {`"sequence":16`, `"sequence":"16"`},
		"no data":            {`,"data":{`, `,"date":{`},
	} {
		broken := strings.Replace(sound, change[0], change[1], 1)
		require.NotEqual(t, sound, broken, what)
		require.Error(t, v.Check(schema.Event, []byte(broken)), what)
	}
}

// What a newer component appends is valid, whatever it has in it, and survives being read and printed.
func TestUnknownSurvives(t *testing.T) {
	v := schematest.New(t)
	sound := string(goldens(t)["streamer.connected.json"])
	for what, change := range map[string][2]string{
		"an unknown field":             {`"data":{`, `"data":{"colour":[1,{"a":null}],`},
		"an unknown type":              {`streamstack.session.connected.v2"`, `streamstack.session.teleported.v1"`},
		"a newer version":              {`streamstack.session.connected.v2"`, `streamstack.session.connected.v3"`},
		"a quarantined event":          {`"data":{`, `"quarantine":"data is not JSON","data":"\u0000", "x":{`},
		"an unknown field in the pair": {`"protocol":"udp"`, `"protocol":"udp","cost":{"deep":[true]}`},
	} {
		text := strings.ReplaceAll(sound, change[0], change[1])
		require.NotEqual(t, sound, text, what)
		require.NoError(t, v.Check(schema.Event, []byte(text)), what)
		var e events.Event
		require.NoError(t, json.Unmarshal([]byte(text), &e), what)
		out, err := json.Marshal(e)
		require.NoError(t, err, what)
		var before, after struct {
			Type string
			Data any
		}
		require.NoError(t, json.Unmarshal([]byte(text), &before))
		require.NoError(t, json.Unmarshal(out, &after))
		require.Equal(t, before, after, what)
	}
}

func TestGet(t *testing.T) {
	require.Contains(t, schema.Names(), schema.Event)
	for _, name := range schema.Names() {
		text, ok := schema.Get(name)
		require.True(t, ok, name)
		require.True(t, json.Valid(text), name)
	}
	for _, name := range []string{"", ".", "..", "../asyncapi", "../../schema", "streamstack.session.offer.v9", "a\x00b"} {
		_, ok := schema.Get(name)
		require.False(t, ok, "%q", name)
	}
	require.True(t, json.Valid(schema.AsyncAPI()))
}
