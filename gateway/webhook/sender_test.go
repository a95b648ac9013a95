package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func send(t *testing.T, g Guard, timeout time.Duration, url string) *failure {
	t.Helper()
	s := newSender(g, timeout)
	defer s.close()
	err := s.send(t.Context(), url, nil, events.Event{ID: "x", Data: events.Raw("{}")})
	if err == nil {
		return nil
	}
	var f *failure
	require.True(t, errors.As(err, &f), err)
	return f
}

// Whatever an endpoint does, an attempt ends in time with a reason in words, and goes nowhere else.
func TestAttempts(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t)
	mux := http.NewServeMux()
	status := func(path string, code int, headers ...string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
		})
	}
	status("/ok", http.StatusCreated)
	status("/moved", http.StatusTemporaryRedirect, "Location", elsewhere.server.URL)
	status("/busy", http.StatusTooManyRequests, "Retry-After", "120")
	status("/gone", http.StatusGone, "Retry-After", "nonsense")
	status("/ages", http.StatusServiceUnavailable, "Retry-After", "99999999999")
	status("/date", http.StatusServiceUnavailable, "Retry-After", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
	status("/past", http.StatusServiceUnavailable, "Retry-After", "-5")
	status("/header", http.StatusOK, "X-Long", strings.Repeat("x", 2*maxAnswerHeader))
	release := make(chan struct{})
	mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { <-release })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(release)

	require.Nil(t, send(t, Guard{}, time.Minute, server.URL+"/ok"))
	require.Nil(t, send(t, Guard{}, time.Minute, server.URL+"/endless"), "an answer is read up to a limit")
	for path, want := range map[string]string{
		"/moved": "307 Temporary Redirect; redirects are not followed", "/gone": "410 Gone", "/header": "header", "/none": "404",
	} {
		require.Contains(t, send(t, Guard{}, time.Minute, server.URL+path).reason, want)
	}
	require.Zero(t, elsewhere.tries)
	for path, want := range map[string]time.Duration{"/busy": 2 * time.Minute, "/gone": 0, "/ages": maxRetryAfter, "/past": 0} {
		require.Equal(t, want, send(t, Guard{}, time.Minute, server.URL+path).after, path)
	}
	require.InDelta(t, 10*time.Minute, send(t, Guard{}, time.Minute, server.URL+"/date").after, float64(time.Minute))
	begun := time.Now()
	require.Equal(t, "it did not answer in time", send(t, Guard{}, 200*time.Millisecond, server.URL+"/slow").reason)
	require.Less(t, time.Since(begun), within)
}

// What failed is said without the URL: it may hold a key of the receiver.
func TestReasonsDoNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	closed := fmt.Sprintf("http://127.0.0.1:%d", eventstest.ClosedPort(t))
	for _, f := range []*failure{send(t, Guard{}, time.Second, closed+"/?key=hush"), send(t, Guard{Public: true}, time.Second, closed+"/?key=hush")} {
		require.NotNil(t, f)
		require.NotContains(t, f.reason, "hush")
	}
}

// The guard sees the address that a name resolves to, when it is dialled.
func TestTheGuardSeesResolvedAddresses(t *testing.T) {
	t.Parallel()
	to := newReceiver(t)
	_, port, err := net.SplitHostPort(to.server.Listener.Addr().String())
	require.NoError(t, err)
	f := send(t, Guard{Public: true}, 5*time.Second, "http://localhost:"+port)
	require.NotNil(t, f)
	require.Contains(t, f.reason, "--webhook-allow")
	require.Zero(t, to.tries)
	require.Nil(t, send(t, Guard{Public: true, Allow: prefixes("127.0.0.0/8", "::1/128")}, 5*time.Second, "http://localhost:"+port))
	require.Equal(t, 1, to.tries)
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 2 * time.Minute, 10000: 2 * time.Minute} {
		require.Equal(t, want, usualTiming.backoff(n, usualTiming.lastRetry), n)
	}
	for _, x := range []timing{usualTiming, quickTiming} {
		require.Greater(t, x.ack, x.alive+x.fresh+x.attempt, "see timing")
		require.Greater(t, x.pin, x.pull)
		require.Greater(t, x.fresh, x.pull)
	}
}
