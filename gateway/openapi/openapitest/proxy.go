package openapitest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// Proxy stands before a gateway that runs in another process, or whose handler cannot be had, and checks what passes:
// REST, streams of events, and the handshakes of websockets. It keeps the Host of a request, so that the addresses in the
// answers lead through it too. It returns where it listens, on loopback, until the test ends.
//
// A connection that the gateway breaks is broken towards the client too, and is no exchange.
func Proxy(t testing.TB, gateway string) string {
	t.Helper()
	target, err := url.Parse(gateway)
	if err != nil {
		t.Fatalf("openapitest: the gateway's address: %v", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1,                                                                              // what is streamed is passed on at once
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, //nolint:forbidigo // net/http's way to break a connection
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		Transport:     &http.Transport{DisableCompression: true},
	}
	checker := New(t)
	s := httptest.NewUnstartedServer(checker.Wrap(proxy))
	s.Config.ErrorLog = proxy.ErrorLog
	s.Start()
	// Not Close, which waits for the connections: a client may leave one open for as long as its test, and longer.
	t.Cleanup(func() {
		_ = s.Listener.Close()
		s.CloseClientConnections()
	})
	return s.URL
}
