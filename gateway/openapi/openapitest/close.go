package openapitest

import "strings"

// closer closes the objects in the answers of a document: a field that is not described is a mistake of ours, though
// clients shall take it.
type closer struct {
	root map[string]any
	seen map[string]bool // references that were followed
}

func newCloser(root map[string]any) *closer { return &closer{root, map[string]bool{}} }

// answers closes all answers, which are wherever a responses object is.
func (c *closer) answers() {
	var find func(v any)
	find = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, below := range v {
				if responses, ok := below.(map[string]any); ok && key == "responses" {
					c.responses(responses)
					continue
				}
				find(below)
			}
		case []any:
			for _, below := range v {
				find(below)
			}
		}
	}
	find(c.root)
}

func (c *closer) responses(all map[string]any) {
	for _, answer := range all {
		content, _ := object(answer)["content"].(map[string]any)
		for _, media := range content {
			c.schema(object(object(media)["schema"]), true)
		}
	}
}

// schema closes a schema and what is in it. The parts of an allOf stay open themselves: only the whole knows all fields.
func (c *closer) schema(s map[string]any, whole bool) {
	if s == nil {
		return
	}
	if whole && c.describes(s) {
		s["unevaluatedProperties"] = false
	}
	if ref, ok := s["$ref"].(string); ok && !c.seen[ref] {
		c.seen[ref] = true
		c.schema(c.target(ref), false)
	}
	properties, _ := s["properties"].(map[string]any)
	for _, p := range properties {
		c.schema(object(p), true)
	}
	c.schema(object(s["items"]), true)
	for keyword, whole := range map[string]bool{"allOf": false, "oneOf": true, "anyOf": true} {
		parts, _ := s[keyword].([]any)
		for _, part := range parts {
			c.schema(object(part), whole)
		}
	}
}

// describes tells whether a schema names the fields of an object.
func (c *closer) describes(s map[string]any) bool {
	if _, open := s["additionalProperties"]; open {
		return false
	}
	if _, named := s["properties"]; named {
		return true
	}
	if ref, ok := s["$ref"].(string); ok {
		return c.describes(c.target(ref))
	}
	parts, _ := s["allOf"].([]any)
	for _, part := range parts {
		if c.describes(object(part)) {
			return true
		}
	}
	return false
}

// target follows a reference within the document.
func (c *closer) target(ref string) map[string]any {
	v := c.root
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		v = object(v[step])
	}
	return v
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
