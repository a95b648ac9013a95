package command

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/client"
	"streamstack/gateway/openapi/openapitest"
	"streamstack/gateway/turn"
)

func options(t *testing.T, log *events.Log) Options {
	t.Helper()
	peers, err := turn.LocalNetworks()
	require.NoError(t, err)
	return Options{Data: t.TempDir(), Listen: "127.0.0.1:0", TURNListen: "127.0.0.1:0", TURNPeers: peers, Version: "test",
		Log: log, Logger: slog.New(slog.DiscardHandler)}
}

// runs runs a service until the test, or the caller, ends it.
func runs(t *testing.T, s *Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	stop = func() {
		cancel()
		err := <-done
		done <- err
		require.NoError(t, err)
	}
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("ended at its start: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("not ready")
	}
	return stop
}

// A whole gateway: REST, console, TURN in every answer, and an admin socket that only its owner may open.
func TestService(t *testing.T) {
	t.Parallel()
	o := options(t, eventstest.Log(t))
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	stop := runs(t, s)
	require.True(t, strings.HasPrefix(s.URL(), "http://127.0.0.1:"))
	require.True(t, strings.HasPrefix(s.TURN(), "turn:127.0.0.1:"))
	socket := filepath.Join(o.Data, AdminSocket)
	require.Equal(t, client.AdminSocket(o.Data), socket)
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(o.Data, Secrets))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	account, err := client.NewAdmin(socket).Create(t.Context(), "kim", time.Hour, false)
	require.NoError(t, err)
	checked := openapitest.Proxy(t, s.URL())
	c, err := client.New(checked, account.Token)
	require.NoError(t, err)
	_, total, err := c.List(t.Context(), client.ListOptions{})
	require.NoError(t, err)
	require.Zero(t, total)
	_, err = c.Create(t.Context(), client.CreateRequest{App: "testcard"})
	require.True(t, client.IsStatus(err, http.StatusBadRequest), "%v", err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, checked+"/", http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "the console")

	stop()
	require.NoFileExists(t, socket)
	s.Close() // again is fine
	// The same folder, the same secrets: the token is good after a restart.
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	runs(t, s)
	c, err = client.New(s.URL(), account.Token)
	require.NoError(t, err)
	_, _, err = c.List(t.Context(), client.ListOptions{})
	require.NoError(t, err)
}

// What stands in the way is said in one line, with what to do; and nothing stays open.
func TestOpenErrors(t *testing.T) {
	t.Parallel()
	log := eventstest.Log(t)
	busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() }) // the test's end
	for name, c := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"busy":         {func(o *Options) { o.Listen = busy.Addr().String() }, []string{busy.Addr().String(), "in use", "--listen"}},
		"TURN busy":    {func(o *Options) { o.TURNListen = busy.Addr().String() }, []string{"in use", "--turn-listen"}},
		"not ours":     {func(o *Options) { o.Listen = "203.0.113.7:0" }, []string{"203.0.113.7", "--listen"}},
		"no port":      {func(o *Options) { o.Listen = "127.0.0.1" }, []string{"127.0.0.1", "--listen"}},
		"no folder":    {func(o *Options) { o.Data = "/proc/streamstack" }, []string{"/proc/streamstack", "--data"}},
		"long path":    {func(o *Options) { o.Data += "/" + strings.Repeat("x", 100) }, []string{"107 bytes", "--data"}},
		"open secrets": {func(o *Options) { loosen(t, o.Data) }, []string{"chmod 600"}},
		"a file, not ours": {func(o *Options) {
			require.NoError(t, os.WriteFile(filepath.Join(o.Data, AdminSocket), []byte("precious"), 0o600))
		}, []string{"admin.sock", "no socket"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, log)
			c.change(&o)
			_, err := Open(t.Context(), o)
			require.Error(t, err)
			for _, want := range c.want {
				require.Contains(t, err.Error(), want)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// loosen makes the root keys readable by all.
func loosen(t *testing.T, data string) {
	t.Helper()
	dir := filepath.Join(data, Secrets)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "macaroon.keys"), []byte("x"), 0o600))
	require.NoError(t, os.Chmod(filepath.Join(dir, "macaroon.keys"), 0o644))
}

// A second gateway on a folder is refused and leaves the first one alone; what a killed one left is taken over.
func TestOneGatewayPerFolder(t *testing.T) {
	t.Parallel()
	log := eventstest.Log(t)
	o := options(t, log)
	first, err := Open(t.Context(), o)
	require.NoError(t, err)
	_, err = Open(t.Context(), o)
	require.ErrorContains(t, err, "another gateway runs on "+o.Data)
	require.FileExists(t, filepath.Join(o.Data, AdminSocket))
	// As kill -9 does: the file stays, nobody listens.
	l, ok := first.admin.(*net.UnixListener)
	require.True(t, ok)
	l.SetUnlinkOnClose(false)
	first.Close()
	require.FileExists(t, filepath.Join(o.Data, AdminSocket))
	next, err := Open(t.Context(), o)
	require.NoError(t, err)
	runs(t, next)
	_, err = client.NewAdmin(filepath.Join(o.Data, AdminSocket)).List(t.Context())
	require.NoError(t, err)
}
