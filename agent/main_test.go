package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/events"
	"streamstack/events/eventstest"
)

const (
	region events.Region = "local"
	// patience bounds every wait; nothing takes a tenth of it on an idle machine.
	patience = 30 * time.Second
)

// roles are what the test binary does as a child of the process driver.
var roles = map[string]func(){"role:streamer": streamerRole, "role:sleep": sleepRole, "role:crash": crashRole}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		roles[os.Args[1]]()
		return
	}
	os.Exit(m.Run())
}

// rig is a NATS server with what a gateway would do on it.
type rig struct {
	t      *testing.T
	server *eventstest.Server
	log    *events.Log // the gateway's and the streamers'
}

func newRig(t *testing.T) *rig {
	t.Helper()
	server := eventstest.Start(t)
	return &rig{t: t, server: server, log: eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})}
}

// started is an agent under test, with a connection of its own.
type started struct {
	*Agent
	nc    *nats.Conn
	stop  context.CancelFunc
	ended chan error
}

// config is that of an agent that serves xterm and glxgears.
func (r *rig) config(id events.AgentID, slots int, d *memory) (Config, *nats.Conn) {
	r.t.Helper()
	nc := r.server.Connect(r.t)
	log, err := events.New(nc, slog.New(slog.DiscardHandler))
	require.NoError(r.t, err)
	screen := application.Screen{Width: 1280, Height: 720, FPS: 30}
	apps, err := application.New(
		application.Application{Name: "xterm", Version: 1, Command: []string{"xterm"}, Screen: screen, Audio: true, ADB: application.ADB{Port: 5555}},
		application.Application{Name: "glxgears", Version: 1, Command: []string{"glxgears"}, Screen: screen},
		application.Application{Name: "glxgears", Version: 3, Command: []string{"glxgears", "-info"}, Screen: screen},
	)
	require.NoError(r.t, err)
	return Config{
		Log: log, Logger: slog.New(slog.DiscardHandler), Region: region, ID: id, Slots: slots, Applications: apps,
		Driver: d, DriverName: "memory", Version: "test", StreamerEnv: []string{"STREAMSTACK_ICE_PORTS=50000-50010"},
		Credentials: func(events.Region, events.SessionID) (StreamerSecret, error) {
			return StreamerSecret{NATS: r.server.URL(), Creds: "the secret"}, nil
		},
	}, nc
}

// start runs an agent until the test ends or stop is called.
func (r *rig) start(id events.AgentID, slots int, d *memory, change ...func(*Agent)) *started {
	r.t.Helper()
	cfg, nc := r.config(id, slots, d)
	return r.run(cfg, nc, change...)
}

func (r *rig) run(cfg Config, nc *nats.Conn, change ...func(*Agent)) *started {
	r.t.Helper()
	a, err := New(cfg)
	require.NoError(r.t, err)
	for _, c := range change {
		c(a)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	s := &started{Agent: a, nc: nc, stop: cancel, ended: make(chan error, 1)}
	ready, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		s.ended <- a.Run(ctx, func() { close(ready) })
	}()
	select {
	case <-ready:
	case <-finished:
		r.t.Fatalf("the agent ended: %v", <-s.ended)
	case <-time.After(patience):
		r.t.Fatal("the agent is not ready")
	}
	r.t.Cleanup(func() {
		cancel()
		select {
		case <-finished:
		case <-time.After(patience):
			r.t.Error("the agent did not end")
		}
	})
	return s
}

// drained stops the agent and waits for it.
func (s *started) drained(t *testing.T) {
	t.Helper()
	s.stop()
	select {
	case err := <-s.ended:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the agent did not end")
	}
}

func newID() events.SessionID { return events.SessionID(uuid.NewString()) }

// append appends to a session.
func (r *rig) append(id events.SessionID, a events.Actor, n events.Name, data any) {
	r.t.Helper()
	eventstest.Append(r.t, r.log, events.NewDraft(region, id, a, n, data)) // also in a launch that is under way when the test ends
}

