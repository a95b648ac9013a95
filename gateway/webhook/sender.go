package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"streamstack/events"
)

const (
	// contentType of a delivery: CloudEvents 1.0, HTTP binding, structured mode.
	contentType = "application/cloudevents+json; charset=utf-8"
	userAgent   = "streamstack-webhook/1"
	// maxAnswer is how much of an answer is read, in bytes, so that the connection can be used again.
	maxAnswer = 16 << 10
	// maxAnswerHeader is how long an answer's headers may be, in bytes.
	maxAnswerHeader = 16 << 10
	// maxRetryAfter is the longest wait that an endpoint may ask for.
	maxRetryAfter = time.Hour
)

// failure is an attempt that did not succeed, in words for the operator.
type failure struct {
	reason string
	// after is how long the endpoint asks to be left alone (RFC 9110, section 10.2.3); 0 if it does not.
	after time.Duration
}

func (f *failure) Error() string { return f.reason }

// sender makes single attempts. It is safe for concurrent use.
type sender struct {
	client *http.Client
	now    func() time.Time
}

// newSender makes a sender whose attempts last at most timeout, answers included.
func newSender(g Guard, timeout time.Duration) *sender {
	dialer := &net.Dialer{Timeout: timeout / 2, Control: g.control}
	return &sender{now: time.Now, client: &http.Client{
		Timeout: timeout,
		// A redirect is a failure: it would take the event elsewhere, past what the operator entered.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			// No proxy of the environment: it would be dialled in the endpoint's place, and the guard sees only that.
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: timeout / 2,
			MaxIdleConnsPerHost: maxJobs, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswerHeader,
		},
	}}
}

// close lets go of idle connections.
func (s *sender) close() { s.client.CloseIdleConnections() }

// send posts one event. An answer of 2xx is success; everything else is a [failure].
func (s *sender) send(ctx context.Context, to string, secrets []Secret, e events.Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return &failure{reason: "the event has no JSON form: " + err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return &failure{reason: "the URL is none"}
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", userAgent)
	sign(req.Header, secrets, messageID(e), s.now(), body)
	res, err := s.client.Do(req)
	if err != nil {
		return &failure{reason: problem(err)}
	}
	defer func() { _ = res.Body.Close() }() // what was not read is of no interest
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode/100 == 2 {
		return nil
	}
	f := &failure{reason: "it answered " + strconv.Itoa(res.StatusCode) + " " + http.StatusText(res.StatusCode)}
	if res.StatusCode/100 == 3 {
		f.reason += "; redirects are not followed"
	}
	f.after = retryAfter(res.Header.Get("Retry-After"), s.now())
	return f
}

// messageID is the event's id, the same at each attempt. One that is no name, as only a forged event has, would not make a
// header; its place in the log stands for it.
func messageID(e events.Event) string {
	sound := len(e.ID) > 0 && len(e.ID) <= 64
	for _, c := range []byte(e.ID) {
		sound = sound && (c == '-' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
	}
	if !sound {
		return fmt.Sprintf("sequence-%d", e.Sequence)
	}
	return e.ID
}

// problem says what went wrong, without the URL, which may hold a key of the receiver.
func problem(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var n net.Error
	switch {
	case errors.Is(err, ErrAddress):
		return err.Error()
	case errors.As(err, &n) && n.Timeout():
		return "it did not answer in time"
	}
	return err.Error()
}

// retryAfter reads a wait in seconds or a date, bounded.
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(n, int(maxRetryAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(text); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
