package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDocumentIsFresh(t *testing.T) {
	want, err := bundle("../source")
	require.NoError(t, err)
	got, err := os.ReadFile("../files/openapi.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "the document is stale: go generate ./gateway/openapi")
}

// parts writes a folder of parts.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestPartsMayNotSayTheSame(t *testing.T) {
	for what, second := range map[string]string{
		"a component":     "components: {schemas: {A: {type: string}}}",
		"a path":          "paths: {/a: {post: {}}}",
		"a text":          "openapi: 3.1.0",
		"one thing twice": "x: 1\nx: 2",
	} {
		_, err := bundle(folder(t, map[string]string{
			head:     "openapi: 3.1.1\npaths: {/a: {get: {}}}\ncomponents: {schemas: {A: {type: string}}}",
			"b.yaml": second,
		}))
		require.ErrorContains(t, err, "b.yaml", what)
	}
	_, err := bundle(folder(t, map[string]string{"b.yaml": "x: 1"}))
	require.ErrorContains(t, err, head)
	_, err = bundle(folder(t, map[string]string{head: "a: [1"}))
	require.ErrorContains(t, err, head)
}

func TestOrderAndTextsStay(t *testing.T) {
	dir := folder(t, map[string]string{
		head:     "openapi: 3.1.1\npaths: {/b: {z: <&>, a: [1, null, true, 1.5, '1.0']}}",
		"z.yaml": "components: {schemas: {Z: {type: string}}, parameters: {}}",
		"a.yaml": "components: {schemas: {B: {type: string}}}\npaths: {/a: {}}",
	})
	out := filepath.Join(t.TempDir(), "new", "openapi.json")
	require.NoError(t, run(dir, out))
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Regexp(t, `(?s)"/b".*"z": "<&>".*"a": \[\s*1,\s*null,\s*true,\s*1.5,\s*"1.0"\s*\].*"/a".*"B".*"Z".*"Event".*"parameters"`, string(text))
}
