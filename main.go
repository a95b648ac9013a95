// Command streamstack streams graphical applications into browsers. It only lists its sub-commands; each lives beside
// what it drives.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	agent "streamstack/agent/command"
	"streamstack/agent/driver/docker/guest"
	"streamstack/agent/driver/process/confine"
	"streamstack/deployments/doctor"
	"streamstack/deployments/up"
	"streamstack/events/connect"
	credentials "streamstack/events/trust/command"
	"streamstack/gateway/client"
	gateway "streamstack/gateway/command"
	"streamstack/projections/export"
	"streamstack/projections/replay"
	"streamstack/projections/timeline"
	"streamstack/projections/verify"
	streamer "streamstack/streamer/command"
	"streamstack/streamer/media"
	"streamstack/streamer/testcard"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := command().Run(ctx, os.Args)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "streamstack: "+strings.TrimPrefix(err.Error(), "streamstack "))
	}
	os.Exit(connect.ExitStatus(err))
}

func command() *cli.Command {
	version := version()
	root := connect.Group("streamstack", "graphical applications from a server in a browser, every step an event",
		up.Command(version),
		gateway.Command(version),
		agent.Command(version, agent.Streamers{Require: media.Require, Flags: streamer.NetworkFlags, Env: streamer.NetworkEnv, Check: streamer.CheckNetworkFlags}, client.AgentCommands()...),
		streamer.Command(),
		guest.Command(),
		client.AccountCommand(),
		client.SessionCommand(),
		client.WebhookCommand(),
		timeline.History(),
		timeline.Tail(),
		replay.Command(),
		export.Command(),
		verify.Command(),
		doctor.Command(media.Require, media.Probe),
		credentials.Command(),
		gateway.KeysCommand(),
		testcard.Command(),
		confine.Command(),
	)
	root.Version = version
	root.EnableShellCompletion = true
	root.ExitErrHandler = func(context.Context, *cli.Command, error) {} // main prints and exits
	return root
}

// version is the module's, or the commit's that the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}
