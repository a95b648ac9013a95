// Package schematest checks events against the schemas of package schema, in tests.
package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"streamstack/events"
	"streamstack/events/schema"
)

// base is where the schemas are for the validator, so that their references to each other lead there too.
const base = "mem:///schemas/"

// Validator checks against all schemas. It is safe for concurrent use.
type Validator struct {
	schemas map[string]*jsonschema.Schema
}

// New compiles the schemas, which checks them against the draft's own; formats such as date-time are asserted.
func New(t testing.TB) *Validator {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range schema.Names() {
		text, _ := schema.Get(name)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = c.AddResource(base+name+".json", doc)
		}
		if err != nil {
			t.Fatalf("schema %s: %v", name, err)
		}
	}
	v := &Validator{schemas: map[string]*jsonschema.Schema{}}
	for _, name := range schema.Names() {
		s, err := c.Compile(base + name + ".json")
		if err != nil {
			t.Fatalf("schema %s: %v", name, err)
		}
		v.schemas[name] = s
	}
	return v
}

// Check checks a JSON text against the schema of a name.
func (v *Validator) Check(name string, text []byte) error {
	s := v.schemas[name]
	if s == nil {
		return fmt.Errorf("there is no schema %s", name)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if err := s.Validate(doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Event checks an event as it is printed, its data included.
func (v *Validator) Event(e events.Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return v.Check(schema.Event, text)
}
