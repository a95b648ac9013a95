package command

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"
)

// With a TURN server elsewhere none runs here, and clients are told of that one, with credentials by the shared secret.
func TestExternalTURN(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("shared\n"), 0o600))
	s, o, c, _ := serving(t, func(o *Options) {
		o.TURNServers, o.TURNSecretFile = []string{"turn:turn.example.net:3478", "turns:turn.example.net:5349"}, secret
	})
	require.Nil(t, s.turn)
	require.Equal(t, "turn:turn.example.net:3478", s.TURN())
	agent(t, o.Log)
	g := create(t, c)
	require.Len(t, g.STUN, 2)
	require.Equal(t, []string{"stun:turn.example.net:3478"}, g.STUN[0].URLs)
	require.Equal(t, []string{"turn:turn.example.net:3478?transport=udp", "turn:turn.example.net:3478?transport=tcp", "turns:turn.example.net:5349?transport=tcp"}, g.STUN[1].URLs)
	require.NotEmpty(t, g.STUN[1].Username)
	require.NotEmpty(t, g.STUN[1].Password)
}

func TestTURNFlags(t *testing.T) {
	parse := func(args ...string) (o Options, err error) {
		cmd := &cli.Command{Name: "gateway", Flags: Flags(), Action: func(_ context.Context, cmd *cli.Command) error {
			o, err = ParseFlags(cmd)
			return err
		}}
		err = cmd.Run(t.Context(), append([]string{"gateway"}, args...))
		return o, err
	}
	o, err := parse("--turn", "turn:turn.example.net", "--turn-secret", "x")
	require.NoError(t, err)
	require.Equal(t, "x", o.TURNSecret)
	require.Equal(t, []string{"turn:turn.example.net"}, o.TURNServers)
	t.Setenv("STREAMSTACK_TURN_SECRET", "y")
	o, err = parse("--turn", "turn:turn.example.net")
	require.NoError(t, err)
	require.Equal(t, "y", o.TURNSecret)
	_, err = parse()
	require.ErrorContains(t, err, "--turn", "a secret for nobody")
	require.NoError(t, os.Unsetenv("STREAMSTACK_TURN_SECRET"))
	for want, args := range map[string][]string{
		"--turn-secret-file": {"--turn", "turn:turn.example.net"},
		"turn:HOST:PORT":     {"--turn", "turn.example.net", "--turn-secret", "x"},
		"needs the secret":   {"--turn", "turn:h", "--turn-secret", "x", "--turn-secret-file", "f"},
	} {
		_, err := parse(args...)
		require.ErrorContains(t, err, want)
	}
}
