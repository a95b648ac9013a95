package soak

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/agent"
	"streamstack/agent/application"
	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/events/trust"
)

// How much is done; `task soak` does more.
var (
	kills    = flag.Int("kills", 5, "gateways to kill in the middle of signalling, `N`")
	sessions = flag.Int("sessions", 20, "sessions in signalling while NATS restarts, `N`")
	seed     = flag.Uint64("seed", 1, "of the points at which things are killed")
)

const (
	app = "ball"
	// patience bounds each wait for what takes moments.
	patience = 60 * time.Second
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	stack.Cleanup()
	os.Exit(code)
}

// house is two gateways and an agent.
type house struct {
	*stack.Replicas
	t   *testing.T
	log *events.Log
	// api makes the clients' peer connections.
	api *webrtc.API
	// mint makes the streamers' credentials, as the agent does.
	mint *trust.Minter
}

func newHouse(t *testing.T, slots int, change ...func(*light)) *house {
	t.Helper()
	r := stack.StartReplicas(t, stack.DataDir(t), 2, stack.Apart{Trust: true})
	h := &house{Replicas: r, t: t, log: r.OpenLog("soak"), api: newAPI(t)}
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	log, creds := r.OpenLogAs("agent", "agent", "--region", string(region), "--name", "soak")
	mint, err := creds.Minter()
	require.NoError(t, err)
	h.mint = mint
	instances := newLight(t, logger)
	for _, c := range change {
		c(instances)
	}
	apps, err := application.New(application.Application{Name: app, Version: 1, Screen: application.Screen{Width: 160, Height: 120, FPS: 30}})
	require.NoError(t, err)
	a, err := agent.New(agent.Config{
		Log: log, Logger: logger, Region: region, ID: "soak", Slots: slots, Applications: apps, Driver: instances, DriverName: "light",
		Credentials: func(_ events.Region, id events.SessionID) (agent.StreamerSecret, error) {
			c, err := mint.Streamer(id, time.Hour)
			if err != nil {
				return agent.StreamerSecret{}, fmt.Errorf("soak: %w", err)
			}
			text, err := c.Text()
			return agent.StreamerSecret{NATS: r.NATS, Creds: text}, err
		},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	for i := range 2 {
		stack.Eventually(t, patience, func() string {
			if apps, err := r.Of(i).Applications(t.Context()); err != nil || len(apps) == 0 {
				return "the agent's application at each gateway"
			}
			return ""
		})
	}
	return h
}

// history is what the log has of a session.
func (h *house) history(id events.SessionID) (list []events.Event) {
	h.t.Helper()
	require.NoError(h.t, h.log.History(context.WithoutCancel(h.t.Context()), region, id, 0, func(e events.Event) error {
		list = append(list, e)
		return nil
	}))
	return list
}
