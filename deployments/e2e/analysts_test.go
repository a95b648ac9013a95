package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// TestAnalystsPage does what deployments/analysts.md says, as it is printed, on one stack: its shell commands, in their
// order, with the nats command that the first of them builds, and its Go program, twice, with an end in between.
func TestAnalystsPage(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	g := s.Create(client.CreateRequest{App: "testcard", Joinable: true})
	s.Await(g.ID, events.Streamer, events.Ready)
	dir := t.TempDir()
	env := []string{
		"PATH=" + dir + ":" + stack.Tools(t) + ":" + os.Getenv("PATH"), "STREAMSTACK_DATA=" + s.Data, "XDG_CONFIG_HOME=" + t.TempDir(), "NATS_URL=" + s.NATS,
	}
	scripts := blocks(t, "sh")
	require.GreaterOrEqual(t, len(scripts), 4)
	for _, text := range scripts {
		cmd := exec.CommandContext(t.Context(), "sh", "-eux", "-c", strings.ReplaceAll(text, "nats://127.0.0.1:4222", s.NATS))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}

	programs := blocks(t, "go")
	require.Len(t, programs, 1)
	source := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(source, []byte(programs[0]), 0o600))
	program := filepath.Join(dir, "analyst")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	first := analyst(t, dir, program, env, "gateway.created")
	require.NoError(t, s.Client.Delete(t.Context(), g.ID, false))
	second := analyst(t, dir, program, env, "agent.terminated")
	require.NotContains(t, second, strings.SplitN(first, "\n", 2)[0], "the second run goes on where the first was")
}

// analyst runs the page's program until it has printed an event, and returns what it printed.
func analyst(t *testing.T, dir, program string, env []string, event string) string {
	t.Helper()
	out := filepath.Join(dir, "out")
	file, err := os.Create(out)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir, cmd.Env, cmd.Stdout = dir, append(os.Environ(), env...), file
	require.NoError(t, cmd.Start())
	var text []byte
	stack.Eventually(t, liveTime, func() string {
		if text, err = os.ReadFile(out); err != nil || !strings.Contains(string(text), event) {
			return fmt.Sprintf("%s in what the program prints: %s", event, text)
		}
		return ""
	})
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait())
	require.NoError(t, file.Close())
	return string(text)
}

// blocks are the page's blocks in a language.
func blocks(t *testing.T, language string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deployments", "analysts.md"))
	require.NoError(t, err)
	for _, part := range strings.Split(string(text), "\n```"+language+"\n")[1:] {
		block, _, found := strings.Cut(part, "\n```")
		require.True(t, found, "a block without an end")
		list = append(list, block)
	}
	return list
}
