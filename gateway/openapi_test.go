package gateway

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/openapi"
	"streamstack/gateway/webhook"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	require.NoError(t, err)
	return doc
}

// What is served is described, and what is described is served: by the public API, and by the admin socket's.
func TestTheDocumentHasEveryRoute(t *testing.T) {
	t.Parallel()
	g := New(Config{Log: newStack(t).log, Logger: discard(), Webhooks: new(webhook.Service)})
	served := map[bool][]string{false: routesOf(g.routes()), true: routesOf(g.adminRoutes())}
	described := map[bool][]string{}
	for path, item := range document(t).Paths.Map() {
		for method, op := range item.Operations() {
			admin := slices.Contains(op.Tags, "admin")
			described[admin] = append(described[admin], method+" "+path)
		}
	}
	require.ElementsMatch(t, served[false], described[false], "the public API, and the document")
	require.ElementsMatch(t, served[true], described[true], "the admin socket, and the document")
}

// routesOf are the routes of an API as the document writes them, without the pages for people and what is accepted in the
// singular beside the plural.
func routesOf(e *echo.Echo) (all []string) {
	parameter := regexp.MustCompile(`:(\w+)`)
	for _, r := range e.Routes() {
		if r.Path == "/" || strings.HasPrefix(r.Path, "/console") || strings.HasPrefix(r.Path, "/1.0/session/") || r.Method == echo.RouteNotFound {
			continue
		}
		all = append(all, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
	}
	return all
}

// bodies are the Go types of what is sent and answered, by the schemas that describe them.
var bodies = map[string]any{
	"CreateRequest": createRequest{}, "ScreenRequest": screenRequest{}, "JoinRequest": joinRequest{},
	"Session": sessionObject{}, "Grant": sessionAnswer{}, "ICEServer": iceServer{}, "Connection": connectAnswer{},
	"ShareRequest": shareRequest{}, "SharePatch": sharePatch{}, "NewShare": shareAnswer{}, "Share": shareObject{},
	"Deleted": deletion{}, "DeleteError": deletionError{}, "Config": configObject{}, "Setting": settingObject{},
	"Agent": agentObject{}, "AgentApplication": agentApplication{}, "GPU": events.GPUData{}, "Drain": agentDrain{}, "DrainRequest": drainRequest{},
	"Named": named{}, "Health": statusObject{}, "SchemaEntry": schemaEntry{},
	"Account":        accountObject{},
	"WebhookRequest": webhookRequest{}, "Webhook": webhookObject{},
	"Event": events.EventJSON{},
}

// notBodies are types with JSON fields that no schema has by itself: the envelope is described by several, and the other
// is a part.
var notBodies = []string{"envelope", "webhookProgress"}

// signalling are the files with the messages of the sockets, which are no part of the REST API.
var signalling = []string{"signal.go", "mastersays.go", "masterhears.go"}

// unread are fields that the contract has and the gateway takes without looking at them.
var unread = map[string][]string{"JoinRequest": {"disconnect_clients"}}

// Every field of every type is described with its kind, and the other way round; what an answer always has is required.
func TestTheDocumentHasEveryField(t *testing.T) {
	t.Parallel()
	doc := document(t)
	for name, body := range bodies {
		s := doc.Components.Schemas[name]
		require.NotNil(t, s, name)
		fields := fieldsOf(reflect.TypeOf(body))
		described := slices.DeleteFunc(slices.Collect(maps.Keys(s.Value.Properties)), func(f string) bool { return slices.Contains(unread[name], f) && fields[f].Name == "" })
		require.ElementsMatch(t, slices.Collect(maps.Keys(fields)), described, "%s and %T", name, body)
		for field, f := range fields {
			kinds := s.Value.Properties[field].Value.Type
			if want := kindOf(f.Type); want != "" && kinds != nil {
				require.True(t, kinds.Includes(want), "%s.%s is %v, and a Go %s", name, field, *kinds, f.Type)
			}
			if answered := !strings.HasSuffix(name, "Request") && name != "SharePatch"; answered {
				always := !strings.Contains(f.Tag.Get("json"), ",omit")
				require.Equal(t, always, slices.Contains(s.Value.Required, field), "%s.%s: is it always there?", name, field)
			}
		}
	}
}

// fieldsOf are a type's fields by their JSON names, with those of embedded types.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if len(f.Index) > 1 { // of an embedded pointer, which may be nil
			f.Tag = reflect.StructTag(strings.Replace(string(f.Tag), name, name+",omitempty", 1))
		}
		if name != "" && name != "-" {
			all[name] = f
		}
	}
	return all
}

// kindOf is the type of JSON Schema that a Go type is written as; empty for any.
func kindOf(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // the rest is not in any body
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.String:
		return openapi3.TypeString
	case reflect.Bool:
		return openapi3.TypeBoolean
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return openapi3.TypeInteger
	case reflect.Struct, reflect.Map:
		return openapi3.TypeObject
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // raw JSON
			return ""
		}
		return openapi3.TypeArray
	default:
		return ""
	}
}

// No type with JSON fields is forgotten above: one that is not named there has the very fields of a schema. This reads the
// package's source, since reflection cannot list types.
func TestNoBodyIsForgotten(t *testing.T) {
	t.Parallel()
	known := slices.Clone(notBodies)
	for _, body := range bodies {
		known = append(known, reflect.TypeOf(body).Name())
	}
	schemas := document(t).Components.Schemas
	for file, source := range sources(t) {
		names := map[*ast.StructType]string{}
		ast.Inspect(source, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok {
					names[s] = n.Name.Name
				}
			case *ast.StructType:
				fields := namedIn(t, n)
				if !slices.Contains(signalling, file) && len(fields) > 0 && !slices.Contains(known, names[n]) {
					require.True(t, describedBy(schemas, fields), "%s: the fields %v of %s are those of no schema of gateway/openapi", file, fields,
						cmp.Or(names[n], "a struct without a name"))
				}
			}
			return true
		})
	}
}

// namedIn are the JSON names of a struct's fields.
func namedIn(t *testing.T, s *ast.StructType) (fields []string) {
	t.Helper()
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		require.NoError(t, err)
		if name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ","); name != "" && name != "-" {
			fields = append(fields, name)
		}
	}
	return fields
}

// describedBy tells whether a schema has these fields and no other, but for those that the gateway does not read.
func describedBy(schemas openapi3.Schemas, fields []string) bool {
	for name, s := range schemas {
		has := func(f string) bool { return s.Value.Properties[f] != nil }
		more := slices.DeleteFunc(slices.Collect(maps.Keys(s.Value.Properties)), func(f string) bool {
			return slices.Contains(fields, f) || slices.Contains(unread[name], f)
		})
		if len(more) == 0 && !slices.ContainsFunc(fields, func(f string) bool { return !has(f) }) {
			return true
		}
	}
	return false
}

// sources are the parsed files of this package by their names, without its tests.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	all := map[string]*ast.File{}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			all[name], err = parser.ParseFile(token.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
		}
	}
	require.Subset(t, all, signalling)
	return all
}

// Every code of an error is described.
func TestTheDocumentHasEveryCode(t *testing.T) {
	t.Parallel()
	described := document(t).Components.Schemas["Code"].Value.Enum
	n := 0
	for _, file := range sources(t) {
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if ok && strings.HasPrefix(spec.Names[0].Name, "code") && len(spec.Values) == 1 {
				if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
					code, err := strconv.Unquote(text.Value)
					require.NoError(t, err)
					require.Contains(t, described, any(code), "the schema Code of gateway/openapi")
					n++
				}
			}
			return true
		})
	}
	require.Positive(t, n)
}
