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
	"streamstack/events/connect"
	"streamstack/events/folderlock"
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
	unlock, err := folderlock.Take(s.data, "lock", "stack")
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
	keys, err := openTrust(s)
	if err != nil {
		return err
	}
	server, err := natsd.Start(start, natsd.Config{Listen: s.natsListen, StoreDir: filepath.Join(s.data, "nats"), Sync: s.sync, Trust: keys, Log: s.log})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = errors.Join(err, server.Shutdown(stop))
	}()
	local := local{s, keys, server}
	log, closeLog, err := local.gatewayLog(start, cmd)
	if err != nil {
		return err
	}
	defer closeLog()
	closeAgentLog, err := local.agentLog(start, &s.agent)
	if err != nil {
		return err
	}
	defer closeAgentLog()

	s.gateway.Log, s.agent.NATS = log, server.ClientURL()
	s.gateway.Streamer = gateway.Streamers(server.ClientURL(), s.log, server.InProcess())
	gw, err := gateway.Open(ctx, s.gateway)
	if err != nil {
		return err
	}
	defer gw.Close()
	ag, err := agent.Open(ctx, s.agent)
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
		// The gateway looks at what an agent asks of JetStream, so it comes first.
		err := s.agent.Log.WaitStreams(ctx)
		if err == nil {
			err = runAgent(ctx, both.Done)
		} else if ctx.Err() != nil {
			err = nil // the stack was stopped before it was there
		}
		return err
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
	var fingerprint string
	e.Certificate, fingerprint = gw.Certificate()
	if err := e.Write(s.data); err != nil {
		return err
	}
	if fingerprint != "" {
		if _, err := fmt.Fprintf(connect.Out(cmd), "The certificate's SHA-256 is %s\n\n", fingerprint); err != nil {
			return fmt.Errorf("up: print the certificate's fingerprint: %w", err)
		}
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

// closeConn waits for what was said last.
func closeConn(nc *nats.Conn) {
	_ = nc.FlushTimeout(time.Second) // the server may be gone
	nc.Close()
}
