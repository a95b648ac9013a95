package bench

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	natsd "streamstack/deployments/nats"
)

// plainServer is a nats-server with the limits of `up`'s and without its roles: a benchmark appends as everybody.
func plainServer(b *testing.B, dir, sync string) (url string) {
	b.Helper()
	s := startPlain(b, dir, sync)
	b.Cleanup(func() { stopPlain(s) })
	return s.ClientURL()
}

func startPlain(b *testing.B, dir, sync string) *server.Server {
	b.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
		SyncAlways: sync == natsd.SyncAlways, SyncInterval: 5 * time.Second,
	})
	require.NoError(b, err)
	s.Start()
	require.True(b, s.ReadyForConnections(patience))
	return s
}

func stopPlain(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}
