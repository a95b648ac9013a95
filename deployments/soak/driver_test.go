package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/pion/webrtc/v3/pkg/media/ivfreader"
	"github.com/stretchr/testify/require"

	"streamstack/agent"
	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/streamer"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

const (
	region events.Region = "local"
	// ball is the recorded picture, made as streamer/doubles_test.go says.
	ball = "../../streamer/testdata/ball.ivf"
	// frameTime is slower than the recording: what is under test is how streams begin.
	frameTime = time.Second / 10
)

// light is a driver whose instances are streamers in this process. It implements [driver.Driver].
type light struct {
	life     context.Context //nolint:containedctx // of the instances: it outlives the calls that launch them
	log      *slog.Logger
	network  *peer.Network
	pictures [][]byte
	// foreign, if not nil, gets the secrets of the streamers, and none is run.
	foreign chan agent.StreamerSecret

	mu     sync.Mutex
	live   map[string]*instance
	closed bool
}

func newLight(t *testing.T, log *slog.Logger) *light {
	t.Helper()
	network, err := peer.NewNetwork(peer.NetworkConfig{Log: log})
	require.NoError(t, err)
	recording, err := os.ReadFile(ball)
	require.NoError(t, err)
	r, _, err := ivfreader.NewWith(bytes.NewReader(recording))
	require.NoError(t, err)
	d := &light{life: context.WithoutCancel(t.Context()), log: log, network: network, live: map[string]*instance{}}
	for {
		picture, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return d
		}
		require.NoError(t, err)
		d.pictures = append(d.pictures, picture)
	}
}

func (d *light) Check(context.Context) error { return nil }

func (d *light) Sweep(context.Context) ([]string, error) { return nil, nil }

// Launch connects a streamer by the secret that the agent gives it, as `streamstack streamer` does.
func (d *light) Launch(ctx context.Context, spec driver.Spec) (driver.Instance, error) { //nolint:contextcheck // an instance outlives its launch
	if err := spec.BeforeStreamer(ctx); err != nil {
		return nil, err
	}
	var secret agent.StreamerSecret
	if err := json.Unmarshal(spec.Streamer.Secret, &secret); err != nil {
		return nil, fmt.Errorf("soak: secret: %w", err)
	}
	if d.foreign != nil {
		life, stop := context.WithCancel(d.life)
		in := &instance{id: spec.Session, stop: stop, done: make(chan struct{})}
		if err := d.admit(in); err != nil {
			stop()
			return nil, err
		}
		go func() { // as below
			<-life.Done()
			d.leave(in, nil)
		}()
		d.foreign <- secret
		return in, nil
	}
	nc, err := connect.Dial(ctx, secret.NATS, "", "s-"+spec.Session, d.log, nats.UserCredentialBytes([]byte(secret.Creds)))
	if err != nil {
		return nil, err
	}
	log, err := events.New(nc, d.log)
	if err != nil {
		nc.Close()
		return nil, err
	}
	s, err := streamer.New(streamer.Config{
		Log: log, Logger: d.log, Region: region, Session: events.SessionID(spec.Session),
		Screen: events.Screen{Width: 160, Height: 120, FPS: 30}, Media: recorded{d.pictures}, Input: noHands{},
		Encoders: []streamer.Encoder{{Codec: frame.VP8, Element: "recorded"}}, Bitrate: bitrate.Table{}, Network: d.network,
	})
	if err != nil {
		nc.Close()
		return nil, err
	}
	life, stop := context.WithCancel(d.life)
	in := &instance{id: spec.Session, stop: stop, done: make(chan struct{})}
	if err := d.admit(in); err != nil {
		stop()
		nc.Close()
		return nil, err
	}
	go func() { // ends with stop, which Close calls for all
		defer stop()
		err := s.Run(life)
		nc.Close()
		d.leave(in, err)
	}()
	return in, nil
}

func (d *light) admit(in *instance) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return driver.ErrClosed
	case d.live[in.id] != nil:
		return driver.ErrExists
	}
	d.live[in.id] = in
	return nil
}

func (d *light) leave(in *instance, err error) {
	d.mu.Lock()
	delete(d.live, in.id)
	d.mu.Unlock()
	in.ending = driver.Ending{Reason: "stopped on request", ExitCode: -1}
	if err != nil {
		in.ending = driver.Ending{Part: driver.PartStreamer, Failed: true, Reason: err.Error(), ExitCode: 1}
	}
	close(in.done)
}

// Close implements driver.Driver.
func (d *light) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	var live []*instance
	for _, in := range d.live {
		live = append(live, in)
	}
	d.mu.Unlock()
	var errs []error
	for _, in := range live {
		in.stop()
	}
	for _, in := range live {
		errs = append(errs, in.Stop(ctx))
	}
	return errors.Join(errs...)
}

// instance is a streamer that runs here.
type instance struct {
	id     string
	stop   context.CancelFunc
	done   chan struct{}
	ending driver.Ending
}

func (in *instance) ID() string            { return in.id }
func (in *instance) Done() <-chan struct{} { return in.done }

func (in *instance) Ending() driver.Ending {
	select {
	case <-in.done:
		return in.ending
	default:
		return driver.Ending{}
	}
}

// Stop implements driver.Instance.
func (in *instance) Stop(ctx context.Context) error {
	in.stop()
	select {
	case <-in.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("soak: the instance has not ended: %w", ctx.Err())
	}
}

// recorded plays the picture over and over. It implements [streamer.Media].
type recorded struct{ pictures [][]byte }

func (r recorded) StartVideo(_ context.Context, _ streamer.Encoder, _ events.Screen, _ int, sink func(frame.Video)) (streamer.Video, error) {
	p := &playing{key: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go func() { // ends with Close
		defer close(p.done)
		begun, n := time.Now(), 0
		tick := time.NewTicker(frameTime)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-p.key:
				n = 0
			case now := <-tick.C:
				sink(frame.Video{Data: r.pictures[n], Keyframe: n == 0, CapturedAt: now, PTS: now.Sub(begun)})
				n = (n + 1) % len(r.pictures)
			}
		}
	}()
	return p, nil
}

// StartAudio is not called: the application has no sound.
func (recorded) StartAudio(context.Context, func(frame.Audio)) (streamer.Audio, error) {
	return nil, errors.New("soak: no sound")
}

type playing struct {
	key, stop, done chan struct{}
	once            sync.Once
}

func (p *playing) RequestKeyframe() {
	select {
	case p.key <- struct{}{}:
	default: // one is on its way
	}
}

func (p *playing) SetBitrate(int) error { return nil }

// SetFrameRate does nothing: what was recorded comes as it was.
func (p *playing) SetFrameRate(int) error { return nil }

// Acted and Follow do nothing likewise.
func (p *playing) Acted()              {}
func (p *playing) Follow(frame.Rhythm) {}

func (p *playing) Done() <-chan struct{} { return p.done }
func (p *playing) Err() error            { return nil }

func (p *playing) Close() error {
	p.once.Do(func() { close(p.stop) })
	<-p.done
	return nil
}

// noHands takes input and does nothing with it.
type noHands struct{}

func (noHands) Handle(context.Context, control.Message) error { return nil }
func (noHands) ReleaseAll(context.Context) error              { return nil }
func (noHands) Done() <-chan struct{}                         { return nil }
func (noHands) Err() error                                    { return nil }
