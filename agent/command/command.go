// Package command runs an agent with the driver that its settings name. It holds the command `streamstack agent`;
// `streamstack up` uses the same [Open].
package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/agent"
	"streamstack/agent/application"
	"streamstack/agent/driver/process"
	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/folderlock"
	"streamstack/events/trust"
)

// connectTime bounds the wait for NATS at the start.
const connectTime = 30 * time.Second

// Streamers are what an agent needs to know of its streamers; main knows them, for an agent may not import them.
type Streamers struct {
	// Require tells what the streamer lacks on this machine.
	Require func(context.Context) error
	// Flags are the streamer's settings that an agent passes on, Env reads them, Check refuses what an agent of so many
	// slots cannot give its streamers.
	Flags func() []cli.Flag
	Env   func(*cli.Command) []string
	Check func(cmd *cli.Command, slots int) error
}

// Options are the settings of an agent.
type Options struct {
	Data         string
	Region       string
	Slots        int // 0: by the machine's size
	Warm         int // instances that wait for sessions
	Limits       process.Limits
	Isolate      bool     // applications in namespaces of their own
	Hide         []string // files of ours that such applications do not see, besides the data folder
	Applications string   // file or folder; empty: the built-in ones
	Version      string
	NATS         string // what the streamers get: the server's URL
	// Identity and Credentials are the agent's own. With them it makes its streamers'; they are asked for each time, so
	// that they can be replaced. Empty and nil for a server that asks for none.
	Identity    trust.Identity
	Credentials func() (trust.Credentials, error)
	StreamerEnv []string
	Driver      DriverOptions
	Adopt       bool // instances outlive the agent's process, and the next one takes them over
	Log         *events.Log
	Logger      *slog.Logger
}

// Flags are the flags of an agent, shared by `agent` and `up`.
func Flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "region", Usage: "the agent's region, `NAME`", Value: "local", Sources: connect.Env("region")},
		&cli.StringFlag{Name: "applications", Usage: "a YAML file or a folder of them, `PATH`", DefaultText: "built-in examples", TakesFile: true, Sources: connect.Env("applications")},
		&cli.IntFlag{Name: "slots", Usage: "sessions at once, `N`; default by cores and memory, at least 4", Sources: connect.Env("slots")},
		&cli.IntFlag{Name: "warm", Usage: "have `N` instances up before sessions come, as far as slots are free: display, sound and streamer", Sources: connect.Env("warm")},
		&cli.StringFlag{Name: "limits", Usage: "`MODE` of limits in applications' files on this machine: auto (enforced where the machine lets us, see doctor), enforce (nothing runs where it does not) or off", Value: string(process.LimitsAuto), Sources: connect.Env("limits")},
		&cli.BoolFlag{Name: "isolate", Usage: "give each application on this machine namespaces of its own: no network, no sight of other processes, and of the data folder and /tmp what is its session's only", Sources: connect.Env("isolate")},
	}
}

// ParseFlags reads [Flags].
func ParseFlags(cmd *cli.Command) (Options, error) {
	o := Options{Region: cmd.String("region"), Slots: cmd.Int("slots"), Warm: cmd.Int("warm"), Limits: process.Limits(cmd.String("limits")), Isolate: cmd.Bool("isolate"), Applications: cmd.String("applications")}
	if !events.ValidToken(o.Region) {
		return o, connect.Usagef("--region takes 1 to 63 of a-z, 0-9 and -, not %q", o.Region)
	}
	if cmd.IsSet("slots") && o.Slots < 1 {
		return o, connect.Usagef("--slots takes a number from 1 up, not %d", o.Slots)
	}
	if !o.Limits.Valid() {
		return o, connect.Usagef("--limits takes auto, enforce or off, not %q", o.Limits)
	}
	if o.Warm < 0 {
		return o, connect.Usagef("--warm takes a number from 0 up, not %d", o.Warm)
	}
	return o, nil
}

// Load reads the applications that the options name.
func (o Options) Load() (application.Catalogue, error) {
	if o.Applications == "" {
		return application.Builtin()
	}
	return application.Load(o.Applications)
}

