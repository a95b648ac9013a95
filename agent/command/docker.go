package command

import (
	"context"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v3"

	"streamstack/agent"
	"streamstack/agent/application"
	"streamstack/agent/driver/docker"
	"streamstack/events/connect"
)

// dockerLaunchTime is what an engine may take to have a container running, an image that is missing included. With the time that
// the streamer then has to be ready it stays below the gateways' projections.LaunchTime.
const dockerLaunchTime = 55 * time.Second

// DockerOptions are the settings of the docker driver.
type DockerOptions struct {
	Engine, Certificates string // where it listens; the folder of ca.pem, cert.pem and key.pem
	Image, Auth          string
	Network              string
	GPUs                 []string
	Memory               int64 // bytes
	CPUs                 float64
}

// dockerFlags are those of the docker driver; their names begin with docker.
func dockerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "docker", Usage: "with --driver docker: where the engine listens, `unix:///SOCKET` or tcp://HOST:2376", DefaultText: docker.DefaultEngine, Sources: connect.Env("docker")},
		&cli.StringFlag{Name: "docker-certs", Usage: "with --driver docker over TCP: the `FOLDER` of ca.pem, cert.pem and key.pem", TakesFile: true, Sources: connect.Env("docker-certs")},
		&cli.StringFlag{Name: "docker-image", Usage: "with --driver docker: the `IMAGE` of instances (deployments/images); {app} and {version} in it stand for the application's", Sources: connect.Env("docker-image")},
		&cli.StringFlag{Name: "docker-auth", Usage: "with --driver docker: the `FILE` that docker login wrote, for images that are not public", TakesFile: true, Sources: connect.Env("docker-auth")},
		&cli.StringFlag{Name: "docker-network", Usage: "with --driver docker: the instances' network, `NAME`", DefaultText: "host", Sources: connect.Env("docker-network")},
		&cli.StringSliceFlag{Name: "docker-gpu", Usage: "with --driver docker: graphics cards for instances, `GPU`: dri, nvidia, or a CDI name such as nvidia.com/gpu=0; may be repeated", Sources: connect.Env("docker-gpu")},
		&cli.StringFlag{Name: "docker-memory", Usage: "with --driver docker: the memory of instances whose application sets no limit, `SIZE` such as 2g", Sources: connect.Env("docker-memory")},
		&cli.FloatFlag{Name: "docker-cpus", Usage: "with --driver docker: the processors of instances whose application sets no limit, `N` such as 1.5", Sources: connect.Env("docker-cpus")},
	}
}

// parseDocker reads [dockerFlags], and refuses them with another driver.
func parseDocker(cmd *cli.Command, driver string) (DockerOptions, error) {
	o := DockerOptions{Engine: cmd.String("docker"), Certificates: cmd.String("docker-certs"), Image: cmd.String("docker-image"), Auth: cmd.String("docker-auth"),
		Network: cmd.String("docker-network"), GPUs: cmd.StringSlice("docker-gpu"), CPUs: cmd.Float("docker-cpus")}
	if driver != driverDocker {
		for _, f := range dockerFlags() {
			if name := f.Names()[0]; cmd.IsSet(name) {
				return o, connect.Usagef("agent: --%s is for --driver docker", name)
			}
		}
		return o, nil
	}
	if o.Image == "" {
		return o, connect.Usagef("agent: --driver docker needs --docker-image: build one with deployments/images/build.sh")
	}
	if size := cmd.String("docker-memory"); size != "" {
		bytes, err := units.RAMInBytes(size)
		if err != nil || bytes <= 0 {
			return o, connect.Usagef("agent: --docker-memory takes a size such as 512m or 2g, not %q", size)
		}
		o.Memory = bytes
	}
	if o.CPUs < 0 {
		return o, connect.Usagef("agent: --docker-cpus takes a number from 0 up, not %v", o.CPUs)
	}
	return o, nil
}

// config is the driver's.
func (o DockerOptions) config() docker.Config {
	c := docker.Config{Engine: o.Engine, Image: o.Image, Auth: o.Auth, Network: o.Network, GPUs: o.GPUs, Memory: o.Memory, CPUs: o.CPUs}
	if o.Certificates != "" {
		in := func(name string) string { return filepath.Join(o.Certificates, name) }
		c.TLSCA, c.TLSCert, c.TLSKey = in("ca.pem"), in("cert.pem"), in("key.pem") // as Docker's own client names them
	}
	return c
}

// reaches refuses an address that leads nowhere from a container with a network of its own.
func (o DockerOptions) reaches(flag, address string) error {
	if o.Network == "" || o.Network == "host" {
		return nil
	}
	for one := range strings.SplitSeq(address, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil {
			continue // refused before
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return connect.Usagef("agent: %s is %s, which leads nowhere from instances on the network %s: name NATS as they reach it with --instance-nats", flag, one, o.Network)
		}
	}
	return nil
}

// equipDocker has instances run as containers.
func (o Options) equipDocker(ctx context.Context, cfg *agent.Config) (err error) {
	if cfg.Applications, err = o.Load(); err != nil {
		return err
	}
	if o.Applications != "" {
		cfg.FollowApplications = application.Follower{Path: o.Applications, Log: o.Logger}.Follow
	}
	c := o.Driver.Docker.config()
	c.Data, c.Agent, c.Log = o.Data, string(cfg.ID), o.Logger
	d, err := docker.New(ctx, c)
	if err != nil {
		return err
	}
	if err := d.Check(ctx); err != nil {
		return err
	}
	if cfg.Slots == 0 {
		machine, err := d.Machine(ctx)
		if err != nil {
			return err
		}
		cfg.Slots = slotsOf(machine.CPUs, machine.Memory)
	}
	d.Prefetch(cfg.Applications.All()...)
	if d.Local() {
		cfg.Load = load
		if len(o.Driver.Docker.GPUs) > 0 {
			cfg.GPUs = gpus(kernelGPUs)
		}
	}
	cfg.Driver, cfg.LaunchTime = d, dockerLaunchTime
	return nil
}
