package timeline

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/projections/quality"
)

// measured makes samples of a client from the moment of its connection on: one each two seconds, each changed by change.
func measured(clients *quality.Clients, from time.Time, p events.PeerID, n int, change func(i int, d *events.QualityData)) {
	first := 0
	if all := clients.All(); all != nil {
		first = int(all.At())
	}
	for i := range n {
		rtt, encode := 1.2+math.Sin(float64(i))/4, 6.5
		d := events.QualityData{Peer: p, IntervalMs: 2000, FPS: 30, VideoKbps: 2400 + 40*(i%25), TargetKbps: 3000, RTTMs: &rtt, EncodeMs: &encode,
			Stages: &events.StagesData{CaptureMs: 1.5, ConvertMs: 0.75, EncodeMs: 4.25}}
		if i == 0 {
			d.Keyframes = map[string]uint64{"start": 1}
		}
		if change != nil {
			change(i, &d)
		}
		clients.Apply(events.QualitySample{QualityData: d, Region: region, Session: session, Sequence: events.Seq(first + i + 1),
			Time: from.Add(time.Duration(i+1) * 2 * time.Second)})
	}
}

// deciding folds decisions about a client that were made from a moment on, one each second.
func deciding(clients *quality.Clients, from time.Time, p events.PeerID, omitted uint64, list ...events.DecisionData) {
	for i := range list {
		list[i].UnixMs = from.Add(time.Duration(i+1) * time.Second).UnixMilli()
	}
	clients.Decide(events.QualityDecisions{
		DecisionsData: events.DecisionsData{Peer: p, List: list, Omitted: omitted}, Sequence: events.Seq(from.Unix()), Time: from,
	})
}

// narrow is a path that becomes narrower, is gone for a while, and an encoder that fails.
func narrow() []events.DecisionData {
	return []events.DecisionData{
		{Kind: "keyframe", Cause: "start"},
		{Kind: "target", Cause: "start", TargetKbps: 2000, FPS: 30, EstimateKbps: 2340},
		{Kind: "target", Cause: "probe", TargetKbps: 3000, FPS: 30, EstimateKbps: 4100},
		{Kind: "target", Cause: "delay", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, QueueMs: 120},
		{Kind: "drop", Cause: "overflow", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, QueueMs: 140, Pictures: 7},
		{Kind: "keyframe", Cause: "overflow", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, QueueMs: 140},
		{Kind: "outage", Cause: "outage", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, Pictures: 1},
		{Kind: "resume", Cause: "resumed", TargetKbps: 800, FPS: 20, EstimateKbps: 1000},
		{Kind: "fallback", Cause: "failed", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, From: "nvh264enc", To: "x264enc"},
		{Kind: "bounds", Cause: "set", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, MinKbps: 300, MaxKbps: 900},
		{Kind: "redundancy", Cause: "loss", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, Copies: 1},
		{Kind: "redundancy", Cause: "calm", TargetKbps: 800, FPS: 20, EstimateKbps: 1000},
	}
}

// connection is when a client was connected.
func connection(s *script, p events.PeerID) time.Time {
	for _, e := range s.list {
		if e.Is(events.Streamer, events.Connected) && e.Peer() == p {
			return e.Time
		}
	}
	require.FailNow(s.t, "not connected", "%s", p)
	return time.Time{}
}

