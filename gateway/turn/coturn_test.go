package turn_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/gateway/turn"
)

// A deployment may put coturn in the embedded server's place: Debian's must accept what we issue, and refuse what we
// would refuse.
func TestCoturnAcceptsOurCredentials(t *testing.T) {
	key := []byte("a key as keyfile makes them, of some sixty-four random bytes....")
	addr := startCoturn(t, turn.SecretFrom(key))
	credentials := turn.Credentials{Secret: turn.SecretFrom(key)}
	username, password := credentials.Issue(time.Now(), "peer-1")
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			requireEcho(t, allocate(t, dial(t, network, addr, username, password)), "127.0.0.1")
		})
	}
	for name, refused := range map[string]struct{ username, password string }{
		"wrong password": {username, "cGFzc3dvcmQ="},
		"expired":        issue(credentials, time.Now().Add(-2*time.Hour)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dial(t, "udp", addr, refused.username, refused.password).Allocate()
			require.Error(t, err)
		})
	}
}

func issue(credentials turn.Credentials, now time.Time) struct{ username, password string } {
	username, password := credentials.Issue(now, "peer-1")
	return struct{ username, password string }{username, password}
}

// startCoturn runs turnserver on a loopback address of its own, since it cannot pick a free port itself, and waits until it answers.
func startCoturn(t *testing.T, shared turn.Secret) (addr string) {
	t.Helper()
	binary, err := exec.LookPath("turnserver")
	require.NoError(t, err, "the package coturn is missing: go run github.com/go-task/task/v3/cmd/task@v3.52.0 setup:test")
	host := eventstest.Loopback()
	folder := t.TempDir()
	config := filepath.Join(folder, "turnserver.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `listening-ip=%s
relay-ip=127.0.0.1
listening-port=3478
min-port=48000
max-port=48999
use-auth-secret
static-auth-secret=%s
realm=%s
userdb=%[4]s/turn.db
pidfile=%[4]s/turn.pid
log-file=stdout
simple-log
allow-loopback-peers
cli-password=unused
no-cli
no-tls
no-dtls
`, host, string(shared), turn.DefaultRealm, folder), 0o600))

	output := &eventstest.Output{}
	command := exec.CommandContext(t.Context(), binary, "-c", config) // in the foreground, and killed when the test ends
	command.Stdout, command.Stderr = output, output
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	require.NoError(t, command.Start())
	ended, end := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		defer end()
		_ = command.Wait() // ended by a signal, so there is an error
	}()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended already
		<-ended.Done()
		if t.Failed() {
			t.Log(output.String())
		}
	})

	addr = net.JoinHostPort(host, "3478")
	require.Eventually(t, func() bool {
		var dialer net.Dialer
		conn, err := dialer.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, patience, 10*time.Millisecond, "coturn does not listen on %s", addr)
	return addr
}
