package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// The two hosts of TestRelayIntoNamespace, on a network of RFC 1918.
const (
	frontAddr, backAddr, network = "10.77.31.1", "10.77.31.2", "10.77.31.0/24"
	// inside tells the test binary that it runs on the front host already, and names the back one.
	inside = "STREAMSTACK_E2E_BACK"
)

// TestRelayIntoNamespace: browser, gateway and TURN on one host, agent and streamer on another that only a relay may
// reach. The hosts are network namespaces of this test's own; it runs itself anew on the front one, and for an ordinary
// user inside a user namespace, where that user may make them.
func TestRelayIntoNamespace(t *testing.T) {
	if back := os.Getenv(inside); back != "" {
		relayInto(t, back)
		return
	}
	if os.Geteuid() != 0 {
		again(t, nil, "unshare", "--map-root-user", "--mount", "--net", "sh", "-c", `mount -t tmpfs none /run && exec "$0" "$@"`)
		return
	}
	front, back := fmt.Sprintf("ss-front-%d", os.Getpid()), fmt.Sprintf("ss-back-%d", os.Getpid())
	for _, name := range []string{front, back} {
		ip(t, "netns", "add", name)
		t.Cleanup(func() { ip(t, "netns", "delete", name) })
		ip(t, "-n", name, "link", "set", "lo", "up")
	}
	ip(t, "-n", front, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1", "netns", back)
	for _, x := range [][3]string{{front, "veth0", frontAddr}, {back, "veth1", backAddr}} {
		ip(t, "-n", x[0], "address", "add", x[2]+"/24", "dev", x[1])
		ip(t, "-n", x[0], "link", "set", x[1], "up")
	}
	again(t, []string{inside + "=" + back}, "ip", "netns", "exec", front)
}

// again runs this test in a program of its own, behind a wrapper and with these variables.
func again(t *testing.T, env []string, wrapper ...string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	argv := append(wrapper, self, "-test.run", "^TestRelayIntoNamespace$", "-test.v", "-test.count=1")
	run := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	run.Env = append(append(os.Environ(), stack.Builds(t)), env...)
	out, err := run.CombinedOutput()
	t.Logf("%v:\n%s", wrapper, out)
	require.NoError(t, err)
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v: %s", args, out)
}

// relayInto runs on the front host.
func relayInto(t *testing.T, back string) {
	t.Helper()
	s := stack.Split(t, stack.DataDir(t), stack.Apart{
		NATSHost:     frontAddr,
		AgentWrapper: []string{"ip", "netns", "exec", back},
		GatewayFlags: []string{"--turn-peers", network},
	})
	v := open(t, s, "&relay=1")
	id := v.start("testcard")
	checkRelayed(t, v, id)
	checkPicture(t, v)
	found := false
	for _, e := range s.History(id) {
		var c events.CandidateData
		if e.Is(events.Streamer, events.Candidate) && e.Decode(&c) == nil {
			found = found || containsField(c.Candidate, backAddr)
		}
	}
	require.True(t, found, "a candidate of the streamer with its address %s", backAddr)
}
