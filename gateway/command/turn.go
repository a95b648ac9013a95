package command

import (
	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/gateway"
	"streamstack/gateway/turn"
)

// turnFlags name TURN servers elsewhere.
func turnFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "turn", Usage: "a TURN server elsewhere, such as coturn, in place of the embedded one: `URL`…, such as turn:turn.example.net:3478 or turns:turn.example.net:5349", Sources: connect.Env("turn")},
		&cli.StringFlag{Name: "turn-secret-file", Usage: "a `FILE` whose first line is the secret that is shared with it (coturn: static-auth-secret); read anew when it changes", TakesFile: true, Sources: connect.Env("turn-secret-file")},
		&cli.StringFlag{Name: "turn-secret", Usage: "that `SECRET` itself (rather in the environment: a command line is seen by all)", Sources: connect.Env("turn-secret")},
	}
}

// parseTURN reads [turnFlags].
func (o *Options) parseTURN(cmd *cli.Command) error {
	o.TURNServers, o.TURNSecret, o.TURNSecretFile = cmd.StringSlice("turn"), cmd.String("turn-secret"), cmd.String("turn-secret-file")
	given := o.TURNSecret != "" || o.TURNSecretFile != ""
	switch {
	case len(o.TURNServers) == 0 && given:
		return connect.Usagef("--turn-secret and --turn-secret-file are for a TURN server elsewhere: name it with --turn")
	case len(o.TURNServers) == 0:
		return nil
	case !given || o.TURNSecret != "" && o.TURNSecretFile != "":
		return connect.Usagef("--turn needs the secret that is shared with the server: --turn-secret-file FILE, or STREAMSTACK_TURN_SECRET")
	}
	if _, err := turn.NewExternal(o.TURNServers, turn.Credentials{}); err != nil {
		return connect.Usagef("--turn: %s", err)
	}
	return nil
}

// externalTURN tells clients of servers elsewhere; nothing of it runs here.
func (s *Service) externalTURN(o Options) (*gateway.TURN, error) {
	c := turn.Credentials{Secret: turn.Secret(o.TURNSecret)}
	if o.TURNSecretFile != "" {
		var err error
		if c.Now, err = turn.SecretFile(o.TURNSecretFile, o.Logger); err != nil {
			return nil, err
		}
	}
	e, err := turn.NewExternal(o.TURNServers, c)
	if err != nil {
		return nil, err
	}
	s.turnURL = o.TURNServers[0]
	return &gateway.TURN{External: e}, nil
}
