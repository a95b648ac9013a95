package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// TestExtraDataReachesTheApplication: any JSON that a session is created with is in the file that the application finds by
// STREAMSTACK_USER_DATA, as it was, beside the session's own; and nowhere in its environment or its arguments.
func TestExtraDataReachesTheApplication(t *testing.T) {
	folder := t.TempDir()
	const reader = `name: reader
version: 1
command: [sh, -c, 'cat "$STREAMSTACK_USER_DATA"; echo; echo "found $( (env; tr "\0" "\n" < /proc/$$/cmdline) | grep -c "of-the-use[r]")"; exit 3']
`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "reader.yaml"), []byte(reader), 0o600))
	s := stack.Up(t, stack.DataDir(t), "--applications", folder)
	for _, extra := range []string{
		`{"mark":"of-the-user","shell":"$(id) ; ' \" \\ <&> \u0001","deep":[1,null,{"ü":"🚀"}],"big":12345678901234567890}`,
		`"of-the-user"`, `null`,
	} {
		g := s.Create(client.CreateRequest{App: "reader", ExtraData: events.Raw(extra), Screen: &client.Screen{Width: 640, Height: 480, FPS: 15, Density: 96}})
		var d events.FailedData
		require.NoError(t, s.Await(g.ID, events.Agent, events.Failed).Decode(&d))
		lines := strings.Split(strings.TrimSpace(d.LogTail), "\n")
		require.Len(t, lines, 2, d.LogTail)
		require.Equal(t, "found 0", lines[1], "the environment and the arguments")
		var user struct {
			Session events.SessionID `json:"session_id"`
			Width   int              `json:"display_width"`
			Height  int              `json:"display_height"`
			Density int              `json:"display_density"`
			FPS     int              `json:"fps"`
			Extra   json.RawMessage  `json:"extra_data"`
		}
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &user), lines[0])
		require.Equal(t, g.ID, user.Session)
		require.Equal(t, []int{640, 480, 96, 15}, []int{user.Width, user.Height, user.Density, user.FPS})
		require.JSONEq(t, extra, string(user.Extra))
	}
}
