package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"streamstack/agent"
	"streamstack/agent/application"
	"streamstack/agent/driver/ams"
	"streamstack/agent/driver/docker"
	"streamstack/agent/driver/process"
	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/streamer"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
	"streamstack/streamer/instance"
	"streamstack/streamer/peer"
)

const region events.Region = "local"

// roles are what the test binary does as a child.
var roles = map[string]func(context.Context) error{
	"role:agent":    agentRole,
	"role:streamer": streamerRole,
	"role:steady":   func(ctx context.Context) error { <-ctx.Done(); return nil },
	"role:brief":    briefRole,
	"role:greedy":   greedyRole,
	"instance":      containerRole,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := roles[os.Args[1]](ctx)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if err := endEngine(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// briefRole is an application that is soon done, or fails.
func briefRole(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(rand.IntN(1500)) * time.Millisecond):
	}
	if rand.IntN(4) == 0 {
		return errors.New("the disk is on fire")
	}
	return nil
}

// mutePort is the ADB port by which an application asks for a streamer that never is ready: it reaches the streamer.
const mutePort = 1

// applications are what the agents serve.
func applications(self string) (application.Catalogue, error) {
	screen := application.Screen{Width: 320, Height: 240, FPS: 30}
	app := func(name string, command ...string) application.Application {
		return application.Application{Name: name, Version: 1, Command: command, Screen: screen}
	}
	mute := app("mute", self, "role:steady")
	mute.ADB.Port = mutePort
	greedy := app("greedy", self, "role:greedy")
	greedy.Limits.Memory = greedyMemory
	return application.New(app("steady", self, "role:steady"), app("brief", self, "role:brief"), app("missing", "no-such-program"), mute, greedy)
}

// agentConfig is an agent's, in the environment of its process.
type agentConfig struct {
	ID     events.AgentID
	NATS   string
	Data   string
	Slots  int
	Launch time.Duration
	Ready  time.Duration
	Hang   time.Duration
	Path   string // a folder that comes first in PATH
	Full   bool   // once it is up it gets no more file descriptors
	AMS    *ams.Config
	Docker *docker.Config
}

const agentVariable = "FAULTS_AGENT"

// agentRole is an agent as `streamstack agent` makes it.
func agentRole(ctx context.Context) error {
	var c agentConfig
	if err := json.Unmarshal([]byte(os.Getenv(agentVariable)), &c); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	nc, err := connect.Dial(ctx, c.NATS, "", string(c.ID), logger)
	if err != nil {
		return err
	}
	defer nc.Close()
	log, err := events.New(nc, logger)
	if err != nil {
		return err
	}
	cfg := agent.Config{
		Log: log, Logger: logger, Region: region, ID: c.ID, Slots: c.Slots, Version: "test", Adopt: true,
		LaunchTime: c.Launch, ReadyTime: c.Ready, HangTime: c.Hang,
		Credentials: func(events.Region, events.SessionID) (agent.StreamerSecret, error) {
			return agent.StreamerSecret{NATS: c.NATS}, nil
		},
	}
	switch {
	case c.Docker != nil:
		c.Docker.Data, c.Docker.Agent, c.Docker.Log = c.Data, string(c.ID), logger
		if cfg.Applications, err = applications(application.Self); err != nil {
			return err
		}
		if cfg.Driver, err = docker.New(ctx, *c.Docker); err != nil {
			return err
		}
		cfg.DriverName = "docker"
	case c.AMS != nil:
		c.AMS.Agent, c.AMS.Log = string(c.ID), logger
		d, err := ams.New(ctx, *c.AMS)
		if err != nil {
			return err
		}
		if cfg.Applications, err = d.Applications(ctx); err != nil {
			return err
		}
		cfg.Driver, cfg.DriverName = d, "ams"
	default:
		if cfg.Applications, err = applications(self); err != nil {
			return err
		}
		if cfg.Driver, err = process.New(process.Config{Data: c.Data, Self: self, Streamer: []string{self, "role:streamer"}, Log: logger}); err != nil {
			return err
		}
		cfg.DriverName = "process"
	}
	a, err := agent.New(cfg)
	if err != nil {
		return err
	}
	return a.Run(ctx, func() {
		if c.Full {
			if err := noMoreFiles(); err != nil {
				fmt.Println(err)
				return
			}
		}
		fmt.Println("ready")
	})
}

// noMoreFiles lets this process open nothing any more.
func noMoreFiles() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = 0
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
}

// streamerRole is a streamer with nothing to stream.
func streamerRole(ctx context.Context) error {
	var secret agent.StreamerSecret
	if err := json.NewDecoder(os.Stdin).Decode(&secret); err != nil {
		return err
	}
	if os.Getenv("STREAMSTACK_ADB_PORT") == strconv.Itoa(mutePort) {
		<-ctx.Done()
		return nil
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	id := events.SessionID(os.Getenv("STREAMSTACK_SESSION"))
	nc, err := connect.Dial(ctx, secret.NATS, "", "s-"+string(id), logger)
	if err != nil {
		return err
	}
	defer nc.Close()
	log, err := events.New(nc, logger)
	if err != nil {
		return err
	}
	network, err := peer.NewNetwork(peer.NetworkConfig{Log: logger})
	if err != nil {
		return err
	}
	defer func() { _ = network.Close() }() // the process ends
	attempt, err := strconv.Atoi(os.Getenv("STREAMSTACK_ATTEMPT"))
	if err != nil {
		return err
	}
	s, err := streamer.New(streamer.Config{
		Log: log, Logger: logger, Region: region, Session: id, Attempt: attempt, Screen: events.Screen{Width: 320, Height: 240, FPS: 30},
		Media: nothing{}, Input: nothing{}, Encoders: []streamer.Encoder{{Codec: frame.VP8, Element: "none"}}, Bitrate: bitrate.Table{}, Network: network,
	})
	if err != nil {
		return err
	}
	if err = s.Run(ctx); !errors.Is(err, streamer.ErrOver) {
		return err
	}
	return instance.End(ctx, os.Getenv(instance.Marker), logger)
}

// nothing is no picture, no sound and no input.
type nothing struct{}

var errNothing = errors.New("faults: there is nothing to stream")

func (nothing) StartVideo(context.Context, streamer.Encoder, events.Screen, int, func(frame.Video)) (streamer.Video, error) {
	return nil, errNothing
}

func (nothing) StartAudio(context.Context, func(frame.Audio)) (streamer.Audio, error) {
	return nil, errNothing
}
func (nothing) Handle(context.Context, control.Message) error { return nil }
func (nothing) ReleaseAll(context.Context) error              { return nil }
func (nothing) Done() <-chan struct{}                         { return nil }
func (nothing) Err() error                                    { return nil }
