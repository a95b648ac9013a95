package ams

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is an error and what it says (section 2).
func TestAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		text   string
		says   string // empty: no error
		code   int
	}{
		"well":                        {200, `{"type":"sync","metadata":{"id":"x"}}`, "", 0},
		"error":                       {404, `{"type":"error","error":"instance not found","error_code":404}`, "AMS: instance not found", 404},
		"an error with status 200":    {200, `{"type":"error","error":"instance not found","error_code":404}`, "AMS: instance not found", 404},
		"an error without a code":     {403, `{"type":"error"}`, "AMS: Forbidden", 403},
		"no JSON":                     {502, `<html>`, "AMS: Bad Gateway", 502},
		"no JSON, and well":           {200, `<html>`, "is this AMS?", 0},
		"another form":                {200, `{"type":"sync","metadata":["x"]}`, "a form that is not AMS's", 0},
		"a redirect":                  {302, `{"type":"sync","metadata":{"id":"x"}}`, "AMS: Found", 302},
		"no metadata where it counts": {200, `{"type":"sync"}`, "a form that is not AMS's", 0},
	} {
		var o operation
		err := open(row.status, []byte(row.text), &o)
		if row.says == "" {
			require.NoError(t, err, name)
			require.Equal(t, "x", o.ID)
			continue
		}
		var e *Error
		require.ErrorAs(t, err, &e, name)
		require.ErrorContains(t, err, row.says, name)
		require.Equal(t, row.code, e.Code, name)
	}
}

// An answer without end is not read to its end, one without beginning not waited for, and a redirect is not followed.
func TestBounds(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.times.request = 300 * time.Millisecond })
	t.Run("huge", func(t *testing.T) {
		var sent atomic.Int64
		r.ams.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for sent.Load() < 64<<20 {
				n, err := w.Write(chunk)
				sent.Add(int64(n))
				if err != nil {
					return true
				}
			}
			return true
		})
		err := r.client.do(r.context(), http.MethodGet, "/1.0", nil, nil, nil)
		require.Error(t, err)
		require.Less(t, sent.Load(), int64(64<<20))
	})
	t.Run("none", func(t *testing.T) {
		r.ams.Intercept(func(_ http.ResponseWriter, q *http.Request) bool {
			<-q.Context().Done()
			return true
		})
		err := r.client.do(r.context(), http.MethodGet, "/1.0", nil, nil, nil)
		require.ErrorContains(t, err, "no answer within 300ms")
		ctx, cancel := context.WithCancel(r.context())
		cancel()
		require.ErrorIs(t, r.client.get(ctx, "/1.0", nil, nil), context.Canceled)
	})
	t.Run("elsewhere", func(t *testing.T) {
		r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
			http.Redirect(w, q, "https://127.0.0.1:1/1.0", http.StatusFound)
			return true
		})
		require.ErrorContains(t, r.client.do(r.context(), http.MethodGet, "/1.0", nil, nil, nil), "AMS: Found")
	})
}

// A read is tried again where AMS is at fault, and not where it refuses.
func TestRetries(t *testing.T) {
	r := newRig(t, nil)
	for code, want := range map[int]int32{500: 3, 404: 1, 403: 1} {
		var asked atomic.Int32
		r.ams.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			asked.Add(1)
			w.WriteHeader(code)
			return true
		})
		require.Error(t, r.client.get(r.context(), "/1.0", nil, nil))
		require.Equal(t, want, asked.Load(), code)
	}
}

func TestSubject(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":"operation","metadata":{"id":"9a0c"}}`:                                        "9a0c",
		`{"type":"lifecycle","metadata":{"source":"/1.0/instances/d0k3va05q1fs73a1b2cg"}}`:     "d0k3va05q1fs73a1b2cg",
		`{"type":"lifecycle","metadata":{"source":"d0k3va05q1fs73a1b2cg"}}`:                    "d0k3va05q1fs73a1b2cg",
		`{"type":"lifecycle","metadata":{"source":"/"}}`:                                       "",
		`{"type":"lifecycle","metadata":{}}`:                                                   "",
		`{"type":"logging","metadata":{"id":"9a0c"}}`:                                          "",
		`{"type":"operation","metadata":[]}`:                                                   "",
		`{`:                                                                                    "",
		`{"type":"lifecycle","metadata":{"source":"https://h/1.0/containers/c1?project=def"}}`: "c1?project=def",
	} {
		require.Equal(t, want, subject([]byte(text)), text)
	}
}

// No event, however odd, stops the feed.
func FuzzSubject(f *testing.F) {
	f.Add([]byte(`{"type":"operation","metadata":{"id":"9a0c"}}`))
	f.Add([]byte(`{"type":"lifecycle","metadata":{"source":"/1.0/instances/x/"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if id := subject(text); id != "" && !json.Valid(text) {
			t.Errorf("%q of what is no JSON", id)
		}
	})
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"3GB": 3 << 30, " 16 GB ": 16 << 30, "512MB": 512 << 20, "1kB": 1024, "2TB": 2 << 40, "77": 77, "77B": 77,
		"": 0, "GB": 0, "-3GB": 0, "3PB": 0, "9999999999999TB": 0, "3.5GB": 0} {
		require.Equal(t, want, parseSize(text), text)
	}
}
