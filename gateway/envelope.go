package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"streamstack/events"
)

// envelope is the answer to every request (gateway-api.md, section 3).
type envelope struct {
	Type       string `json:"type"`
	Status     string `json:"status"`
	StatusCode int    `json:"status_code"`
	// Error is for people, Code for programs: one of the codes below.
	Error     string `json:"error,omitempty"`
	Code      string `json:"code,omitempty"`
	Metadata  any    `json:"metadata,omitempty"`
	TotalSize *int   `json:"total_size,omitempty"`
	Next      *int64 `json:"next,omitempty"`
}

// Codes of errors, stable for programs.
const (
	codeBadRequest   = "bad_request"
	codeUnauthorized = "unauthorized"
	codeNotFound     = "not_found"
	codeExists       = "exists"
	codeUnknownApp   = "unknown_application"
	codeNoRegion     = "unknown_region"
	codeNotServed    = "application_not_served"
	codeNoCapacity   = "no_capacity"
	codeWrongState   = "wrong_state"
	codeShareLimit   = "share_limit"
	codeNoSetting    = "unknown_setting"
	codeKeyReused    = "idempotency_key_reused"
	codeNoADB        = "no_adb"
	codeNoMaster     = "no_master_socket"
	codeStreamer     = "streamer_present"
	codeTooLarge     = "too_large"
	codeMethod       = "method_not_allowed"
	codeRateLimit    = "rate_limit"
	codeDeniedLimit  = "denied_limit"
	codeSessionLimit = "session_limit"
	codeSocketLimit  = "socket_limit"
	codeViewerLimit  = "viewer_limit"
	codeUnavailable  = "unavailable"
	codeInternal     = "internal"
)

// apiError has two audiences: Message goes to the client, the cause to the log.
type apiError struct {
	status  int
	code    string
	message string
	cause   error
}

func (e *apiError) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

func (e *apiError) Unwrap() error { return e.cause }

func badRequest(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: codeBadRequest, message: fmt.Sprintf(format, args...)}
}

// maxErrorText bounds the text of an error, in bytes.
const maxErrorText = 800

// quoted is a client's text for a message: on one line, and not as long as a body may be.
func quoted(s string) string {
	const longest = 80
	if len(s) > longest {
		s = shorten(s, longest) + "…"
	}
	return strconv.Quote(s)
}

// shorten cuts a text to at most n bytes, between two characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func notFound(id string) *apiError {
	return &apiError{status: http.StatusNotFound, code: codeNotFound, message: fmt.Sprintf("session %s does not exist", id)}
}

// succeed answers with metadata.
func succeed(c echo.Context, status int, metadata any) error {
	return reply(c, status, envelope{Type: "sync", Status: "success", StatusCode: status, Metadata: metadata})
}

// accept answers that something will be done, which nobody waited for.
func accept(c echo.Context) error {
	return reply(c, http.StatusAccepted, envelope{Type: "async", Status: "success", StatusCode: http.StatusAccepted})
}

// succeedList answers with a page of a list; list is never nil.
func succeedList(c echo.Context, list any, total int) error {
	return reply(c, http.StatusOK, envelope{Type: "sync", Status: "success", StatusCode: http.StatusOK, Metadata: list, TotalSize: &total})
}

func reply(c echo.Context, status int, e envelope) error {
	if err := c.JSON(status, e); err != nil {
		return fmt.Errorf("gateway: answer: %w", err)
	}
	return nil
}

// asAPIError gives any error its status and the text the client may see.
func asAPIError(err error) *apiError {
	var api *apiError
	var web *echo.HTTPError
	switch {
	case errors.As(err, &api):
		return api
	case errors.As(err, &web):
		return webError(web)
	case errors.Is(err, context.Canceled): // the client has gone, or the gateway stops
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, "the request was cut off", err}
	case errors.Is(err, events.ErrConflict): // after many tries
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, "too much happens to this session at once, try again", err}
	case errors.Is(err, events.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, "the log is not available at the moment, try again", err}
	default:
		return &apiError{http.StatusInternalServerError, codeInternal, "internal error, see the gateway's log", err}
	}
}

// webError translates what echo itself finds wrong.
func webError(err *echo.HTTPError) *apiError {
	code := codeBadRequest
	switch err.Code {
	case http.StatusNotFound:
		code = codeNotFound
	case http.StatusMethodNotAllowed:
		code = codeMethod
	case http.StatusRequestEntityTooLarge:
		code = codeTooLarge
	case http.StatusUnauthorized:
		code = codeUnauthorized
	}
	return &apiError{err.Code, code, fmt.Sprint(err.Message), err}
}

// onError is echo's error handler.
func (g *Gateway) onError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	e := asAPIError(err)
	switch {
	case c.Request().Context().Err() != nil:
		g.log.Debug("request given up", "method", c.Request().Method, "path", c.Path(), "err", err)
	case e.status >= http.StatusInternalServerError:
		g.log.Error("request failed", "method", c.Request().Method, "path", c.Path(), "status", e.status, "err", err)
	}
	if l, ok := refusedBy[e.code]; ok {
		g.metrics.Hit(l)
	}
	again := e.status == http.StatusServiceUnavailable || e.status == http.StatusTooManyRequests
	if h := c.Response().Header(); again && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	answer := envelope{Type: "error", Status: "failed", StatusCode: e.status, Error: e.message, Code: e.code}
	if len(answer.Error) > maxErrorText { // an id in a path may be as long as a request's first line
		answer.Error = shorten(answer.Error, maxErrorText) + "…"
	}
	if err := reply(c, e.status, answer); err != nil {
		g.log.Debug("answer not delivered", "err", err)
	}
}

// decodeBody reads a JSON object into v; an empty body leaves v as it is. Unknown fields are ignored by contract.
func decodeBody(c echo.Context, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(err)
	case err != nil:
		return badRequest("the body could not be read, or did not come within %s", requestTime)
	}
	// The server goes on reading, to see when the client leaves; it must not take the body's deadline for that.
	if err := http.NewResponseController(c.Response()).SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("gateway: read body: %w", err)
	}
	switch {
	case len(body) == 0:
		return nil
	case !utf8.Valid(body): // RFC 8259, section 8.1; parts that are kept as they came would make no sound event
		return badRequest("the body is not valid JSON: it is not UTF-8")
	case bytes.Equal(bytes.TrimSpace(body), []byte("null")): // which json takes for an object without fields
		return badRequest("the body must be a JSON object, not null")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return badRequest("%s", jsonProblem(err))
	}
	return nil
}

// jsonProblem says what is wrong with a body in the client's terms.
func jsonProblem(err error) string {
	var typ *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &typ) && typ.Field != "":
		return fmt.Sprintf("%s must not be a JSON %s", typ.Field, typ.Value)
	case errors.As(err, &typ):
		return "the body must be a JSON object, not a JSON " + typ.Value
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not valid JSON: %s (at byte %d)", syntax.Error(), syntax.Offset)
	default:
		return "the body is not valid: " + err.Error()
	}
}
