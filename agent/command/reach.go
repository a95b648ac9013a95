package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v3"

	"streamstack/agent/driver/ams"
	"streamstack/agent/driver/docker"
)

// engineTime bounds how long an engine may take to answer a command that only looks: it is on this machine or near it.
const engineTime = 2 * time.Second

// errNotNamed: there is nothing to look at.
var errNotNamed = errors.New("not looked at: name one with --ams")

// ReachFlags are those of an agent that say where the engines are that could run instances, for commands that only look.
func ReachFlags() []cli.Flag {
	return slices.DeleteFunc(DriverFlags(), func(f cli.Flag) bool {
		return !slices.Contains([]string{"docker", "docker-certs", "ams", "ams-cert", "ams-key", "ams-server-cert"}, f.Names()[0])
	})
}

// ReachContainers asks the container engine that [ReachFlags] name whether it could run instances. Where none is named, Docker's own
// socket is tried, and then Podman's. It returns what it has asked and what that says, or why there is none, in bounded time.
func ReachContainers(ctx context.Context, cmd *cli.Command) (engine, says string, err error) {
	o := DockerOptions{Engine: cmd.String("docker"), Certificates: cmd.String("docker-certs")}
	if o.Engine != "" {
		says, err = o.reach(ctx)
		return o.Engine, says, err
	}
	var silent []string
	for _, engine := range sockets() {
		o.Engine = engine
		says, err := o.reach(ctx)
		switch {
		case err != nil:
			silent = append(silent, err.Error())
			continue
		case engine != docker.DefaultEngine:
			says += "; give agents --docker " + engine
		}
		return engine, says, nil
	}
	if len(silent) > 0 {
		return "", "", errors.New(strings.Join(silent, "; "))
	}
	return "", "", errors.New("neither Docker nor Podman listens on this machine: start Docker, or Podman with `systemctl start podman.socket`, or name another engine with --docker")
}

func (o DockerOptions) reach(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	m, err := docker.Reach(ctx, o.config())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("answers: %d processors, %s of memory", m.CPUs, units.BytesSize(float64(m.Memory))), nil
}

// sockets are where engines listen on this machine, of those that are there: Docker, and Podman for root and for this user.
func sockets() (there []string) {
	all := []string{docker.DefaultEngine, "unix:///run/podman/podman.sock"}
	if own := os.Getenv("XDG_RUNTIME_DIR"); own != "" {
		all = append(all, "unix://"+filepath.Join(own, "podman", "podman.sock"))
	}
	for _, engine := range all {
		if _, err := os.Stat(strings.TrimPrefix(engine, "unix://")); err == nil { //nolint:gosec // whoever sets XDG_RUNTIME_DIR runs us
			there = append(there, engine)
		}
	}
	return there
}

// ReachAMS asks the AMS that [ReachFlags] name whether it knows this agent's certificate. It returns what it has asked and what that
// says, or why not, in bounded time.
func ReachAMS(ctx context.Context, cmd *cli.Command) (address, says string, err error) {
	c := ams.Config{URL: cmd.String("ams"), Certificate: cmd.String("ams-cert"), Key: cmd.String("ams-key"), ServerCertificate: cmd.String("ams-server-cert"),
		Agent: "AGENT", Log: slog.New(slog.DiscardHandler)}
	if c.URL == "" {
		return "", "", errNotNamed
	}
	if c.Certificate == "" || c.Key == "" || c.ServerCertificate == "" {
		return c.URL, "", errors.New("not looked at: it is asked with --ams-cert, --ams-key and --ams-server-cert")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, engineTime, fmt.Errorf("no answer within %s: is it the right address, and is the port open?", engineTime))
	defer cancel()
	d, err := ams.New(ctx, c)
	if err != nil {
		return c.URL, "", err
	}
	defer func() { err = errors.Join(err, d.Close(context.WithoutCancel(ctx))) }() // nothing was started
	if err := d.Check(ctx); err != nil {
		return c.URL, "", err
	}
	if _, err := d.Applications(ctx); err != nil {
		return c.URL, "", err
	}
	room, err := d.Capacity(ctx)
	if err != nil {
		return c.URL, "", err
	}
	return c.URL, fmt.Sprintf("trusts the agent's certificate; room for %d instances", room), nil
}
