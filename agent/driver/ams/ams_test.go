package ams

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/ams/amstest"
	"streamstack/events/eventstest"
)

// patience bounds every wait; nothing takes a tenth of it on an idle machine.
const patience = 20 * time.Second

// secretText stands for a session's credentials.
const secretText = `{"nats":"tls://nats.example:4222","creds":"THE-SESSION'S-OWN"}`

// rig is a driver with its AMS.
type rig struct {
	*Driver
	t      *testing.T
	ams    *amstest.Server
	own    amstest.Certificate
	config Config
	log    *eventstest.Output
}

// newRig starts an AMS with the application racing and one node, and makes a driver for it.
func newRig(t *testing.T, machine amstest.Machine, change ...func(*Config)) *rig {
	t.Helper()
	own := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
	server := amstest.Start(t, machine, own)
	server.SetApplications(amstest.Ready("d0jz1b85q1fs739k2ar0", "racing", 1))
	server.SetNodes(amstest.Node{Name: "lxd0", Status: "online", StatusCode: 4, CPUs: 4, Memory: "16GB", DiskSize: "100GB"})
	r := &rig{t: t, ams: server, own: own, log: &eventstest.Output{}}
	r.config = Config{URL: server.URL, Certificate: own.Cert, Key: own.Key, ServerCertificate: server.Certificate.Cert, Agent: "a1",
		Log:   slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		times: times{request: 2 * time.Second, pollOpen: time.Hour, pollShut: 20 * time.Millisecond, grace: graceTime, clean: 5 * time.Second, janitor: time.Hour, sync: 10 * time.Millisecond}}
	for _, c := range change {
		c(&r.config)
	}
	r.Driver = r.another()
	return r
}

// another is a further driver, as of a further run of the agent.
func (r *rig) another() *Driver {
	r.t.Helper()
	d, err := New(r.t.Context(), r.config)
	require.NoError(r.t, err)
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), patience)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			r.t.Error(err)
		}
	})
	return d
}

func (r *rig) spec(session string) driver.Spec {
	return driver.Spec{
		Session: session, Application: application.Application{Name: "racing", Version: 1},
		Screen:   driver.Screen{Width: 1279, Height: 720, FPS: 30, Density: 240},
		UserData: json.RawMessage(`{"display_width":1279,"extra_data":{"user_id":123},"session_id":"` + session + `"}`),
		Streamer: driver.Streamer{Env: []string{"STREAMSTACK_SESSION=" + session, "STREAMSTACK_AUDIO=true"}, Secret: []byte(secretText)},
	}
}

func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) launch(session string) driver.Instance {
	r.t.Helper()
	in, err := r.Launch(r.context(), r.spec(session))
	require.NoError(r.t, err, r.log)
	return in
}

// ends waits for an instance's end.
func (r *rig) ends(in driver.Instance) driver.Ending {
	r.t.Helper()
	select {
	case <-in.Done():
	case <-time.After(patience):
		r.t.Fatalf("the instance has not ended; the log: %s", r.log)
	}
	return in.Ending()
}

// listening waits for the driver's event socket.
func (r *rig) listening() {
	r.t.Helper()
	eventstest.Wait(r.t, patience, func() string {
		if !r.feed.isOpen() {
			return "the event socket is shut: " + r.log.String()
		}
		return ""
	})
}

// empty waits until AMS has no instance.
func (r *rig) empty() {
	r.t.Helper()
	eventstest.Wait(r.t, patience, func() string {
		if all := r.ams.Instances(); len(all) > 0 {
			return fmt.Sprintf("instances are left: %+v; the log: %s", all, r.log)
		}
		return ""
	})
}

