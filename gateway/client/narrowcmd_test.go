package client

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/gateway/token"
)

// The command makes a narrower token of the one on standard input, which the gateway's own mint then reads so.
func TestAccountNarrow(t *testing.T) {
	mint, err := token.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	full, err := mint.IssueAPI(token.Claims{Account: "kim", ID: "x", Expiry: time.Now().Add(24 * time.Hour), Scopes: token.AllScopes})
	require.NoError(t, err)
	run := func(in string, flags ...string) (string, error) {
		out := &strings.Builder{}
		root := &cli.Command{Name: "streamstack", Reader: strings.NewReader(in), Writer: out, ErrWriter: out, Commands: []*cli.Command{AccountCommand()}}
		err := root.Run(t.Context(), append([]string{"streamstack", "account", "narrow"}, flags...))
		return strings.TrimSpace(out.String()), err
	}
	made, err := run(full+"\n", "--scope", "read", "--expiry", "1h")
	require.NoError(t, err)
	claims, err := mint.VerifyAPI(made, time.Now())
	require.NoError(t, err)
	require.Equal(t, token.Read, claims.Scopes)
	require.WithinDuration(t, time.Now().Add(time.Hour), claims.Expiry, time.Minute)
	for want, x := range map[string][]string{
		"nothing to narrow": {full},
		"not valid":         {"rubbish", "--scope", "read"},
		"is no scope":       {full, "--scope", "write"},
		"a second":          {full, "--expiry", "0s"},
	} {
		_, err := run(x[0], x[1:]...)
		require.ErrorContains(t, err, want)
	}
}
