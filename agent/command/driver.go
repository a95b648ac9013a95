package command

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/agent"
	"streamstack/agent/application"
	"streamstack/agent/driver/ams"
	"streamstack/agent/driver/process"
	"streamstack/agent/driver/process/confine"
	"streamstack/events/connect"
)

// Names of drivers, as --driver takes them.
const (
	driverProcess = "process"
	driverAMS     = "ams"
	driverDocker  = "docker"
)

// amsLaunchTime is what AMS may take to have an instance running: Android boots in some tens of seconds. With the time that
// the streamer then has to be ready it stays below the gateways' projections.LaunchTime.
const amsLaunchTime = 55 * time.Second

// DriverOptions say what runs the instances. The zero value is the process driver.
type DriverOptions struct {
	Name string // process, docker or ams; empty for process
	// AMS's address, the files of the agent's certificate and key, and the file of the certificate that AMS must show.
	AMS, AMSCert, AMSKey, AMSServerCert string
	// Docker is for the driver of that name.
	Docker DockerOptions
	// InstanceNATS is the server's URL as instances reach it; empty for the agent's own.
	InstanceNATS string
}

// DriverFlags are those of `agent` that say what runs the instances; `up` runs them itself.
func DriverFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "driver", Usage: "what runs the instances, `NAME`: process (this machine), docker (containers, by Docker or Podman) or ams (Anbox Management Service)", Value: driverProcess, Sources: connect.Env("driver")},
		&cli.StringFlag{Name: "ams", Usage: "with --driver ams: its address, `https://HOST:8444`; its applications and free capacity are this agent's", Sources: connect.Env("ams")},
		&cli.StringFlag{Name: "ams-cert", Usage: "with --driver ams: the PEM `FILE` of this agent's certificate, which AMS trusts", TakesFile: true, Sources: connect.Env("ams-cert")},
		&cli.StringFlag{Name: "ams-key", Usage: "with --driver ams: the PEM `FILE` of its key", TakesFile: true, Sources: connect.Env("ams-key")},
		&cli.StringFlag{Name: "ams-server-cert", Usage: "with --driver ams: the PEM `FILE` of the certificate that AMS must show", TakesFile: true, Sources: connect.Env("ams-server-cert")},
		&cli.StringFlag{Name: "instance-nats", Usage: "with --driver docker or ams: the `URL` by which instances reach NATS; default --nats", Sources: connect.Env("instance-nats")},
	}, dockerFlags()...)
}

// parseDriver reads [DriverFlags].
func parseDriver(cmd *cli.Command) (DriverOptions, error) {
	o := DriverOptions{Name: cmd.String("driver"), AMS: cmd.String("ams"), AMSCert: cmd.String("ams-cert"), AMSKey: cmd.String("ams-key"),
		AMSServerCert: cmd.String("ams-server-cert"), InstanceNATS: cmd.String("instance-nats")}
	given := []struct{ flag, value string }{{"ams", o.AMS}, {"ams-cert", o.AMSCert}, {"ams-key", o.AMSKey}, {"ams-server-cert", o.AMSServerCert}}
	if o.Name != driverProcess && cmd.Bool("isolate") {
		return o, connect.Usagef("agent: --isolate is for --driver process: what others run is apart already")
	}
	var err error
	if o.Docker, err = parseDocker(cmd, o.Name); err != nil {
		return o, err
	}
	switch o.Name {
	case driverProcess, driverDocker:
		for _, g := range given {
			if g.value != "" {
				return o, connect.Usagef("agent: --%s is for --driver ams", g.flag)
			}
		}
		if o.Name == driverProcess && o.InstanceNATS != "" {
			return o, connect.Usagef("agent: --instance-nats is for --driver docker or ams")
		}
	case driverAMS:
		for _, g := range given {
			if g.value == "" {
				return o, connect.Usagef("agent: --driver ams needs --%s", g.flag)
			}
		}
		if cmd.String("applications") != "" {
			return o, connect.Usagef("agent: --applications is for --driver process or docker: with ams the applications are AMS's")
		}
	default:
		return o, connect.Usagef("agent: --driver takes process, docker or ams, not %q", o.Name)
	}
	return o, nil
}

// instanceNATS is the address that instances get. The agent's own may hold a password, which is not theirs: it would let each of them,
// and on this machine whoever reads a streamer's memory, do all that the agent may.
func (o DriverOptions) instanceNATS(own string) (string, error) {
	flag, address, apart := "--nats", own, o.Name == driverAMS || o.Name == driverDocker
	if o.InstanceNATS != "" {
		flag, address = "--instance-nats", o.InstanceNATS
	}
	for one := range strings.SplitSeq(address, ",") { // NATS takes several
		switch _, err := url.Parse(strings.TrimSpace(one)); {
		case strings.Contains(one, "@"): // not by url.Parse: what it refuses may hold a password all the same
			instead := "use --creds, with which the agent makes each of them credentials for its session only"
			if apart {
				instead += ", or name an address without them with --instance-nats"
			}
			return "", connect.Usagef("agent: %s holds a user, a token or a password, and instances are given that address: %s", flag, instead)
		case err != nil && apart:
			return "", connect.Usagef("agent: %s is no URL that an instance could be given", flag)
		}
	}
	return address, o.Docker.reaches(flag, address)
}

// equipProcess has instances run on this machine.
func (o Options) equipProcess(cfg *agent.Config) (err error) {
	if cfg.Applications, err = o.Load(); err != nil {
		return err
	}
	if o.Applications != "" {
		cfg.FollowApplications = application.Follower{Path: o.Applications, Log: o.Logger}.Follow
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("agent: own executable: %w", err)
	}
	if cfg.Slots == 0 {
		cfg.Slots = defaultSlots()
	}
	cfg.DriverName, cfg.GPUs, cfg.Load = driverProcess, gpus(kernelGPUs), load
	cfg.Driver, err = process.New(o.processConfig(self))
	return err
}

// processConfig is that of instances on this machine; self is our own executable.
func (o Options) processConfig(self string) process.Config {
	c := process.Config{Data: o.Data, Self: self, Streamer: []string{self, "streamer"}, Limits: o.Limits, Log: o.Logger}
	if o.Isolate {
		c.Confine, c.Hide = []string{self, confine.Name}, o.Hide
	}
	return c
}

// equipAMS has instances run by AMS, which says what it can run and how many.
func (o Options) equipAMS(ctx context.Context, cfg *agent.Config) error {
	d, err := ams.New(ctx, ams.Config{URL: o.Driver.AMS, Certificate: o.Driver.AMSCert, Key: o.Driver.AMSKey, ServerCertificate: o.Driver.AMSServerCert,
		Agent: string(cfg.ID), Log: o.Logger})
	if err != nil {
		return err
	}
	if err := d.Check(ctx); err != nil {
		return err
	}
	if cfg.Applications, err = d.Applications(ctx); err != nil {
		return err
	}
	if cfg.Slots == 0 {
		if cfg.Slots, err = d.Capacity(ctx); err != nil {
			return err
		}
		if cfg.Slots == 0 {
			return errors.New("agent: AMS has no room for an instance: no node is online, schedulable and large enough; add one, or say --slots N")
		}
	}
	cfg.Driver, cfg.FollowApplications, cfg.LaunchTime = d, d.FollowApplications, amsLaunchTime
	return nil
}
