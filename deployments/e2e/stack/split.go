package stack

import (
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/connect"
	"streamstack/gateway/client"
)

// natsServer builds the nats-server of the version that go.mod names, once for a run of the tests.
var natsServer = sync.OnceValues(func() (string, error) {
	path, err := binary()
	if err != nil {
		return "", err
	}
	path = filepath.Join(filepath.Dir(path), "nats-server")
	return path, exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").Run()
})

// Apart says where the components of [Split] run.
type Apart struct {
	NATSHost     string   // that nats-server listens on, 127.0.0.1 if empty
	AgentWrapper []string // such as ip netns exec NAME
	GatewayFlags []string
	// Trust has nats-server run in operator mode, and gives each component credentials of its role.
	Trust bool
}

// Split starts NATS, a gateway and an agent as processes of their own.
func Split(t testing.TB, data string, a Apart) *Stack {
	t.Helper()
	server, err := natsServer()
	require.NoError(t, err, "build nats-server")
	host := a.NATSHost
	if host == "" {
		host = "127.0.0.1"
	}
	ports := filepath.Join(data, "ports")
	var config []string
	if a.Trust {
		config = []string{"-c", operatorMode(t, data)}
	}
	argv := func(port string) []string {
		return append([]string{server, "-a", host, "-p", port, "-js", "-sd", filepath.Join(data, "nats"), "--ports_file_dir", data, "-l", ports + ".log"}, config...)
	}
	nats := start(t, argv("-1"), nil)
	url := natsURL(t, nats, data)
	as := func(role ...string) []string {
		if !a.Trust {
			return []string{"--nats", url}
		}
		return []string{"--nats", url, "--creds", credentials(t, data, url, role...)}
	}
	find := as("operator")

	gw := Run(t, slices.Concat([]string{"gateway", "--data", filepath.Join(data, "g"), "--listen", "127.0.0.1:0", "--turn-listen", "127.0.0.1:0"}, as("gateway"), a.GatewayFlags)...)
	s := &Stack{t: t, Process: gw, Data: data, Find: find}
	s.restartNATS = func() {
		nats.Signal(syscall.SIGTERM)
		nats.Wait()
		address := strings.TrimPrefix(url, "nats://")
		nats.run(argv(address[strings.LastIndexByte(address, ':')+1:]), nil) // the same process to the test: it ends last
		Eventually(t, startTime, func() string {
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
			if err != nil {
				return "NATS on " + address + " again: " + err.Error()
			}
			_ = c.Close() // it was a question
			return ""
		})
	}
	Eventually(t, startTime, func() string {
		_, address, found := strings.Cut(gw.Stdout(), "gateway: ")
		if s.Gateway = strings.TrimSpace(address); !found {
			return "the gateway's address; it says: " + gw.Stderr()
		}
		return ""
	})
	token, code := Command(t, "account", "create", "e2e", "--data", filepath.Join(data, "g"))
	require.Zero(t, code, token)
	s.Endpoints = connect.Endpoints{Gateway: s.Gateway, NATS: url, Token: strings.TrimSpace(token)}
	s.Client, err = client.New(s.Gateway, s.Token)
	require.NoError(t, err)

	agent := RunIn(t, a.AgentWrapper, nil, slices.Concat([]string{"agent", "--data", filepath.Join(data, "a")}, as("agent", "--region", "local"))...)
	Eventually(t, startTime, func() string {
		apps, err := s.Client.Applications(t.Context())
		if err != nil || len(apps) == 0 {
			return "the agent's applications; the agent says: " + agent.Stderr()
		}
		return ""
	})
	return s
}

// RestartNATS ends the NATS server of [Split] and starts it again with the same port and data, while all else runs on.
func (s *Stack) RestartNATS() {
	s.t.Helper()
	require.NotNil(s.t, s.restartNATS, "only a split stack has a NATS server of its own")
	s.restartNATS()
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
