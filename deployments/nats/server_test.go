package natsd

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/events/trust"
)

// patience bounds every wait of these tests; a machine under load is slow.
const patience = 30 * time.Second

func testLog(t *testing.T) (*slog.Logger, *eventstest.Output) {
	t.Helper()
	b := &eventstest.Output{}
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

func start(t *testing.T, c Config) *Server {
	t.Helper()
	if c.Log == nil {
		c.Log, _ = testLog(t)
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Trust == nil {
		c.Trust = keysBeside(t, c.StoreDir)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Start(ctx, c)
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	require.NoError(t, s.Shutdown(ctx))
}

// keysBeside are the keys of the data folder that a store is in.
func keysBeside(t *testing.T, store string) *trust.Authority {
	t.Helper()
	keys, err := trust.Open(filepath.Join(filepath.Dir(store), "secrets"))
	require.NoError(t, err)
	return keys
}

// connected connects as a gateway.
func connected(t *testing.T, s *Server, keys *trust.Authority, o ...nats.Option) jetstream.JetStream {
	t.Helper()
	c, err := keys.Credentials(trust.Identity{Role: trust.Gateway}, time.Hour)
	require.NoError(t, err)
	nc, err := nats.Connect(s.ClientURL(), append(o, c.Options()...)...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

func TestWhatWasStoredIsThereAfterARestart(t *testing.T) {
	for _, sync := range []string{SyncAlways, SyncInterval} {
		t.Run(sync, func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "data", "nats")
			s := start(t, Config{StoreDir: store, Sync: sync})
			keys := keysBeside(t, store)
			js := connected(t, s, keys)
			_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "A", Subjects: []string{"work.a.b"}})
			require.NoError(t, err)
			_, err = js.Publish(t.Context(), "work.a.b", []byte("kept"))
			require.NoError(t, err)
			js.Conn().Close()
			stop(t, s)

			s = start(t, Config{StoreDir: store, Sync: sync})
			stream, err := connected(t, s, keys, s.InProcess()).Stream(t.Context(), "A")
			require.NoError(t, err)
			m, err := stream.GetMsg(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, "kept", string(m.Data))
		})
	}
}

func TestOnlyUsersOfItsKeysConnect(t *testing.T) {
	data := t.TempDir()
	log, text := testLog(t)
	store := filepath.Join(data, "nats")
	s := start(t, Config{StoreDir: store, Log: log})
	keys := keysBeside(t, store)
	_, err := nats.Connect(s.ClientURL())
	require.ErrorIs(t, err, nats.ErrAuthorization)
	require.EqualValues(t, 1<<20, connected(t, s, keys).Conn().MaxPayload())
	require.NotContains(t, s.ClientURL(), "@", "an address that may be shown")

	require.NoError(t, filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if filepath.Base(filepath.Dir(path)) == "secrets" {
			info, err := d.Info()
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), path)
		}
		return nil
	}))
	require.Contains(t, text.String(), "level=ERROR", "a refused client is told of")
	require.NotContains(t, text.String(), "level=WARN", "a sound start has nothing to warn of")
	foreign, err := keysBeside(t, filepath.Join(t.TempDir(), "nats")).Credentials(trust.Identity{Role: trust.Gateway}, 0)
	require.NoError(t, err)
	_, err = nats.Connect(s.ClientURL(), foreign.Options()...)
	require.ErrorIs(t, err, nats.ErrAuthorization, "a user of other keys")
}

func TestABusyPortNamesTheFlag(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	log, _ := testLog(t)
	store := filepath.Join(t.TempDir(), "nats")
	_, err = Start(t.Context(), Config{Listen: l.Addr().String(), StoreDir: store, Trust: keysBeside(t, store), Log: log})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, l.Addr().String())
	require.ErrorContains(t, err, "--nats-listen")
	require.NotContains(t, err.Error(), "\n")
	start(t, Config{StoreDir: store}) // the failed start holds nothing of the store
}

func TestTwoStacksOnOneStore(t *testing.T) {
	store := filepath.Join(t.TempDir(), "nats")
	s := start(t, Config{StoreDir: store})
	log, _ := testLog(t)
	_, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", StoreDir: store, Trust: keysBeside(t, store), Log: log})
	require.ErrorContains(t, err, "another stack runs on "+filepath.Dir(store))
	connected(t, s, keysBeside(t, store)) // the first one did not suffer
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	noFolder := filepath.Join(dir, "damaged")
	require.NoError(t, os.MkdirAll(noFolder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(noFolder, "jetstream"), nil, 0o600))
	ok := filepath.Join(dir, "nats")
	for name, x := range map[string]struct {
		config Config
		want   []string
	}{
		"no port":            {Config{Listen: "127.0.0.1", StoreDir: ok}, []string{"--nats-listen", "HOST:PORT"}},
		"port out of range":  {Config{Listen: "127.0.0.1:65536", StoreDir: ok}, []string{"--nats-listen"}},
		"foreign address":    {Config{Listen: "192.0.2.1:0", StoreDir: ok}, []string{"--nats-listen", "192.0.2.1:0"}},
		"sync":               {Config{Listen: "127.0.0.1:0", StoreDir: ok, Sync: "never"}, []string{"--sync", "always"}},
		"store under a file": {Config{Listen: "127.0.0.1:0", StoreDir: filepath.Join(file, "nats")}, []string{"--data"}},
		"read-only":          {Config{Listen: "127.0.0.1:0", StoreDir: "/proc/nats"}, []string{"/proc/nats"}},
		"no jetstream store": {Config{Listen: "127.0.0.1:0", StoreDir: noFolder}, []string{noFolder}},
	} {
		t.Run(name, func(t *testing.T) {
			x.config.Log, _ = testLog(t)
			x.config.Trust = keysBeside(t, ok)
			_, err := Start(t.Context(), x.config)
			require.Error(t, err)
			for _, w := range x.want {
				require.ErrorContains(t, err, w)
			}
			require.False(t, strings.Contains(err.Error(), "\n"), "one line")
		})
	}
}

func TestAnEndedContextEndsTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log, _ := testLog(t)
	store := filepath.Join(t.TempDir(), "nats")
	s, err := Start(ctx, Config{Listen: "127.0.0.1:0", StoreDir: store, Trust: keysBeside(t, store), Log: log})
	if err == nil { // the server was quicker
		stop(t, s)
		return
	}
	require.ErrorIs(t, err, context.Canceled)
	start(t, Config{StoreDir: store})
}

func TestDialHost(t *testing.T) {
	for listen, want := range map[string]string{
		"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "127.0.0.1": "127.0.0.1", "nats.example": "nats.example", "::1": "::1",
	} {
		require.Equal(t, want, dialHost(listen), listen)
	}
}
