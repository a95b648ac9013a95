package streamer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/peer"
)

// decided are the decisions about a client so far.
func (r *rig) decided(p events.PeerID) (list []events.QualityDecisions) {
	err := r.log.Read(context.WithoutCancel(r.t.Context()), events.QualityStream, events.QualityFilter(region, session), 0, func(e events.Event) error {
		if d, err := e.Decisions(); err == nil && d.Peer == p {
			list = append(list, d)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return list
}

// What is decided is in the log, in order, at most once a second: the first key frame and why it was asked for, and the
// targets that the encoder was given.
func TestDecisionsAreRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start()
	b := visit(t, r)
	var told events.DecisionData
	eventstest.Wait(t, patience, func() string {
		started := false
		told = events.DecisionData{}
		for _, d := range r.decided(b.id) {
			for _, one := range d.List {
				started = started || one.Kind == "keyframe" && one.Cause == "start"
				if one.Kind == "target" {
					told = one
				}
			}
		}
		switch {
		case !started:
			return "the first key frame"
		case told.Kind == "":
			return "a target"
		}
		return ""
	})
	require.Positive(t, told.TargetKbps)
	require.Positive(t, told.FPS)
	require.LessOrEqual(t, told.FPS, r.cfg.Screen.FPS, "less where the machine does other things")
	require.GreaterOrEqual(t, told.EstimateKbps, told.TargetKbps)
	var last time.Time
	for _, d := range r.decided(b.id) {
		require.LessOrEqual(t, len(d.List), events.MaxDecisions)
		require.False(t, d.Time.Before(last))
		last = d.Time
	}
	videos, _ := r.screen.open()
	eventstest.Wait(t, patience, func() string {
		for _, d := range r.decided(b.id) {
			for _, one := range d.List {
				if one.Kind == "target" {
					told = one
				}
			}
		}
		videos[0].mu.Lock()
		defer videos[0].mu.Unlock()
		if videos[0].fps != told.FPS || videos[0].kbps <= 0 {
			return fmt.Sprintf("the last target at the encoder: it has %d pictures a second, and was told %d", videos[0].fps, told.FPS)
		}
		return ""
	})
}

// More decisions than an event may hold are counted.
func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	d := &decisions{}
	for range events.MaxDecisions + 5 {
		d.add(peer.Decision{At: time.Now(), Kind: peer.DecidedTarget, Target: peer.Target{Bitrate: 1_500_000, FPS: 30}})
	}
	require.Len(t, d.list, events.MaxDecisions)
	require.EqualValues(t, 5, d.omitted)
	require.Equal(t, 1500, d.list[0].TargetKbps)
}
