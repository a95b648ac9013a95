package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/ams"
	"streamstack/agent/driver/ams/amstest"
	"streamstack/events"
	"streamstack/events/eventstest"
)

// streamerInAMS does in an instance what an image's start hook and a streamer do: it has nothing but the user data.
func streamerInAMS(ctx context.Context, b amstest.Boot) (amstest.Running, error) {
	var data struct {
		Streamer struct {
			Env   map[string]string
			Stdin StreamerSecret
		}
	}
	if err := json.Unmarshal(b.UserData, &data); err != nil {
		return nil, err
	}
	env, secret := data.Streamer.Env, data.Streamer.Stdin
	if secret.Creds != "the secret" || env["STREAMSTACK_SCREEN"] != "1280x720@30" {
		return nil, errors.New("the user data lacks something")
	}
	nc, err := nats.Connect(secret.NATS)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	log, err := events.New(nc, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	id := events.SessionID(env["STREAMSTACK_SESSION"])
	if _, err := log.JetStream().Consumer(ctx, events.SessionsStream, events.SessionConsumer(id)); err != nil {
		return nil, err
	}
	if _, err := log.Append(ctx, events.NewDraft(events.Region(env["STREAMSTACK_REGION"]), id, events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"VP8"}})); err != nil {
		return nil, err
	}
	return amstest.Idle{}.Boot(ctx, b)
}

// An agent with AMS: sessions are claimed, launched, ready and terminated; an instance that fails fails its session, with
// AMS's words; when the agent ends no instance is left; and no event holds anything of the agent's own key or certificate.
func TestAMS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	own := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
	server := amstest.Start(t, amstest.Func(streamerInAMS), own)
	server.SetApplications(amstest.Ready("d0jz1b85q1fs739k2ar0", "xterm", 1))
	cfg, nc := r.config("a1", 4, nil)
	d, err := ams.New(t.Context(), ams.Config{URL: server.URL, Certificate: own.Cert, Key: own.Key, ServerCertificate: server.Certificate.Cert, Agent: "a1", Log: cfg.Logger})
	require.NoError(t, err)
	cfg.Applications, err = d.Applications(t.Context())
	require.NoError(t, err)
	cfg.Driver, cfg.DriverName, cfg.FollowApplications = d, "ams", d.FollowApplications
	a := r.run(cfg, nc)

	ends, fails, drains := r.session(), r.session(), r.session()
	for _, id := range []events.SessionID{ends, fails, drains} {
		r.until(id, events.Ready)
		require.Equal(t, "ams", decoded[events.ClaimedData](t, r.until(id, events.Claimed)).Driver)
	}
	eventstest.Wait(t, patience, func() string {
		for _, in := range server.Instances() {
			if in.Status != "running" {
				return "three running instances"
			}
		}
		return ""
	})
	r.append(ends, events.Gateway, events.Terminating, events.TerminatingData{By: "client", Reason: "enough"})
	require.Equal(t, "enough", decoded[events.EndedData](t, r.until(ends, events.Terminated)).Reason)
	for _, in := range server.Instances() {
		if in.Tags[0] == "session="+string(fails) {
			server.Fail(in.ID, "the node died")
		}
	}
	failed := decoded[events.FailedData](t, r.until(fails, events.Failed))
	require.Equal(t, "instance", failed.Part)
	require.Equal(t, "the instance failed: the node died", failed.Reason)
	require.Len(t, server.Instances(), 1)

	a.drained(t)
	require.Equal(t, []string{"agent.terminated"}, r.endings(drains))
	require.Empty(t, server.Instances())

	key, err := os.ReadFile(own.Key)
	require.NoError(t, err)
	certificate, err := os.ReadFile(own.Cert)
	require.NoError(t, err)
	for _, id := range []events.SessionID{ends, fails, drains} {
		_, list := r.history(id)
		for _, e := range list {
			text := string(e.Data)
			for line := range strings.Lines(string(key) + string(certificate)) {
				require.NotContains(t, text, strings.TrimSpace(line))
			}
			require.NotContains(t, text, own.Key)
			require.NotContains(t, text, "the secret")
		}
	}
}

// An agent of the same AMS ends the instance of one that is lost and stays away, once the log says so, one whose session another has by now too, and no
// other: neither that of a session that goes on, nor one that this log knows nothing of.
func TestAnotherAgentsInstances(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	own := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
	server := amstest.Start(t, amstest.Idle{}, own)
	server.SetApplications(amstest.Ready("d0jz1b85q1fs739k2ar0", "xterm", 1))
	cfg, nc := r.config("a2", 4, nil)
	newDriver := func(agent string) *ams.Driver {
		d, err := ams.New(t.Context(), ams.Config{URL: server.URL, Certificate: own.Cert, Key: own.Key, ServerCertificate: server.Certificate.Cert, Agent: agent, Log: cfg.Logger})
		require.NoError(t, err)
		return d
	}
	lost := newDriver("a1") // which lives on here, as AMS sees it
	apps, err := lost.Applications(t.Context())
	require.NoError(t, err)
	app, _ := apps.Default("xterm")
	begin := func(id events.SessionID) {
		_, err := lost.Launch(t.Context(), driver.Spec{Session: string(id), Application: app, Screen: driver.Screen{Width: 640, Height: 480, FPS: 30}})
		require.NoError(t, err)
	}
	t.Cleanup(func() { require.NoError(t, lost.Close(context.WithoutCancel(t.Context()))) })
	over, moved, goesOn, foreign := r.create(), r.create(), r.create(), newID()
	for _, id := range []events.SessionID{over, moved, goesOn} {
		r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1, Driver: "ams"})
	}
	for _, id := range []events.SessionID{over, moved, goesOn, foreign} {
		begin(id)
	}
	r.append(moved, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "its launch took too long"})
	r.append(moved, events.Agent, events.Claimed, events.ClaimedData{Agent: "a3", Attempt: 2, Driver: "ams"})
	cfg.Driver, cfg.DriverName, cfg.Applications = newDriver("a2"), "ams", apps
	r.run(cfg, nc)
	r.append(over, events.Gateway, events.AgentLost, events.EndedData{Agent: "a1", Attempt: 1, Reason: "the agent a1 has not answered"})
	eventstest.Wait(t, patience, func() string {
		var left []string
		for _, in := range server.Instances() {
			left = append(left, strings.TrimPrefix(in.Tags[0], "session="))
		}
		if slices.Contains(left, string(over)) || slices.Contains(left, string(moved)) {
			return "the end of the lost agent's instances"
		}
		require.ElementsMatch(t, []string{string(goesOn), string(foreign)}, left)
		return ""
	})
}
