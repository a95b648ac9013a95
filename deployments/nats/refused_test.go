package natsd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/trust"
	"streamstack/projections/export"
	"streamstack/projections/replay"
	"streamstack/projections/timeline"
	"streamstack/projections/verify"
)

// Somebody who tries an operator's commands with an analyst's credentials is told that it is for the credentials; NATS does
// not answer what it refuses, but it is not away.
func TestCommandsSayThatTheCredentialsAreRefused(t *testing.T) {
	h := newHouse(t)
	t.Setenv("STREAMSTACK_DATA", t.TempDir())
	c, err := h.keys.Credentials(trust.Identity{Role: trust.Analytics}, time.Hour)
	require.NoError(t, err)
	text, err := c.Text()
	require.NoError(t, err)
	creds := filepath.Join(t.TempDir(), "analytics.creds")
	require.NoError(t, os.WriteFile(creds, []byte(text), 0o600))
	run := func(ctx context.Context, out io.Writer, args ...string) error {
		root := &cli.Command{
			Name: "streamstack", Commands: []*cli.Command{timeline.History(), timeline.Tail(), export.Command(), verify.Command(), replay.Command()},
			Writer: out, ErrWriter: io.Discard, ExitErrHandler: func(context.Context, *cli.Command, error) {},
		}
		return root.Run(ctx, append(append([]string{"streamstack"}, args...), "--nats", h.s.ClientURL(), "--creds", creds)) //nolint:wrapcheck // the command's
	}
	id := string(mine)
	var wait sync.WaitGroup // each waits seconds for answers that do not come
	for _, args := range [][]string{
		{"history", id}, {"history", id, "--stream", "sandbox"}, {"export"}, {"export", "--since", "1m"}, {"export", "--stream", "sandbox"}, {"verify"}, {"replay", id},
		{"replay", id, "--to", "sandbox"}, {"tail"}, {"tail", "--since", "1"},
	} {
		wait.Go(func() {
			err := run(t.Context(), io.Discard, args...)
			assert.ErrorIs(t, err, events.ErrRefused, "%v", args)
			assert.ErrorContains(t, err, "use an operator's", "%v", args)
			assert.NotContains(t, fmt.Sprint(err), "NATS does not answer", "%v", args)
		})
	}
	wait.Wait()
}