// Open makes an agent with the driver that the options name. ctx bounds what is asked of that driver meanwhile.
func Open(ctx context.Context, o Options) (*agent.Agent, error) {
	id, err := o.identity()
	if err != nil {
		return nil, err
	}
	secrets, err := o.streamers()
	if err != nil {
		return nil, err
	}
	cfg := agent.Config{
		Log: o.Log, Logger: o.Logger, Region: events.Region(o.Region), ID: id, Slots: o.Slots, Warm: o.Warm,
		DriverName: o.Driver.Name, Version: o.Version, StreamerEnv: o.StreamerEnv, Credentials: secrets, Adopt: o.Adopt, Renew: o.renewal(), RenewEvery: streamerLife / 2,
	}
	switch o.Driver.Name {
	case driverAMS:
		err = o.equipAMS(ctx, &cfg)
	case driverDocker:
		err = o.equipDocker(ctx, &cfg)
	default:
		err = o.equipProcess(&cfg)
	}
	if err != nil {
		return nil, err
	}
	return agent.New(cfg)
}

// Command is `streamstack agent`; more are its sub-commands, which ask about agents.
func Command(version string, s Streamers, more ...*cli.Command) *cli.Command {
	return &cli.Command{
		Commands: more,
		Name:     "agent", Usage: "one component: claims sessions for its region and runs their instances, against a NATS server that already runs",
		Description: "Instances are given the address of --nats, so that it must not hold a user, a token or a password: with --creds the agent makes each\n" +
			"streamer credentials for its own session.",
		OnUsageError: connect.OnUsageError,
		Flags:        slices.Concat(connect.NATSFlags(), Flags(), DriverFlags(), s.Flags()),
		Action:       func(ctx context.Context, cmd *cli.Command) error { return run(ctx, cmd, version, s) },
	}
}

func run(ctx context.Context, cmd *cli.Command, version string, s Streamers) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	connect.SurvivePipe()
	o, err := ParseFlags(cmd)
	if err != nil {
		return err
	}
	if o.Driver, err = parseDriver(cmd); err != nil {
		return err
	}
	if err := s.Check(cmd, o.Slots); err != nil {
		return err
	}
	if cmd.String("nats") == "" {
		return connect.Usagef("agent: name the NATS server with --nats URL (`streamstack up` brings one of its own)")
	}
	if o.NATS, err = o.Driver.instanceNATS(cmd.String("nats")); err != nil {
		return err
	}
	if o.Data, err = connect.DataDir(cmd); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return fmt.Errorf("agent: the data folder cannot be made: %w (name another with --data)", err)
	}
	if o.Driver.Name == driverProcess { // others have the streamers in their images
		if err := s.Require(ctx); err != nil {
			return err
		}
	}
	o.Adopt = true
	// Two of one name would claim each other's sessions and take over each other's instances.
	unlock, err := folderlock.Take(o.Data, "agent.lock", "agent")
	if err != nil {
		return err
	}
	defer unlock()
	o.Version, o.StreamerEnv = version, s.Env(cmd)
	var options []events.Option
	if path := cmd.String("creds"); path != "" {
		if err := readCredentials(path, &o, cmd.IsSet("region")); err != nil {
			return err
		}
		options = o.Identity.LogOptions()
	}
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	dial, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	nc, err := connect.DialPatiently(dial, cmd.String("nats"), cmd.String("creds"), "agent", o.Logger)
	if err != nil {
		return err
	}
	defer nc.Close()
	if o.Log, err = events.New(nc, o.Logger, options...); err != nil {
		return err
	}
	if err := o.Log.WaitStreams(dial); err != nil {
		return err
	}
	a, err := Open(dial, o)
	if err != nil {
		return err
	}
	return a.Run(ctx, func() { o.Logger.Info("agent takes work", "region", o.Region) })
}

// CheckMachine tells in one line what the machine lacks to run instances.
func CheckMachine(ctx context.Context, o Options) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("agent: own executable: %w", err)
	}
	d, err := process.New(o.processConfig(self))
	if err != nil {
		return err
	}
	return d.Check(ctx)
}
