package stack

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/connect"
	"streamstack/gateway/client"
)

// Apart says where the components of [Split] run.
type Apart struct {
	NATSHost     string   // that nats-server listens on, a loopback address of its own if empty
	AgentWrapper []string // such as ip netns exec NAME
	GatewayFlags []string
	AgentFlags   []string
	// Trust has nats-server run in operator mode, and gives each component credentials of its role.
	Trust bool
}

// Split starts NATS, a gateway and an agent as processes of their own.
func Split(t testing.TB, data string, a Apart) *Stack {
	t.Helper()
	nats := startNATS(t, data, a)
	url, as := nats.url, nats.as
	find := as("operator")

	gw := Run(t, slices.Concat([]string{"gateway", "--data", filepath.Join(data, "g"), "--listen", "127.0.0.1:0", "--turn-listen", "127.0.0.1:0"}, as("gateway"), a.GatewayFlags)...)
	s := &Stack{t: t, Process: gw, Data: data, Find: find}
	s.restartNATS = nats.restart
	Eventually(t, startTime, func() string {
		_, address, found := strings.Cut(gw.Stdout(), "gateway: ")
		if s.Gateway = strings.TrimSpace(address); !found {
			return "the gateway's address; it says: " + gw.Stderr()
		}
		return ""
	})
	token, code := Command(t, "account", "create", "e2e", "--data", filepath.Join(data, "g"))
	require.Zero(t, code, token)
	s.Endpoints = connect.Endpoints{Gateway: checked(t, s.Gateway), NATS: url, Token: strings.TrimSpace(token)}
	var err error
	s.Client, err = client.New(s.Gateway, s.Token)
	require.NoError(t, err)

	s.startAgent(a.AgentWrapper, slices.Concat(as("agent", "--region", "local"), a.AgentFlags))
	return s
}

// startAgent starts an agent as a process of its own, and returns when the gateway knows what it can run.
func (s *Stack) startAgent(wrapper, flags []string) {
	s.t.Helper()
	agent := RunIn(s.t, wrapper, nil, slices.Concat([]string{"agent", "--data", filepath.Join(s.Data, "a")}, flags)...)
	Eventually(s.t, startTime, func() string {
		apps, err := s.Client.Applications(s.t.Context())
		if err != nil || len(apps) == 0 {
			return "the agent's applications; the agent says: " + agent.Stderr()
		}
		return ""
	})
}

// RestartNATS ends the NATS server of [Split] and starts it again with the same port and data, while all else runs on.
func (s *Stack) RestartNATS() {
	s.t.Helper()
	require.NotNil(s.t, s.restartNATS, "only a split stack has a NATS server of its own")
	s.restartNATS()
}