func TestGoldenQuality(t *testing.T) {
	for name, measure := range map[string]func(*script, *quality.Clients){
		"good": func(s *script, c *quality.Clients) {
			measured(c, connection(s, peer1), peer1, 22, nil)
			deciding(c, connection(s, peer1), peer1, 0, narrow()[:3]...)
		},
		"displaced": func(s *script, c *quality.Clients) {
			measured(c, connection(s, peer1), peer1, 4, nil)
			deciding(c, connection(s, peer1), peer1, 0, narrow()...)
			deciding(c, connection(s, peer2), peer2, 4, append(narrow(), narrow()[2:]...)...)
			measured(c, connection(s, peer2), peer2, 36_000, func(i int, d *events.QualityData) {
				if i/1000 == 17 { // half an hour of trouble
					d.FPS, d.VideoKbps, d.Loss, d.Freezes, d.FrozenMs, d.NACKs = 12.5, 600, 0.08, 1, 400, 31
					d.Keyframes, d.FramesDropped = map[string]uint64{"pli": 1, "overflow": 1}, 9
				}
			})
		},
		"still-running": func(s *script, c *quality.Clients) {
			measured(c, connection(s, peer1), peer1, 2, func(_ int, d *events.QualityData) { d.RTTMs, d.EncodeMs, d.Stages = nil, nil, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			stories[name](s)
			var clients quality.Clients
			measure(s, &clients)
			told := Build(s.list)
			told.AddQuality(&clients)
			var b bytes.Buffer
			p := NewPrinter(&b, false, time.UTC)
			p.Timeline(told, "")
			require.NoError(t, p.Flush())
			golden(t, name+"-quality", b.String())
		})
	}
}

// Whatever a streamer claims, a timeline keeps its events and stays printable.
func TestQualityKeepsTheEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScript(nil)
		s.list = rapid.SliceOfN(anyEvent(), 0, 20).Draw(t, "events")
		var clients quality.Clients
		for i := range rapid.IntRange(0, 10).Draw(t, "samples") {
			rtt := rapid.Float64().Draw(t, "rtt")
			clients.Apply(events.QualitySample{
				Sequence: events.Seq(i + 1), Time: time.Unix(rapid.Int64Range(-1e9, 1e9).Draw(t, "time"), 0),
				QualityData: events.QualityData{
					Peer: rapid.SampledFrom([]events.PeerID{peer1, peer2, "p", "", "\x1b[2J"}).Draw(t, "peer"), FPS: rapid.Float64().Draw(t, "fps"), RTTMs: &rtt,
					IntervalMs: rapid.Int64().Draw(t, "interval"), FrozenMs: rapid.Int64().Draw(t, "frozen"), VideoKbps: rapid.Int().Draw(t, "kbps"),
					Keyframes: map[string]uint64{rapid.String().Draw(t, "cause"): rapid.Uint64().Draw(t, "n")}, NACKs: rapid.Uint64().Draw(t, "nacks"),
				},
			})
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "decisions") {
			clients.Decide(events.QualityDecisions{Sequence: events.Seq(i + 1), DecisionsData: events.DecisionsData{
				Peer: rapid.SampledFrom([]events.PeerID{peer1, peer2, "p", "", "\x1b[2J"}).Draw(t, "peer"), Omitted: rapid.Uint64().Draw(t, "omitted"),
				List: []events.DecisionData{{
					UnixMs: rapid.Int64().Draw(t, "at"), Kind: rapid.SampledFrom([]string{"target", "keyframe", "drop", "outage", "fallback", "bounds", "redundancy", "\x1b[2J"}).Draw(t, "kind"),
					Cause: rapid.String().Draw(t, "cause"), TargetKbps: rapid.Int().Draw(t, "target"), Pictures: rapid.Int().Draw(t, "pictures"), From: rapid.String().Draw(t, "encoder"),
				}},
			}})
		}
		told := Build(s.list)
		events := len(told.Entries)
		told.AddQuality(&clients)
		if got := len(told.Entries); got != events+len(clients.Peers()) {
			t.Fatalf("%d entries of %d events and %d clients", got, events, len(clients.Peers()))
		}
		var b bytes.Buffer
		p := NewPrinter(&b, false, time.UTC)
		p.Timeline(told, "")
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(b.String(), unprintable); i >= 0 {
			t.Fatalf("unprintable at %d: %q", i, b.String()[i:])
		}
	})
}

func TestHistoryCommandShowsQuality(t *testing.T) {
	log, seqs := stack(t)
	id := string(session)
	require.NotContains(t, must(t, "history", id), "quality", "nothing was measured")
	rtt := 1.5
	appendSample := func(fps float64) {
		_, err := log.Append(t.Context(), events.NewQualityDraft(region, session, events.QualityData{Peer: peer1, IntervalMs: 2000, FPS: fps, RTTMs: &rtt}))
		require.NoError(t, err)
	}
	appendSample(30)
	appendSample(15)
	_, err := log.Append(t.Context(), events.NewDecisionsDraft(region, session, events.DecisionsData{Peer: peer1, List: narrow()}))
	require.NoError(t, err)
	_, err = log.Append(t.Context(), events.NewQualityDraft(region, "another", events.QualityData{Peer: peer1, FPS: 99}))
	require.NoError(t, err)
	_, err = log.JetStream().Publish(t.Context(), events.QualityFilter(region, session), []byte(`{"fps":1}`)) // forged: no envelope
	require.NoError(t, err)

	text := must(t, "history", id)
	require.Contains(t, text, "client 1: 2 samples in ")
	require.Contains(t, text, "█▅  min 15.0, median 15.0, max 30.0")
	require.Contains(t, text, "key frames asked for: 1 overflow, 1 start; 1 outage of ")
	require.Contains(t, text, "fallback from nvh264enc to x264enc")
	require.Contains(t, text, "The picture had 15.0 fps at the median, no freeze, 2.0 s below 20 fps; round trips took 1.5 ms")

	require.Equal(t, seqs, sequences(t, must(t, "history", id, "--json")), "the session's events only")
	both := sequences(t, must(t, "history", id, "--json", "--quality"))
	require.Equal(t, append(append([]events.Seq{}, seqs...), 1, 2, 3), both)

	last := fmt.Sprint(seqs[len(seqs)-1])
	require.Contains(t, must(t, "history", id, "--at", last), "client 1: 2 samples")
	require.NotContains(t, must(t, "history", id, "--at", fmt.Sprint(seqs[3])), "quality", "they came later")
	require.NotContains(t, must(t, "history", id, "--at", "2001-01-02T03:04", "--json", "--quality", "--nats", log.Conn().ConnectedUrl(), "--at", time.Now().Add(time.Hour).Format(time.RFC3339)), "another")
}

// A stack of an older version has no such stream; its histories are shown all the same.
func TestHistoryCommandWithoutTheStream(t *testing.T) {
	log := eventstest.Log(t)
	require.NoError(t, log.JetStream().DeleteStream(t.Context(), events.QualityStream))
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	appendStory(t, log, "good", session)
	text := must(t, "history", string(session), "--data", dir)
	require.Contains(t, text, "Ended in order after ")
	require.Contains(t, text, "the quality of the stream is not shown in full")
}
