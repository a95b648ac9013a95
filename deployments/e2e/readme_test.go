package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// components are the commands of the README that run until they are stopped: other tests run them, here their flags are
// checked.
var components = regexp.MustCompile(`^(up|gateway|agent) -`)

// TestREADME runs the README's commands of the program as they are printed, in their order, on one stack.
func TestREADME(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	env := []string{"STREAMSTACK_DATA=" + s.Data}
	listed := stack.RunIn(t, nil, env, "agent", "ls", "--json")
	require.Zero(t, listed.Wait(), listed.Stderr())
	var first struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.NewDecoder(strings.NewReader(listed.Stdout())).Decode(&first), listed.Stdout())
	ran, id, agent := 0, "", first.ID
	for _, line := range readmeCommands(t) {
		args := strings.Fields(strings.NewReplacer("ID", id, "AGENT", agent).Replace(line))
		switch {
		case components.MatchString(line):
			args = append(args, "--help")
		case args[0] == "tail":
			checkTail(t, env, args)
			ran++
			continue
		}
		p := stack.RunIn(t, nil, env, args...)
		require.Zero(t, p.Wait(), "%s: %s%s", line, p.Stdout(), p.Stderr())
		require.NotEmpty(t, p.Stdout()+p.Stderr(), line)
		if strings.HasPrefix(line, "session create") {
			id = strings.TrimSpace(p.Stdout())
			s.Await(events.SessionID(id), events.Streamer, events.Ready)
		}
		ran++
	}
	require.GreaterOrEqual(t, ran, 12, "commands found in the README")
}

// checkTail runs a command that goes on until SIGINT.
func checkTail(t *testing.T, env, args []string) {
	t.Helper()
	p := stack.RunIn(t, nil, env, args...)
	stack.Eventually(t, liveTime, func() string {
		if len(p.Stdout()) == 0 {
			return "the output of " + strings.Join(args, " ")
		}
		return ""
	})
	p.Signal(syscall.SIGINT)
	require.Zero(t, p.Wait(), "%v: %s", args, p.Stderr())
}

// readmeCommands are the lines of the README's sh blocks that run the program, without its name and comments.
func readmeCommands(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	in := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			in = line == "```sh"
			continue
		}
		command, found := strings.CutPrefix(line, "bin/streamstack ")
		if !in || !found {
			continue
		}
		command, _, _ = strings.Cut(command, " #")
		list = append(list, strings.TrimSpace(command))
	}
	return list
}
