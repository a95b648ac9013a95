package up

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	agent "streamstack/agent/command"
	natsd "streamstack/deployments/nats"
	"streamstack/events"
	"streamstack/events/connect"
	gateway "streamstack/gateway/command"
	"streamstack/streamer/media"
)

const (
	// startTime bounds the start of NATS, which reads its store back.
	startTime = 60 * time.Second
	// stopTime bounds the end of NATS once nobody uses it.
	stopTime = 5 * time.Second
)

func run(ctx context.Context, cmd *cli.Command, version string) (err error) {
	s, err := parse(cmd, version)
	if err != nil {
		return err
	}
	connect.SurvivePipe()
	serving := false
	defer func() {
		if ctx.Err() != nil && !serving {
			err = nil // told to end while it started: what failed then failed for that
		}
	}()
	if err := checkMachine(ctx, s); err != nil {
		return err
	}
	unlock, err := lock(s.data)
	if err != nil {
		return err
	}
	defer unlock()
	// A run that was killed left its addresses, which lead nowhere.
	if err := connect.RemoveEndpoints(s.data); err != nil {
		return err
	}

	start, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	server, err := natsd.Start(start, natsd.Config{Listen: s.natsListen, StoreDir: filepath.Join(s.data, "nats"), Sync: s.sync, Log: s.log})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = errors.Join(err, server.Shutdown(stop))
	}()
	log, closeLog, err := openLog(start, cmd, s, server)
	if err != nil {
		return err
	}
	defer closeLog()

	s.gateway.Log, s.agent.Log, s.agent.NATS = log, log, server.ClientURL()
	gw, err := gateway.Open(ctx, s.gateway)
	if err != nil {
		return err
	}
	defer gw.Close()
	ag, err := agent.Open(s.agent)
	if err != nil {
		return err
	}
	serving = true
	return serve(ctx, cmd, s, server, gw, ag.Run)
}

// serve runs the agent and the gateway, the agent ending first: while its instances end, their clients are still told.
func serve(ctx context.Context, cmd *cli.Command, s settings, server *natsd.Server, gw *gateway.Service, runAgent func(context.Context, func()) error) error {
	group, ctx := errgroup.WithContext(ctx)
	gatewayCtx, stopGateway := context.WithCancel(context.WithoutCancel(ctx))
	var both sync.WaitGroup
	both.Add(2)
	group.Go(func() error {
		return gw.Run(gatewayCtx, both.Done)
	})
	group.Go(func() error {
		defer stopGateway()
		return runAgent(ctx, both.Done)
	})
	ready := make(chan struct{})
	go func() { // ends with the two, or with the process
		both.Wait()
		close(ready)
	}()
	group.Go(func() error {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		return announce(ctx, cmd, s, server, gw)
	})
	err := group.Wait()
	return errors.Join(err, connect.RemoveEndpoints(s.data))
}

// announce tells people and other commands where the stack is.
func announce(ctx context.Context, cmd *cli.Command, s settings, server *natsd.Server, gw *gateway.Service) error {
	token, err := localToken(ctx, s.data, gw.Gateway)
	if err != nil {
		return err
	}
	e := connect.Endpoints{Gateway: gw.URL(), NATS: server.ClientURL(), TURN: gw.TURN(), Token: token}
	if err := e.Write(s.data); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(connect.Out(cmd), "streamstack is up. Open the console:\n\n  %s/#token=%s\n\nCtrl+C ends it and everything it started.\n", gw.URL(), token); err != nil {
		return fmt.Errorf("up: print the address: %w", err)
	}
	return nil
}

// checkMachine finds out in a moment what else would fail in the middle.
func checkMachine(ctx context.Context, s settings) error {
	if _, err := s.agent.Load(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return fmt.Errorf("up: the data folder cannot be made: %w (name another with --data)", err)
	}
	probe, err := os.CreateTemp(s.data, ".write-*")
	if err != nil {
		return fmt.Errorf("up: the data folder cannot be written: %w (name another with --data)", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return fmt.Errorf("up: the data folder: %w", err)
	}
	if err := media.Require(ctx); err != nil {
		return err
	}
	return agent.CheckMachine(ctx, s.agent)
}

// openLog connects within the process and makes the streams.
func openLog(ctx context.Context, cmd *cli.Command, s settings, server *natsd.Server) (*events.Log, func(), error) {
	nc, err := connect.Dial(ctx, server.ClientURL(), "", "up", s.log, server.InProcess())
	if err != nil {
		return nil, nil, err
	}
	retention, sdp := cmd.Duration("retention"), cmd.Duration("sdp-retention")
	log, err := events.New(nc, s.log, events.WithSDPRetention(sdp))
	if err == nil {
		err = events.CreateStreams(ctx, log.JetStream(), events.StreamsConfig{Retention: retention, SDPRetention: sdp,
			QualityRetention: cmd.Duration("quality-retention")})
	}
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return log, func() { closeConn(nc) }, nil
}

// closeConn waits for what was said last.
func closeConn(nc *nats.Conn) {
	_ = nc.FlushTimeout(time.Second) // the server may be gone
	nc.Close()
}
