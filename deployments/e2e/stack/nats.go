package stack

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
)

// natsServer builds the nats-server of the version that go.mod names, once for a run of the tests.
var natsServer = sync.OnceValues(func() (string, error) {
	path, err := binary()
	if err != nil {
		return "", err
	}
	path = filepath.Join(filepath.Dir(path), "nats-server")
	return path, exec.Command("go", "build", "-ldflags=-w", "-o", path, "github.com/nats-io/nats-server/v2").Run()
})

// natsProcess is a nats-server as a process of its own, which keeps port and data when it is started again.
type natsProcess struct {
	*Process
	url string
	// as are the flags with which a component of a role connects.
	as   func(role ...string) []string
	argv func(port string) []string
}

// startNATS starts nats-server with its data in a folder.
func startNATS(t testing.TB, data string, a Apart) *natsProcess {
	t.Helper()
	server, err := natsServer()
	require.NoError(t, err, "build nats-server")
	host := a.NATSHost
	if host == "" {
		host = eventstest.Loopback() // nobody takes its port while it is away
	}
	var config []string
	if a.Trust {
		config = []string{"-c", operatorMode(t, data)}
	}
	n := &natsProcess{argv: func(port string) []string {
		return append([]string{server, "-a", host, "-p", port, "-js", "-sd", filepath.Join(data, "nats"), "--ports_file_dir", data, "-l", filepath.Join(data, "ports.log")}, config...)
	}}
	n.Process = start(t, n.argv("-1"), nil)
	n.url = natsURL(t, n.Process, data)
	n.as = func(role ...string) []string {
		if !a.Trust {
			return []string{"--nats", n.url}
		}
		return []string{"--nats", n.url, "--creds", credentials(t, data, n.url, role...)}
	}
	return n
}

// stop ends the server with a signal.
func (n *natsProcess) stop(s syscall.Signal) {
	n.Signal(s)
	n.Wait()
}

// again starts a server that has ended, on the same port; it returns when that answers.
func (n *natsProcess) again() {
	address := strings.TrimPrefix(n.url, "nats://")
	n.run(n.argv(address[strings.LastIndexByte(address, ':')+1:]), nil) // the same process to the test: it ends last
	Eventually(n.t, startTime, func() string {
		c, err := new(net.Dialer).DialContext(n.t.Context(), "tcp", address)
		if err != nil {
			return "NATS on " + address + " again: " + err.Error()
		}
		_ = c.Close() // it was a question
		return ""
	})
}

// restart ends the server in order and starts it again.
func (n *natsProcess) restart() {
	n.stop(syscall.SIGTERM)
	n.again()
}

// natsURL reads the port that nats-server picked from the file that it writes.
func natsURL(t testing.TB, p *Process, dir string) string {
	t.Helper()
	var url string
	Eventually(t, startTime, func() string {
		files, err := filepath.Glob(filepath.Join(dir, "*.ports"))
		if err != nil || len(files) == 0 {
			return "the ports file of nats-server; it says: " + p.Stderr()
		}
		url = firstURL(files[0])
		if url == "" {
			return "an address in " + files[0]
		}
		return ""
	})
	return url
}
