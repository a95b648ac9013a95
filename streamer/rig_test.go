package streamer

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-5d3e-4000-8000-00000000abcd"
	// patience bounds every wait; nothing takes a tenth of it on an idle machine.
	patience = 30 * time.Second
)

// rig is a session whose streamer is under test.
type rig struct {
	t      *testing.T
	server *eventstest.Server
	log    *events.Log // the others'
	screen *screen
	hands  *hands
	cfg    Config
	output *eventstest.Output

	stop  context.CancelFunc
	ended chan error
}

// newRig makes the session and the consumer as an agent does. The streamer does not run yet.
func newRig(t *testing.T) *rig {
	t.Helper()
	server := eventstest.Start(t)
	r := &rig{t: t, server: server, log: eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{}),
		screen: &screen{pictures: pictures(t)}, hands: newHands(), output: &eventstest.Output{}}
	r.append(events.Gateway, events.Created, events.CreatedData{App: "testcard"})
	_, err := r.log.JetStream().CreateOrUpdateConsumer(t.Context(), events.SessionsStream, jetstream.ConsumerConfig{
		Durable: events.SessionConsumer(session), FilterSubject: events.SessionFilter(region, session), DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1, AckWait: 2 * time.Second,
	})
	require.NoError(t, err)
	logger := slog.New(slog.NewTextHandler(r.output, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log, err := events.New(server.Connect(t), logger)
	require.NoError(t, err)
	// Quicker than in production, but not quicker than a pion client that controls (version 1), which waits a second before
	// it nominates a peer reflexive candidate.
	network, err := peer.NewNetwork(peer.NetworkConfig{Log: logger, Disconnected: time.Second, Failed: 3 * time.Second})
	require.NoError(t, err)
	r.cfg = Config{
		Log: log, Logger: logger, Region: region, Session: session, Screen: events.Screen{Width: 160, Height: 120, FPS: 30},
		Media: r.screen, Input: r.hands, Audio: true, Bitrate: bitrate.Table{}, Network: network,
		Encoders: []Encoder{{frame.H264, "x264enc", false}, {frame.VP8, "vp8enc", false}, {frame.VP8, "slowvp8enc", false}},
	}
	return r
}

// start runs the streamer until the test ends.
func (r *rig) start() *rig {
	r.t.Helper()
	s, err := New(r.cfg)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop, r.ended = cancel, make(chan error, 1)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r.ended <- s.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		select {
		case <-finished:
		case <-time.After(patience):
			r.t.Error("the streamer did not end")
		}
		if r.t.Failed() {
			r.t.Log(r.output.String())
		}
	})
	return r
}

// finished waits for the streamer's end.
func (r *rig) finished() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		r.t.Fatal("the streamer did not end")
		return nil
	}
}

func (r *rig) append(a events.Actor, n events.Name, data any) {
	r.t.Helper()
	eventstest.Append(r.t, r.log, events.NewDraft(region, session, a, n, data))
}

// streamed are the streamer's events so far.
func (r *rig) streamed(n events.Name, p events.PeerID) (list []events.Event, words []string) {
	r.t.Helper()
	err := r.log.History(context.WithoutCancel(r.t.Context()), region, session, 0, func(e events.Event) error {
		if e.Actor == events.Streamer {
			words = append(words, fmt.Sprintf("%s(%.4s)", e.Name, e.Peer()))
			if e.Name == n && e.Peer() == p {
				list = append(list, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, []string{err.Error()}
	}
	return list, words
}

// until waits for the streamer's first event of a name about a peer.
func (r *rig) until(n events.Name, p events.PeerID) (found events.Event) {
	r.t.Helper()
	eventstest.Wait(r.t, patience, func() string {
		list, words := r.streamed(n, p)
		if len(list) == 0 {
			return fmt.Sprintf("%s(%.4s) in %s", n, p, strings.Join(words, ", "))
		}
		found = list[0]
		return ""
	})
	return found
}

// gone waits for a peer's disconnected, and checks that it is the only one.
func (r *rig) gone(p events.PeerID) (d events.DisconnectedData) {
	r.t.Helper()
	require.NoError(r.t, r.until(events.Disconnected, p).Decode(&d))
	list, _ := r.streamed(events.Disconnected, p)
	require.Len(r.t, list, 1)
	return d
}
