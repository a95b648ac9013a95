package streamer

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/bitrate"
	"streamstack/streamer/frame"
	"streamstack/streamer/instanceapi"
	"streamstack/streamer/peer"
	"streamstack/streamer/rtclog"
)

// hanging is the handler of a logger whose lines wait for release, as a write to a disk that does not answer.
type hanging struct {
	slog.Handler
	reached, release chan struct{}
}

func (h hanging) Enabled(context.Context, slog.Level) bool { return true }

func (h hanging) Handle(context.Context, slog.Record) error {
	close(h.reached)
	<-h.release
	return nil
}

// A change that hangs in the disk keeps neither the loop, which lets clients in and out, nor those who look at the settings waiting.
func TestALogThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := hanging{slog.DiscardHandler, make(chan struct{}), make(chan struct{})}
	trace := rtclog.New(t.TempDir(), slog.New(h))
	i := newInside(trace, bitrate.Limit{MinKbps: 1000, MaxKbps: 3000})
	on, done := true, make(chan error, 1)
	go func() {
		done <- i.Change(instanceapi.Change{RTCLog: &on, MinKbps: &instanceapi.Kbps{Value: 2000}})
	}()
	<-h.reached
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		c := &client{limit: i.limit()}
		c.captures = newCaptures(c)
		i.enter(c)
		i.up(c, peer.Connection{})
		i.display(bitrate.Limit{MinKbps: 1000, MaxKbps: 3000})
		i.Settings()
		i.leave(c)
	}()
	select {
	case <-passed:
	case <-time.After(patience):
		t.Error("the loop waits for the disk")
	}
	close(h.release)
	require.NoError(t, <-done)
	require.Equal(t, instanceapi.Settings{RTCLog: true, MinKbps: 2000, MaxKbps: 3000}, i.Settings())
	trace.Close()
}

// The range that is set between a client's settings and its first feedback is where its encoder begins, and what is told of it; what
// congestion control has found since is not put back by it.
func TestTheStreamBeginsInTheRangeThatHolds(t *testing.T) {
	t.Parallel()
	c := &client{limit: bitrate.Limit{MinKbps: 1000, MaxKbps: 3000}}
	c.screen.FPS = 30
	c.captures = newCaptures(c)
	require.Equal(t, 2000, c.targetKbps(0))
	c.captures.begins(peer.Target{Bitrate: 500_000, FPS: 30})
	require.Equal(t, 500, c.targetKbps(0))
	require.Equal(t, 500, c.captures.wanted(c.startKbps()), "at the encoder's start")
	p := newPlaying(Encoder{Codec: frame.VP8}, 2000)
	require.True(t, c.captures.keepVideo(p))
	c.captures.begins(peer.Target{Bitrate: 400_000, FPS: 30})
	require.Equal(t, 400, p.kbps, "at the encoder that runs")
	c.captures.aim(peer.Target{Bitrate: 300_000, FPS: 30})
	c.captures.begins(peer.Target{Bitrate: 900_000, FPS: 30})
	require.Equal(t, 300, p.kbps)
	c.captures.close()
}

// A program that changes the range all the time does not fill the log, which has other things to tell.
func TestChangesDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, err := New(r.cfg)
	require.NoError(t, err)
	for n := range uint32(1000) {
		require.NoError(t, s.inside.Change(instanceapi.Change{MinKbps: &instanceapi.Kbps{Value: 1 + n}}))
	}
	lines := strings.Count(r.output.String(), "bounds the bitrate")
	require.Positive(t, lines)
	require.Less(t, lines, 20)
}
