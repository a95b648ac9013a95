package openapi_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"streamstack/events/schema"
	"streamstack/events/schema/schematest"
	"streamstack/gateway/openapi"
)

// document reads the document and checks it, its examples against their schemas included.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation(),
		openapi3.EnableSchemaPatternValidation(), openapi3.EnableSchemaDefaultsValidation()))
	require.True(t, doc.IsOpenAPI31OrLater(), doc.OpenAPI)
	return doc
}

// call is an operation with where it is.
type call struct {
	*openapi3.Operation
	path, method string
	item         *openapi3.PathItem
}

func calls(doc *openapi3.T) (all []call) {
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, call{op, path, method, item})
		}
	}
	return all
}

// public tells whether an operation asks for no credential at all.
func (c call) public() bool { return c.Security != nil && len(*c.Security) == 0 }

func (c call) isAdmin() bool { return slices.Contains(c.Tags, "admin") }

func TestTheDocumentIsSound(t *testing.T) {
	doc := document(t)
	ids := map[string]bool{}
	tags := map[string]bool{}
	for _, tag := range doc.Tags {
		require.NotEmpty(t, tag.Description, tag.Name)
		tags[tag.Name] = true
	}
	used := map[string]bool{}
	for _, c := range calls(doc) {
		at := c.method + " " + c.path
		require.Regexp(t, `^[a-z][a-z0-9_]+$`, c.OperationID, at)
		require.False(t, ids[c.OperationID], "%s: operationId %s is taken", at, c.OperationID)
		ids[c.OperationID] = true
		require.NotEmpty(t, c.Summary, at)
		require.False(t, strings.HasSuffix(c.Summary, "."), at)
		require.Len(t, c.Tags, 1, at)
		require.True(t, tags[c.Tags[0]], "%s: tag %s is not explained", at, c.Tags[0])
		used[c.Tags[0]] = true
		for _, p := range slices.Concat(c.item.Parameters, c.Parameters) {
			require.NotEmpty(t, p.Value.Description, "%s: %s", at, p.Value.Name)
		}
	}
	require.Len(t, used, len(tags), "tags that nobody uses")
}

// Every operation says how it may fail, as the contract and the limits have it.
func TestOperationsSayHowTheyFail(t *testing.T) {
	for _, c := range calls(document(t)) {
		at := c.method + " " + c.path
		want := map[string]bool{"400": c.RequestBody != nil, "413": c.RequestBody != nil}
		switch {
		case c.isAdmin(): // the operator's, without tokens and limits
			want["500"], want["503"] = true, true
		case c.public(): // files of the program
			want["429"] = c.path != "/metrics" // which has doors of its own
		default:
			want["429"], want["503"] = true, true
			want["401"] = !slices.ContainsFunc(*security(c), func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
			want["400"] = want["400"] || c.checksQuery() || strings.Contains(c.path, "/sessions/{id}")
			want["404"] = strings.Contains(c.path, "{id}") && c.OperationID != "connect_session" // there it is the credential
		}
		for status, needed := range want {
			require.True(t, !needed || c.Responses.Value(status) != nil, "%s does not say %s", at, status)
		}
		for status, r := range c.Responses.Map() {
			if status == "429" || status == "503" {
				require.Contains(t, r.Value.Headers, "Retry-After", "%s %s", at, status)
			}
		}
		good := slices.ContainsFunc(slices.Collect(maps.Keys(c.Responses.Map())), func(s string) bool { return s < "300" })
		require.True(t, good || c.Deprecated, "%s does not say how it succeeds", at)
	}
}

// security is what an operation asks for, its own or the document's.
func security(c call) *openapi3.SecurityRequirements {
	if c.Security != nil {
		return c.Security
	}
	return &openapi3.SecurityRequirements{{"macaroon": nil}, {"api_token": nil}}
}

// checksQuery tells whether a query may be wrong.
func (c call) checksQuery() bool {
	return slices.ContainsFunc(c.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.In == openapi3.ParameterInQuery })
}

// Everything that is sent or answered has an example, which [document] holds against its schema.
func TestEverythingHasAnExample(t *testing.T) {
	for _, c := range calls(document(t)) {
		at := c.method + " " + c.path
		if c.RequestBody != nil {
			for media, m := range c.RequestBody.Value.Content {
				require.True(t, m.Example != nil || len(m.Examples) > 0, "%s: the body in %s", at, media)
			}
		}
		for status, r := range c.Responses.Map() {
			for media, m := range r.Value.Content {
				require.True(t, m.Example != nil || len(m.Examples) > 0, "%s: the answer %s in %s", at, status, media)
				require.NotNil(t, m.Schema, "%s: the answer %s in %s", at, status, media)
			}
		}
	}
}

// contractTable are the endpoints of gateway-api.md, section 4, and of cli.md, "REST for the log".
const contractTable = `
GET /1.0/applications 200
GET /1.0/regions 200
POST /1.0/sessions 201
GET /1.0/sessions 200
DELETE /1.0/sessions 200 202 207
GET /1.0/sessions/{id} 200
DELETE /1.0/sessions/{id} 200
POST /1.0/sessions/{id}/join 200
POST /1.0/sessions/{id}/share 200
GET /1.0/sessions/{id}/connect 200
GET /1.0/sessions/{id}/sockets/master 400
GET /1.0/sessions/{id}/sockets/slave 101
GET /1.0/sessions/{id}/sockets/adb 101
GET /1.0/shares 200
GET /1.0/shares/{id} 200
PATCH /1.0/shares/{id} 200
DELETE /1.0/shares/{id} 200 202
GET /1.0/config 200
PATCH /1.0/config 200
GET /1.0/status 200
GET /metrics 200
GET /1.0/events 200
GET /1.0/sessions/{id}/events 200
`

func TestTheContractIsCovered(t *testing.T) {
	doc := document(t)
	for line := range strings.Lines(strings.TrimSpace(contractTable)) {
		f := strings.Fields(line)
		item := doc.Paths.Value(f[1])
		require.NotNil(t, item, line)
		op := item.GetOperation(f[0])
		require.NotNil(t, op, line)
		for _, status := range f[2:] {
			require.NotNil(t, op.Responses.Value(status), line)
		}
	}
}

// Nothing of the document is for nobody.
func TestEveryComponentIsUsed(t *testing.T) {
	var doc struct {
		Components map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(openapi.Document(), &doc))
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`"\$ref": "#/components/([^"]+)"`).FindAllStringSubmatch(string(openapi.Document()), -1) {
		used[m[1]] = true
	}
	for kind, all := range doc.Components {
		for name := range all {
			require.True(t, used[kind+"/"+name] || kind == "securitySchemes", "%s/%s is used nowhere", kind, name)
		}
	}
}

// The events in the examples are as their types' schemas have them too.
func TestExampleEventsAreEvents(t *testing.T) {
	v := schematest.New(t)
	example := document(t).Components.Responses["Events"].Value.Content["application/json"].Example
	page, ok := example.(map[string]any)["metadata"].([]any)
	require.True(t, ok)
	require.NotEmpty(t, page)
	for _, e := range page {
		text, err := json.Marshal(e)
		require.NoError(t, err)
		require.NoError(t, v.Check(schema.Event, text))
	}
}
