package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"streamstack/gateway/openapi"
)

// base is where the document is for the validator of JSON Schema.
const base = "mem:///openapi.json"

// contract is the document, ready to be asked. It does not change, and is safe for concurrent use.
type contract struct {
	doc    *openapi3.T
	router routers.Router
	// schemas are of the bodies of answers, by their place in the document.
	schemas map[string]*jsonschema.Schema
	failure *jsonschema.Schema
}

// load reads the document once for a run of the tests.
var load = sync.OnceValues(func() (*contract, error) { return newContract(openapi.Document()) })

func newContract(text []byte) (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("openapitest: the document: %w", err)
	}
	// Where the gateway of a test listens is not in the document: any host will do.
	doc.Servers = nil
	for _, item := range doc.Paths.Map() {
		item.Servers = nil
	}
	c := &contract{doc: doc, schemas: map[string]*jsonschema.Schema{}}
	if c.router, err = legacy.NewRouter(doc); err != nil {
		return nil, fmt.Errorf("openapitest: the document: %w", err)
	}
	return c, c.compile(text)
}

// compile makes the schemas of all answers. kin-openapi compiles a schema for each use of it, which is slow, and takes
// fields that are not described; here they are closed.
func (c *contract) compile(text []byte) error {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("openapitest: the document: %w", err)
	}
	root, ok := raw.(map[string]any)
	if !ok {
		return errors.New("openapitest: the document is no object")
	}
	newCloser(root).answers()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(base, root); err != nil {
		return fmt.Errorf("openapitest: the document: %w", err)
	}
	add := func(pointer string) error {
		s, err := compiler.Compile(base + "#" + pointer)
		if err != nil {
			return fmt.Errorf("openapitest: %s: %w", pointer, err)
		}
		c.schemas[pointer] = s
		return nil
	}
	err = add(failurePointer)
	c.failure = c.schemas[failurePointer]
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, answer := range op.Responses.Map() {
				for media := range answer.Value.Content {
					err = errors.Join(err, add(answerPointer(path, method, status, answer.Ref, media)))
				}
			}
		}
	}
	return err
}

const failurePointer = "/components/responses/BadRequest/content/application~1json/schema"

// answerPointer is where the schema of an answer's body is (RFC 6901); ref is that of the answer, if it is a component.
func answerPointer(path, method, status, ref, media string) string {
	if shared, ok := strings.CutPrefix(ref, "#"); ok {
		return shared + "/content/" + escape(media) + "/schema"
	}
	return "/paths/" + escape(path) + "/" + strings.ToLower(method) + "/responses/" + status + "/content/" + escape(media) + "/schema"
}

// escape writes a key into a JSON pointer, and that into a URI's fragment.
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", ";", "%3B").Replace(key)
}
