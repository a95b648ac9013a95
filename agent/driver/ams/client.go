package ams

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"streamstack/agent/driver"
)

// maxAnswer bounds what is read of an answer, in bytes: thousands of instances with all their fields.
const maxAnswer = 16 << 20

// Error is a refusal by AMS, or an answer that is not AMS's.
type Error struct {
	Code int    // HTTP's or AMS's; 0 for an answer that cannot be read
	Text string // for people
}

func (e *Error) Error() string { return "AMS: " + e.Text }

// isMissing tells whether AMS says that there is no such thing.
func isMissing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == http.StatusNotFound
}

// isRefusal tells whether AMS has answered and will answer the same again.
func isRefusal(err error) bool {
	var e *Error
	return errors.Is(err, ErrCertificate) || errors.As(err, &e) && e.Code >= 400 && e.Code < 500
}

// noRoom is how AMS's refusal begins when nothing fits any more (section 9). It has no code of its own.
const noRoom = "no suitable node"

// kind gives the error of a launch its kind (package driver). An instance's own failure has none.
func kind(err error) error {
	if strings.Contains(strings.ToLower(err.Error()), noRoom) {
		return driver.Because(driver.ErrFull, "%w", err)
	}
	return err
}

// client speaks HTTP with AMS. It may be used concurrently.
type client struct {
	base *url.URL
	http *http.Client
	// request bounds one request.
	request time.Duration
	log     *slog.Logger
}

func newClient(c Config) (*client, error) {
	base, err := c.address()
	if err != nil {
		return nil, err
	}
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &client{base: base, http: httpClient(config), request: c.times.request, log: c.Log}, nil
}

// httpClient speaks HTTP/1.1, as the event socket needs, directly, and goes where it was sent only: a proxy or a redirect
// would take it from the server that was recorded.
func httpClient(config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: requestTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do makes one request and reads the metadata of its answer into into, which may be nil.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.request, driver.Because(driver.ErrAway, "no answer within %s", c.request))
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("ams: %s %s: %w", method, path, err)
		}
		content = bytes.NewReader(text)
	}
	u := *c.base
	u.Path, u.RawQuery = path, query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return fmt.Errorf("ams: %s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ams: %s %s: %w", method, path, cause(ctx, err))
	}
	defer func() { _ = res.Body.Close() }() // it was read as far as it counts
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("ams: %s %s: %w", method, path, cause(ctx, err))
	}
	if err := open(res.StatusCode, text, into); err != nil {
		return fmt.Errorf("ams: %s %s: %w", method, path, err)
	}
	return nil
}

// cause is why a request failed, without the address that http.Client repeats.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, ErrCertificate) {
		return err
	}
	return driver.Because(driver.ErrAway, "%w", err)
}

// open reads an envelope. What is an error is decided by its type, as AMS's own client does (section 2); a status above
// 299 without one is an error too.
func open(status int, text []byte, into any) error {
	if len(text) > maxAnswer {
		return &Error{Text: fmt.Sprintf("an answer of more than %d bytes", maxAnswer)}
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		if status < 300 {
			return &Error{Text: "an answer that is not JSON: is this AMS?"}
		}
		return &Error{Code: status, Text: http.StatusText(status)}
	}
	if e.Type == "error" || status >= 300 {
		if e.ErrorCode == 0 {
			e.ErrorCode = status
		}
		if e.Error == "" {
			e.Error = http.StatusText(status)
		}
		return &Error{Code: e.ErrorCode, Text: e.Error}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(e.Metadata, into); err != nil {
		return &Error{Text: "an answer in a form that is not AMS's: " + err.Error()}
	}
	return nil
}

// get reads something, and tries thrice where AMS does not answer or says that it is its own fault.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	pause := retryFirst
	for try := 1; ; try++ {
		err := c.do(ctx, http.MethodGet, path, query, nil, into)
		if err == nil || isRefusal(err) || try == 3 {
			return err
		}
		if sleep(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

func recursive() url.Values { return url.Values{"recursion": {"1"}} }

func (c *client) operation(ctx context.Context, id string) (o operation, err error) {
	return o, c.get(ctx, "/1.0/operations/"+url.PathEscape(id), nil, &o)
}

func (c *client) instance(ctx context.Context, id string) (r remote, err error) {
	return r, c.get(ctx, "/1.0/instances/"+url.PathEscape(id), nil, &r)
}

// tagged lists the instances that have all of the tags. AMS's filter is asked too, and not relied on: whether all or any
// of several tags count is not told.
func (c *client) tagged(ctx context.Context, tags ...string) ([]remote, error) {
	query := recursive()
	if len(tags) > 0 {
		query.Set("tags", strings.Join(tags, ","))
	}
	var all, found []remote
	if err := c.get(ctx, "/1.0/instances", query, &all); err != nil {
		return nil, err
	}
	for _, r := range all {
		matches := !r.Base
		for _, tag := range tags {
			matches = matches && r.tagged(tag)
		}
		if matches {
			found = append(found, r)
		}
	}
	return found, nil
}

// remove asks for the end of an instance. One that is gone is none to AMS, and no error here.
func (c *client) remove(ctx context.Context, id string, force bool) error {
	body := struct {
		Force bool `json:"force"`
	}{force}
	err := c.do(ctx, http.MethodDelete, "/1.0/instances/"+url.PathEscape(id), nil, body, nil)
	if isMissing(err) {
		return nil
	}
	return err
}

// sleep waits, or returns the context's cause.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
