package docker

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/podmantest"
)

var errLost = errors.New("the answer is lost")

// losing is an engine whose answer that a container is made never arrives: lose is called when it is, with the request's context,
// and the connection ends when it returns. It returns where that engine listens.
func losing(t *testing.T, e *podmantest.Engine, lose func(context.Context)) string {
	t.Helper()
	socket, _ := strings.CutPrefix(e.Socket, "unix://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.StatusCode == http.StatusCreated && strings.HasSuffix(r.Request.URL.Path, "/containers/create") {
			lose(r.Request.Context())
			return errLost
		}
		return nil
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close() // without an answer
		}
	}
	path := filepath.Join(t.TempDir(), "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: patience}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return "unix://" + path
}

// A container that the engine has made is gone after the launch failed, also where nobody ever heard of it: the connection broke, or
// the time was up before the answer came.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	e := engine(t)
	c := config(t, e)
	var made atomic.Int32
	c.Engine = losing(t, e, func(context.Context) { made.Add(1) })
	d := open(t, c)
	_, err := d.Launch(t.Context(), spec("steady"))
	require.ErrorIs(t, err, driver.ErrAway)
	require.EqualValues(t, 1, made.Load())
	require.Empty(t, of(e, c))
	s := spec("steady")
	_, err = d.Warm(t.Context(), driver.WarmSpec{ID: "warm-" + uuid.NewString(), Application: s.Application, Screen: s.Screen})
	require.ErrorIs(t, err, driver.ErrAway)
	require.EqualValues(t, 2, made.Load())
	require.Empty(t, of(e, c))

	ctx, expire := context.WithCancelCause(t.Context())
	c = config(t, e)
	c.Engine = losing(t, e, func(asking context.Context) { expire(context.DeadlineExceeded); <-asking.Done() })
	_, err = open(t, c).Launch(ctx, spec("steady"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, of(e, c))
}
