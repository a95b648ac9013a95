package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/ams/amstest"
	"streamstack/agent/driver/process"
	"streamstack/deployments/e2e/stack"
)

// machine boots an instance of the AMS of a test as an image would that holds a display, an application and our streamer:
// real processes, which know what is in the user data and nothing else.
type machine struct {
	driver.Driver
	app application.Application
}

func (m machine) Boot(ctx context.Context, b amstest.Boot) (amstest.Running, error) {
	var data struct {
		Session  string `json:"session_id"`
		Streamer struct {
			Env   map[string]string `json:"env"`
			Stdin json.RawMessage   `json:"stdin"`
		} `json:"streamer"`
	}
	if err := json.Unmarshal(b.UserData, &data); err != nil {
		return nil, fmt.Errorf("user data: %w", err)
	}
	s := driver.Streamer{Secret: data.Streamer.Stdin}
	for name, value := range data.Streamer.Env {
		s.Env = append(s.Env, name+"="+value)
	}
	return m.Launch(ctx, driver.Spec{Session: data.Session, Application: m.app, UserData: b.UserData, Streamer: s,
		Screen: driver.Screen{Width: b.Display.Width, Height: b.Display.Height, FPS: b.Display.FPS, Density: b.Display.Density}})
}

// TestAMS: the main job with an agent whose instances AMS runs, in which a real streamer is. Components have credentials of
// their roles alone, so that the streamer's way into the log is what came by the user data.
func TestAMS(t *testing.T) {
	apps, err := application.Builtin()
	require.NoError(t, err)
	card, found := apps.Default("testcard")
	require.True(t, found)
	binary := stack.Binary(t)
	processes, err := process.New(process.Config{Data: stack.DataDir(t), Self: binary, Streamer: []string{binary, "streamer"}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		require.NoError(t, processes.Close(ctx))
	})
	own := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
	server := amstest.Start(t, machine{processes, card}, own)
	server.SetApplications(amstest.Ready("d0jz1b85q1fs739k2ar0", "testcard", 0))
	server.SetNodes(amstest.Node{Name: "lxd0", Status: "online", StatusCode: 4, CPUs: 4, Memory: "16GB", DiskSize: "100GB"})

	checkMainJob(t, stack.Split(t, stack.DataDir(t), stack.Apart{Trust: true, AgentFlags: []string{
		"--driver", "ams", "--ams", server.URL, "--ams-cert", own.Cert, "--ams-key", own.Key, "--ams-server-cert", server.Certificate.Cert}}))
	require.Len(t, server.Launches(), 1)
	require.Empty(t, server.Instances(), "nothing is left")
}
