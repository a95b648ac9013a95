package instanceapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/net/netutil"

	"streamstack/streamer/datasocket"
)

// SocketName is the socket's in its folder.
const SocketName = "api.unix"

const (
	// maxConnections at once: a program, a scraper, and room for those that leave theirs open.
	maxConnections = 16
	// maxBody bounds what a request says, in bytes; all settings together are some hundred. maxHeader bounds what comes before.
	maxBody, maxHeader = 16 << 10, 16 << 10
	// readTime is for a request to come in, writeTime for the answer to be taken, idleTime for the next request on a connection.
	readTime, writeTime, idleTime = 5 * time.Second, 10 * time.Second, time.Minute
	// stopTime is for requests that are under way at the end.
	stopTime = time.Second
)

// Config is a server's; all is required.
type Config struct {
	// Socket is the socket's path. Its folder is made if it is not there.
	Socket   string
	Platform Platform
	// Metrics answers /1.0/metrics.
	Metrics http.Handler
	Log     *slog.Logger
}

// Serve answers requests until ctx ends. When it returns the socket is gone and no request is under way. The error tells why there was
// no socket; the stream does not need it.
func Serve(ctx context.Context, cfg Config) error {
	l, remove, err := datasocket.Listen(ctx, filepath.Dir(cfg.Socket), filepath.Base(cfg.Socket))
	if err != nil {
		return fmt.Errorf("instanceapi: %w", err)
	}
	defer remove()
	server := &http.Server{
		Handler: Handler(cfg.Platform, cfg.Metrics), ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug), // of callers' mistakes
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = server.Serve(netutil.LimitListener(l, maxConnections))
	}()
	select {
	case <-ended:
		return fmt.Errorf("instanceapi: %w", errors.Join(err, server.Close()))
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if server.Shutdown(stop) != nil {
		_ = server.Close() // which is all that is left to do
	}
	<-ended
	return nil
}

// Handler is the API without its socket.
func Handler(p Platform, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/1.0/platform", func(w http.ResponseWriter, r *http.Request) { platform(w, r, p) })
	mux.HandleFunc("/1.0/metrics", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuseMethod(w, r, http.MethodGet)
			return
		}
		metrics.ServeHTTP(w, r)
	})
	known := map[string]bool{"/1.0/platform": true, "/1.0/metrics": true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Before the mux, which would redirect what is not clean, and answer without an envelope.
		if !known[r.URL.Path] {
			fail(w, http.StatusNotFound, "there is no such path here: use /1.0/platform or /1.0/metrics")
			return
		}
		mux.ServeHTTP(w, r)
	})
}
