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

// What a browser never sends as its origin would allow nobody, and what no path can be put under gives clients addresses
// that lead nowhere: both are refused at the start, as they are for the settings of the same meaning.
func TestAddressFlags(t *testing.T) {
	for _, x := range []struct {
		flag, value string
		good        bool
	}{
		{"--cors", "*", true},
		{"--cors", "https://app.example.net", true},
		{"--cors", "http://localhost:8080", true},
		{"--cors", "https://app.example.net/", false},
		{"--cors", "https://App.example.net", false},
		{"--cors", "//app.example.net", false},
		{"--cors", "app.example.net", false},
		{"--public-url", "https://stream.example.net/base/", true},
		{"--public-url", "https://stream.example.net/?a=b", false},
		{"--public-url", "https://user@stream.example.net", false},
		{"--public-url", "stream.example.net", false},
	} {
		cmd := &cli.Command{Name: "gateway", Flags: append(Flags(), connect.RetentionFlag()), Action: func(_ context.Context, cmd *cli.Command) error {
			_, err := ParseFlags(cmd)
			return err
		}}
		err := cmd.Run(t.Context(), []string{"gateway", x.flag, x.value})
		if x.good {
			require.NoError(t, err, x.value)
			continue
		}
		require.ErrorContains(t, err, x.flag+" takes", x.value)
		require.Equal(t, connect.ExitUsage, connect.ExitStatus(err))
	}
}
