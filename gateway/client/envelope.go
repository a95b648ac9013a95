package client

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

	"streamstack/events"
)

// maxAnswer is the longest answer that is read, in bytes: far beyond any list, and short of what would fill the memory.
const maxAnswer = 64 << 20

// errAnswer is returned for an answer that no gateway gives.
var errAnswer = errors.New("the answer is not a gateway's: check the address")

// Error is an error that the gateway answered with (gateway-api.md, section 3).
type Error struct {
	Status  int    // of HTTP
	Code    string // for programs, such as no_capacity; empty where the gateway names none
	Message string // for people
}

// Error is the gateway's message.
func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the gateway refused with status %d", e.Status)
	}
	return e.Message
}

// IsStatus tells whether the gateway answered with this HTTP status.
func IsStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// envelope is the answer to every call.
type envelope struct {
	Status    string     `json:"status"`
	Error     string     `json:"error"`
	Code      string     `json:"code"`
	TotalSize int        `json:"total_size"`
	Next      events.Seq `json:"next"`
	Metadata  events.Raw `json:"metadata"`
}

// api does the calls of [Client] and [Admin].
type api struct {
	base  string // without a final slash
	token string // empty on the admin socket
	where string // for messages
	http  *http.Client
}

// call sends body, if it is not nil, and reads the metadata of an answer with the wanted status into v, if that is not
// nil. Any other answer is an [Error].
func (a api) call(ctx context.Context, method, path string, body any, want int, v any) (envelope, error) {
	var send io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return envelope{}, fmt.Errorf("client: %w", err)
		}
		send = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, send)
	if err != nil {
		return envelope{}, fmt.Errorf("client: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Macaroon root="+a.token)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return envelope{}, fmt.Errorf("%s does not answer: is it up? %w", a.where, cause(err))
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end, or is of no use
	e, err := a.read(res)
	if err != nil {
		return envelope{}, err
	}
	if res.StatusCode != want || e.Status != "success" {
		return envelope{}, a.refused(res.StatusCode, e)
	}
	if v == nil {
		return e, nil
	}
	if err := json.Unmarshal(e.Metadata, v); err != nil {
		return envelope{}, fmt.Errorf("%s: %w (%w)", a.where, errAnswer, err)
	}
	if c, ok := v.(interface{ check() error }); ok {
		if err := c.check(); err != nil {
			return envelope{}, fmt.Errorf("%s: %w", a.where, err)
		}
	}
	return e, nil
}

func (a api) read(res *http.Response) (envelope, error) {
	strange := fmt.Errorf("%s: %w (status %d)", a.where, errAnswer, res.StatusCode)
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return envelope{}, strange
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return envelope{}, fmt.Errorf("%s broke off: %w", a.where, cause(err))
	}
	var e envelope
	if len(text) > maxAnswer || json.Unmarshal(text, &e) != nil || e.Status == "" {
		return envelope{}, strange
	}
	return e, nil
}

func (a api) refused(status int, e envelope) error {
	err := &Error{Status: status, Code: e.Code, Message: e.Error}
	if status == http.StatusUnauthorized {
		return fmt.Errorf("%w: make a token with `streamstack account create NAME` and hand it on as STREAMSTACK_TOKEN", err)
	}
	return err
}

// cause is what went wrong with a request, without the address, which the library repeats.
func cause(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