// create appends a creation; the session is not in the queue yet.
func (r *rig) create(change ...func(*events.CreatedData)) events.SessionID {
	r.t.Helper()
	d := events.CreatedData{App: "xterm", Ephemeral: true, Screen: events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 96}}
	for _, c := range change {
		c(&d)
	}
	id := newID()
	r.append(id, events.Gateway, events.Created, d)
	return id
}

// queue puts a session into the queue of an application.
func (r *rig) queue(id events.SessionID, app string) {
	r.t.Helper()
	m, err := events.Work{Session: id, Attempt: 1}.Message(region, app)
	require.NoError(r.t, err)
	_, err = r.log.JetStream().PublishMsg(r.t.Context(), m)
	require.NoError(r.t, err)
}

func (r *rig) session(change ...func(*events.CreatedData)) events.SessionID {
	r.t.Helper()
	id := r.create(change...)
	r.queue(id, "xterm")
	return id
}

// history are the session's events of gateway and agent, as actor.name.
func (r *rig) history(id events.SessionID) (words []string, list []events.Event) {
	r.t.Helper()
	err := r.log.History(context.WithoutCancel(r.t.Context()), region, id, 0, func(e events.Event) error {
		words, list = append(words, string(e.Actor)+"."+string(e.Name)), append(list, e)
		return nil
	})
	if err != nil {
		return []string{err.Error()}, nil
	}
	return words, list
}

// until waits for the session's first event of a name, and returns it.
func (r *rig) until(id events.SessionID, n events.Name) events.Event {
	r.t.Helper()
	var found events.Event
	eventstest.Wait(r.t, patience, func() string {
		words, list := r.history(id)
		for _, e := range list {
			if e.Name == n {
				found = e
				return ""
			}
		}
		return fmt.Sprintf("%s in %s", n, strings.Join(words, ", "))
	})
	return found
}

// endings are the session's, as words.
func (r *rig) endings(id events.SessionID) (out []string) {
	words, list := r.history(id)
	for i, e := range list {
		if events.Ending(e.Name) {
			out = append(out, words[i])
		}
	}
	return out
}

// queued is how much work waits or is being taken.
func (r *rig) queued() uint64 {
	r.t.Helper()
	stream, err := r.log.JetStream().Stream(r.t.Context(), events.WorkStream)
	require.NoError(r.t, err)
	info, err := stream.Info(r.t.Context())
	require.NoError(r.t, err)
	return info.State.Msgs
}

func (r *rig) queueEmpty() string {
	if n := r.queued(); n > 0 {
		return fmt.Sprintf("%d messages of work to be done", n)
	}
	return ""
}

// says makes a driver whose streamers say that they are ready.
func (r *rig) says(d *memory) *memory {
	d.launched = func(in *memoryInstance) {
		r.append(events.SessionID(in.ID()), events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"VP8"}})
	}
	return d
}

// consumers are the names of the durables of SESSIONS.
func (r *rig) consumers() []string {
	r.t.Helper()
	stream, err := r.log.JetStream().Stream(r.t.Context(), events.SessionsStream)
	require.NoError(r.t, err)
	var names []string
	list := stream.ConsumerNames(r.t.Context())
	for name := range list.Name() {
		names = append(names, name)
	}
	require.NoError(r.t, list.Err())
	return names
}

// heartbeat tells whether an agent's key is there.
func (r *rig) heartbeat(id events.AgentID) bool {
	r.t.Helper()
	kv, err := r.log.JetStream().KeyValue(r.t.Context(), events.HeartbeatBucket)
	require.NoError(r.t, err)
	_, err = kv.Get(r.t.Context(), events.HeartbeatKey(region, id))
	if err != nil {
		require.ErrorIs(r.t, err, jetstream.ErrKeyNotFound)
	}
	return err == nil
}

func decoded[T any](t *testing.T, e events.Event) (v T) {
	t.Helper()
	require.NoError(t, e.Decode(&v))
	return v
}
