package command

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// The archive is kept for ever, or for longer than the log: else it would be of no use.
func TestArchiveRetentionFlag(t *testing.T) {
	for _, x := range []struct {
		args []string
		want time.Duration
		fail bool
	}{
		{nil, 0, false},
		{[]string{"--archive-retention", "26280h"}, 26280 * time.Hour, false},
		{[]string{"--retention", "1h", "--archive-retention", "2h"}, 2 * time.Hour, false},
		{[]string{"--archive-retention", "24h"}, 0, true}, // --retention is 90 days
		{[]string{"--retention", "2h", "--archive-retention", "2h"}, 0, true},
		{[]string{"--archive-retention", "-1h"}, 0, true},
	} {
		var o Options
		cmd := &cli.Command{Name: "gateway", Flags: append(Flags(), connect.RetentionFlag()), Action: func(_ context.Context, cmd *cli.Command) (err error) {
			o, err = ParseFlags(cmd)
			return err
		}}
		err := cmd.Run(t.Context(), append([]string{"gateway"}, x.args...))
		if x.fail {
			require.ErrorContains(t, err, "--archive-retention", x.args)
			require.Equal(t, connect.ExitUsage, connect.ExitStatus(err))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, x.want, o.ArchiveRetention)
	}
}
