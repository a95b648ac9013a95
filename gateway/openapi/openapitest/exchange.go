package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"streamstack/events/schema"
	"streamstack/events/schema/schematest"
	"streamstack/gateway/sse"
	"streamstack/gateway/token"
)

// exchange is a request and its answer.
type exchange struct {
	admin  bool // on the admin socket
	method string
	url    url.URL
	header http.Header
	sent   []byte // what the handler read of the request's body

	status   int
	answer   http.Header
	body     []byte
	stream   bool // the answer is of Server-Sent Events
	hijacked bool // the answer is a connection: there is no more of it
}

// check tells what does not agree with the document.
func (x *exchange) check(ctx context.Context, c *contract, events *schematest.Validator) error {
	x.url.Path = normal(x.url.Path)
	if !described(x.url.Path) {
		return nil // the console: pages for people
	}
	if x.method == http.MethodOptions {
		if x.status != http.StatusNoContent || len(x.body) > 0 {
			return errors.New("a preflight is answered with 204 and nothing")
		}
		return nil
	}
	if x.status == http.StatusRequestEntityTooLarge { // whatever is asked: nobody looks at what is too long
		return x.checkBody(c.failure)
	}
	request := &http.Request{Method: x.method, URL: &x.url, Header: x.header, Body: io.NopCloser(bytes.NewReader(x.sent)), ContentLength: int64(len(x.sent))}
	route, params, err := c.router.FindRoute(request)
	if err != nil || isAdmin(route.Operation) != x.admin && x.url.Path != metrics { // those are served on both
		return x.checkUnknown(c)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: route, QueryParams: x.url.Query(),
		Options: &openapi3filter.Options{AuthenticationFunc: authenticated, SkipSettingDefaults: true, IncludeResponseStatus: true, ExcludeResponseBody: true},
	}
	if x.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			return fmt.Errorf("the request is not valid, and should have been refused: %w", err)
		}
	}
	if err := x.checkAnswer(ctx, c, route, input); err != nil {
		return err
	}
	return x.checkEvents(route.Operation, events)
}

// normal is a path as the document has it: without a final slash, and in the plural (gateway-api.md, section 4).
func normal(path string) string {
	if rest, ok := strings.CutPrefix(path, "/1.0/session/"); ok && (strings.Contains(rest, "/sockets/") || strings.Contains(rest, "/connect")) {
		path = "/1.0/sessions/" + rest
	}
	if len(path) > 1 {
		path = strings.TrimRight(path, "/")
	}
	return path
}

const metrics = "/metrics"

// described tells whether the document speaks of a path.
func described(path string) bool { return path == metrics || strings.HasPrefix(path, "/1.0/") }

// isAdmin tells whether an operation is served on the admin socket, and there alone.
func isAdmin(op *openapi3.Operation) bool { return slices.Contains(op.Tags, "admin") }

// authenticated finds the credential that the document asks for. Whether it is good is the gateway's business: it was.
func authenticated(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	r := in.RequestValidationInput.Request
	if in.SecurityScheme.In == openapi3.ParameterInHeader {
		_, err := token.ParseAuthorization(r.Header.Get(in.SecurityScheme.Name))
		return err
	}
	if r.URL.Query().Get(in.SecurityScheme.Name) == "" {
		return fmt.Errorf("there is no %s in the query", in.SecurityScheme.Name)
	}
	return nil
}

// checkUnknown checks the answer to what the document does not have.
func (x *exchange) checkUnknown(c *contract) error {
	switch x.status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusTooManyRequests:
		return x.checkBody(c.failure)
	}
	return errors.New("the document has no such operation")
}

// checkAnswer checks status, headers, media type and body.
func (x *exchange) checkAnswer(ctx context.Context, c *contract, route *routers.Route, input *openapi3filter.RequestValidationInput) error {
	described := route.Operation.Responses.Status(x.status)
	if described == nil {
		return fmt.Errorf("the operation does not answer %d", x.status)
	}
	if x.hijacked {
		return nil
	}
	err := openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.status, Header: x.answer, Options: input.Options,
	})
	if err != nil {
		return fmt.Errorf("the answer's headers: %w", err)
	}
	content := described.Value.Content
	if len(content) == 0 {
		if len(x.body) > 0 {
			return errors.New("the answer has no body in the document")
		}
		return nil
	}
	media, err := mediaOf(x.answer.Get("Content-Type"), content)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(strings.SplitN(media, ";", 2)[0], "json") {
		return nil
	}
	return x.checkBody(c.schemas[answerPointer(route.Path, x.method, fmt.Sprint(x.status), described.Ref, media)])
}

// mediaOf finds an answer's media type among those of the document, where the type may come with or without parameters.
func mediaOf(contentType string, content openapi3.Content) (string, error) {
	plain, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", fmt.Errorf("content type %q: %w", contentType, err)
	}
	for _, media := range []string{contentType, plain} {
		if content[media] != nil {
			return media, nil
		}
	}
	return "", fmt.Errorf("content type %s is not in the document", contentType)
}

// checkBody checks a JSON body against its schema, and its status_code against the status.
func (x *exchange) checkBody(s *jsonschema.Schema) error {
	if s == nil {
		return errors.New("openapitest: the answer's schema was not compiled")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.body))
	if err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	if err := s.Validate(doc); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	if code, ok := object(doc)["status_code"]; ok && fmt.Sprint(code) != fmt.Sprint(x.status) {
		return fmt.Errorf("status_code is %v", code)
	}
	return nil
}

// checkEvents holds the events of an answer against the schemas of their types, which the document leaves to those.
func (x *exchange) checkEvents(op *openapi3.Operation, v *schematest.Validator) error {
	if x.status != http.StatusOK || !slices.Contains(op.Tags, "log") {
		return nil
	}
	list, err := x.events()
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := v.Check(schema.Event, e); err != nil {
			return fmt.Errorf("an event of the answer: %w", err)
		}
	}
	return nil
}

// events are those of a page or of a stream.
func (x *exchange) events() (list []json.RawMessage, err error) {
	if !x.stream {
		var page struct {
			Metadata []json.RawMessage `json:"metadata"`
		}
		if err := json.Unmarshal(x.body, &page); err != nil {
			return nil, fmt.Errorf("a page of events: %w", err)
		}
		return page.Metadata, nil
	}
	r := sse.NewReader(bytes.NewReader(x.body), maxStream)
	for {
		m, err := r.Next()
		if err != nil {
			return list, nil //nolint:nilerr // streams end where their client leaves, in the middle of a message too
		}
		list = append(list, m.Data)
	}
}
