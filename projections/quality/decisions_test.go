package quality

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

// decide makes an event of decisions that follow each other by a second.
func decide(n int, peer events.PeerID, list ...events.DecisionData) events.QualityDecisions {
	for i := range list {
		list[i].UnixMs = start.Add(time.Duration(n*events.MaxDecisions+i) * time.Second).UnixMilli()
	}
	return events.QualityDecisions{Sequence: events.Seq(n), Time: start, DecisionsData: events.DecisionsData{Peer: peer, List: list}}
}

func target(kbps int, cause string) events.DecisionData {
	return events.DecisionData{Kind: "target", Cause: cause, TargetKbps: kbps, FPS: 30, EstimateKbps: kbps + 300}
}

func TestDecisions(t *testing.T) {
	var c Clients
	require.True(t, c.Decided("p").Empty())
	d := decide(1, "p",
		events.DecisionData{Kind: "keyframe", Cause: "start"}, target(2000, "start"), target(2400, "increase"), target(2100, "delay"),
		target(900, "delay"),
		events.DecisionData{Kind: "drop", Cause: "overflow", Pictures: 7}, events.DecisionData{Kind: "keyframe", Cause: "overflow"},
		events.DecisionData{Kind: "outage", Cause: "silence", Pictures: 2}, events.DecisionData{Kind: "resume"},
		events.DecisionData{Kind: "fallback", Cause: "failed", From: "nvh264enc", To: "x264enc"}, events.DecisionData{Kind: "bounds", Cause: "set", MinKbps: 500, MaxKbps: 800},
		events.DecisionData{Kind: "redundancy", Cause: "loss", Copies: 1}, events.DecisionData{Kind: "redundancy", Cause: "loss", Copies: 2},
		events.DecisionData{Kind: "redundancy", Cause: "calm"}, events.DecisionData{Kind: "redundancy", Cause: "calm"}, events.DecisionData{Kind: "of tomorrow"},
	)
	d.Omitted = 3
	c.Decide(d)
	c.Decide(decide(2, "another", target(500, "start")))
	c.Decide(d) // again: it counts once

	told := c.Decided("p")
	require.EqualValues(t, []uint64{4, 1, 9, 1, 1, 1, 1, 3, 0}, []uint64{told.Targets, told.Drops, told.Pictures, told.Outages, told.Fallbacks, told.Bounds, told.Other, told.Omitted, told.More})
	require.Equal(t, map[string]uint64{"start": 1, "increase": 1, "delay": 2}, told.TargetCauses)
	require.Equal(t, map[string]uint64{"start": 1, "overflow": 1}, told.Keyframes)
	require.Equal(t, []float64{900, 2400}, []float64{told.TargetKbps.Min(), told.TargetKbps.Max()})
	require.Equal(t, []int{900, 30}, []int{told.LastKbps, told.LastFPS})
	require.Equal(t, time.Second, told.Away)
	require.EqualValues(t, 1, told.Redundant)
	require.Equal(t, 2*time.Second, told.Copied)
	kinds := []string{}
	for _, m := range told.Moments {
		kinds = append(kinds, m.Kind)
	}
	require.Equal(t, []string{"target", "drop", "outage", "resume", "fallback", "bounds", "redundancy"}, kinds, "2400 to 2100 is a step, 2100 to 900 a fall")
	require.Equal(t, 2100, told.Moments[0].BeforeKbps)
	require.Equal(t, []events.PeerID{"p", "another"}, c.Peers())
	require.Nil(t, c.Of("p"), "there were no samples")
	require.EqualValues(t, 1, c.Decided("another").Targets)
}

func anyDecisions(n int) *rapid.Generator[events.QualityDecisions] {
	return rapid.Custom(func(t *rapid.T) events.QualityDecisions {
		list := make([]events.DecisionData, rapid.IntRange(0, 5).Draw(t, "decisions"))
		for i := range list {
			list[i] = events.DecisionData{
				UnixMs: rapid.Int64().Draw(t, "at"), Kind: rapid.SampledFrom([]string{"target", "keyframe", "drop", "outage", "resume", "fallback", "redundancy", "x"}).Draw(t, "kind"),
				Cause: rapid.String().Draw(t, "cause"), TargetKbps: rapid.Int().Draw(t, "kbps"), FPS: rapid.Int().Draw(t, "fps"), Pictures: rapid.Int().Draw(t, "pictures"),
				Copies: rapid.IntRange(-1, 3).Draw(t, "copies"),
			}
		}
		return events.QualityDecisions{Sequence: events.Seq(n), DecisionsData: events.DecisionsData{
			Peer: rapid.SampledFrom([]events.PeerID{"p", "q"}).Draw(t, "peer"), List: list, Omitted: rapid.Uint64Range(0, 9).Draw(t, "omitted"),
		}}
	})
}

// Whatever a streamer claims and however often it is delivered, the fold is that of each event once, and bounded.
func TestDecisionsAreFoldedOnceAndBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := make([]events.QualityDecisions, rapid.IntRange(0, 40).Draw(t, "events"))
		var once, again Clients
		for i := range list {
			list[i] = anyDecisions(i+1).Draw(t, "event")
			once.Decide(list[i])
			for range rapid.IntRange(1, 2).Draw(t, "deliveries") {
				if i > 0 {
					again.Decide(list[rapid.IntRange(0, i-1).Draw(t, "old")])
				}
				again.Decide(list[i])
			}
		}
		for _, p := range once.Peers() {
			d := once.Decided(p)
			if !reflect.DeepEqual(d, again.Decided(p)) {
				t.Fatalf("folded %+v, expected %+v", again.Decided(p), d)
			}
			if len(d.Moments) > maxMoments || len(d.TargetCauses) > maxCauses+1 || len(d.Keyframes) > maxCauses+1 || d.Away < 0 || d.Copied < 0 {
				t.Fatalf("%d moments, %d and %d causes, away for %v", len(d.Moments), len(d.TargetCauses), len(d.Keyframes), d.Away)
			}
		}
	})
}