// From launch to end: the display, the user data and the tags are AMS's, the hook comes first, and nothing is left.
func TestLaunch(t *testing.T) {
	var boots atomic.Int32
	booted := make(chan amstest.Boot, 1)
	r := newRig(t, amstest.Func(func(ctx context.Context, b amstest.Boot) (amstest.Running, error) {
		boots.Add(1)
		booted <- b
		return amstest.Idle{}.Boot(ctx, b)
	}))
	spec := r.spec("s1")
	before := false
	spec.BeforeStreamer = func(context.Context) error {
		before = true
		require.Zero(t, boots.Load(), "the streamer starts with the instance")
		return nil
	}
	in, err := r.Launch(r.context(), spec)
	require.NoError(t, err, r.log)
	require.True(t, before)
	require.Equal(t, "s1", in.ID())
	b := <-booted
	require.Equal(t, amstest.Display{Width: 1280, Height: 720, FPS: 30, Density: 240}, b.Display, "an odd side is raised by one")
	require.Equal(t, "webrtc", b.Platform)
	require.Equal(t, 1, b.Version)
	require.JSONEq(t, `{"display_width":1279,"extra_data":{"user_id":123},"session_id":"s1","streamer":{
		"env":{"STREAMSTACK_SESSION":"s1","STREAMSTACK_AUDIO":"true","STREAMSTACK_SCREEN":"1280x720@30"},"stdin":`+secretText+`}}`, string(b.UserData))
	require.Equal(t, []string{"session=s1", "streamstack-agent=a1"}, r.ams.Instances()[0].Tags)
	_, err = r.Launch(r.context(), r.spec("s1"))
	require.ErrorIs(t, err, driver.ErrExists)
	require.Equal(t, driver.Ending{}, in.Ending())

	require.NoError(t, in.Stop(r.context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, in.Ending())
	require.Empty(t, r.ams.Instances())
	require.NoError(t, in.Stop(r.context()), "a second time does no harm")
	r.launch("s1")
}

// Close ends all instances, and no goroutine outlives it.
func TestClose(t *testing.T) {
	r := newRig(t, nil)
	for i := range 5 {
		r.launch(fmt.Sprintf("s%d", i))
	}
	require.Len(t, r.ams.Instances(), 5)
	require.NoError(t, r.Close(r.context()))
	require.Empty(t, r.ams.Instances())
	_, err := r.Launch(r.context(), r.spec("late"))
	require.ErrorIs(t, err, driver.ErrClosed)
	eventstest.Wait(t, patience, func() string {
		if left := eventstest.Goroutines("driver/ams.(*Driver)", "driver/ams.(*feed)", "driver/ams.(*instance)"); len(left) > 0 {
			return left[0]
		}
		return ""
	})
}

// An earlier run's instances are ended and named; another agent's, and those that carry no tag, are nobody's business.
func TestSweep(t *testing.T) {
	r := newRig(t, nil)
	for i := range 3 {
		r.launch(fmt.Sprintf("s%d", i))
	}
	other := *r
	other.config.Agent = "a2"
	other.Driver = other.another()
	other.launch("other")

	next := r.another() // the first run lives on here, and finds its instances gone
	swept, err := next.Sweep(r.context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"s0", "s1", "s2"}, swept)
	left := r.ams.Instances()
	require.Len(t, left, 1)
	require.Contains(t, left[0].Tags, "session=other")

	swept, err = other.Sweep(r.context())
	require.NoError(t, err)
	require.Empty(t, swept, "the instances of a run that lives are not touched")
	require.Len(t, r.ams.Instances(), 1)
}

// A run that comes after takes over what carries the agent's tag, whatever state it is in; another agent's it does not.
func TestAdopt(t *testing.T) {
	r := newRig(t, nil)
	first, err := New(r.context(), r.config)
	require.NoError(t, err)
	r.Driver = first
	r.launch("s1")
	r.launch("s2")
	other := *r
	other.config.Agent = "a2"
	other.Driver = other.another()
	other.launch("other")
	first.end() // as if it had been killed: it neither stops its instances nor watches them any more
	first.work.Wait()

	next := r.another()
	found, err := next.Adopt(r.context())
	require.NoError(t, err)
	require.Len(t, found, 2)
	swept, err := next.Sweep(r.context())
	require.NoError(t, err)
	require.Empty(t, swept)
	again, err := next.Adopt(r.context())
	require.NoError(t, err)
	require.Empty(t, again)
	require.NoError(t, found[0].Stop(r.context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, found[0].Ending())
	left := r.ams.Instances()
	require.Len(t, left, 2)
	for _, in := range left {
		if in.Tags[0] == "session="+found[1].ID() {
			r.ams.Fail(in.ID, "the node died")
		}
	}
	require.Equal(t, "the instance failed: the node died", r.ends(found[1]).Reason)
	require.Len(t, r.ams.Instances(), 1)
}
