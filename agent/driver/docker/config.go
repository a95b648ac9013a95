package docker

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

// Labels of containers. Operators may look for them; see also the container's name, which is AGENT.SESSION.
const (
	LabelAgent       = "streamstack.agent"
	LabelSession     = "streamstack.session"
	LabelAttempt     = "streamstack.attempt"
	LabelApplication = "streamstack.application"
)

const (
	// nofile and nproc are the limits of open files and of processes of the container's user, set in every container since
	// engines' defaults are what the machine allows at most, which some may not even ask for. nproc counts all processes and
	// threads of the same user on the machine (setrlimit(2)), so it is far above what one container may have: pidsLimit.
	nofile, nproc = 16384, 16384
	// pidsLimit is the most processes and threads of a container (cgroup pids.max).
	pidsLimit = 4096
	// Sizes of the file systems in memory, which count as the container's memory once they are filled.
	tmpSize, dataSize = 256 << 20, 1 << 30
	// shmSize is /dev/shm's, which browsers and games fill.
	shmSize = 256 << 20
	// logLimit is the most that is kept of what a container prints, in bytes: once by the engine, once here.
	logLimit = 1 << 20
	// stopGrace is what a container gets to end in order before it is killed. The guest takes up to 2 s.
	stopGrace = 4 * time.Second
)

// Config is what a driver needs. Data, Agent and Image are required.
type Config struct {
	// Data is the data folder: logs are kept in its sub-folder "instances".
	Data string
	// Agent is the agent's id, a token of 1 to 63 of a-z, 0-9 and -; what carries it in LabelAgent is this driver's.
	Agent string
	// Engine is where the engine listens: unix:///path or tcp://host:port. Empty for DefaultEngine.
	Engine string
	// TLS* are PEM files: of the authority that signed the engine's certificate, and of ours and its key. They are required
	// with tcp://, and for nothing else.
	TLSCA, TLSCert, TLSKey string
	// Image is the image's name. {app} and {version} in it stand for the application's.
	Image string
	// Auth is a file of registries' credentials, as `docker login` writes it (config.json); empty for none.
	Auth string
	// Network is the containers' network: host, or a name that the engine knows. Empty for host.
	Network string
	// GPUs are what containers get of the machine's graphics cards: dri, nvidia, or a CDI name VENDOR/CLASS=NAME.
	GPUs []string
	// Memory in bytes and CPUs in cores are the limits of applications that name none; 0 for no limit.
	Memory int64
	CPUs   float64
	// Log gets what operators need; nil discards.
	Log *slog.Logger

	times times
}

// DefaultEngine is where Docker listens.
const DefaultEngine = "unix:///var/run/docker.sock"

// times are how long things take; tests shorten them.
type times struct {
	request time.Duration // one request that the engine answers at once
	launch  time.Duration // a launch, without waiting for its image
	clean   time.Duration // the end of a launch that failed
	retry   time.Duration // the pause before an engine that is away is asked again
	pulled  time.Duration // between two reports of a pull
}

func defaultTimes() times {
	return times{request: 10 * time.Second, launch: 45 * time.Second, clean: 10 * time.Second, retry: time.Second, pulled: 2 * time.Second}
}

var cdiPattern = regexp.MustCompile(`^[a-zA-Z0-9.-]+/[a-zA-Z0-9_.-]+=[a-zA-Z0-9_.:-]+$`)

// complete fills in defaults and refuses what cannot work.
func (c *Config) complete() error {
	if c.Data == "" || c.Image == "" {
		return errors.New("docker: data folder and image must be given")
	}
	if !driver.ValidID(c.Agent) {
		return fmt.Errorf("docker: agent id %q must be 1 to 63 of a-z, 0-9 and -", c.Agent)
	}
	if c.Engine == "" {
		c.Engine = DefaultEngine
	}
	if c.Network == "" {
		c.Network = "host"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.times == (times{}) {
		c.times = defaultTimes()
	}
	if c.Memory < 0 || c.CPUs < 0 {
		return errors.New("docker: limits of memory and CPUs must not be negative")
	}
	if err := c.checkEngine(); err != nil {
		return err
	}
	if _, err := reference.ParseNormalizedNamed(c.image(application.Application{Name: "app", Version: 1})); err != nil {
		return fmt.Errorf("docker: image %q: %w; give a name such as registry.example/streamstack:1", c.Image, err)
	}
	for _, gpu := range c.GPUs {
		if gpu != gpuDRI && gpu != gpuNVIDIA && !cdiPattern.MatchString(gpu) {
			return fmt.Errorf("docker: GPU %q: give dri, nvidia or a CDI name such as nvidia.com/gpu=0", gpu)
		}
	}
	return nil
}

// checkEngine refuses a way to the engine on which anybody could listen: who may talk to an engine is root on its machine.
func (c *Config) checkEngine() error {
	scheme, _, _ := strings.Cut(c.Engine, "://")
	files := 0
	for _, path := range []string{c.TLSCA, c.TLSCert, c.TLSKey} {
		if path != "" {
			files++
			if _, err := os.ReadFile(path); err != nil {
				return fmt.Errorf("docker: TLS: %w", err)
			}
		}
	}
	switch {
	case scheme != "unix" && scheme != "tcp":
		return fmt.Errorf("docker: engine %q: give unix:///path/to/socket or tcp://host:2376", c.Engine)
	case scheme == "tcp" && files != 3:
		return errors.New("docker: an engine over TCP needs TLS: give the certificate of its authority, and ours with its key")
	case scheme == "unix" && files != 0:
		return errors.New("docker: TLS is for engines over TCP")
	}
	return nil
}

// image is the image for an application.
func (c *Config) image(a application.Application) string {
	return strings.NewReplacer("{app}", a.Name, "{version}", strconv.Itoa(a.Version)).Replace(c.Image)
}
