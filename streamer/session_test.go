package streamer

import (
	"testing"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/control"
)

// What the streamer says of itself, before anything else.
func TestReady(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	var d events.ReadyData
	require.NoError(t, r.until(events.Ready, "").Decode(&d))
	require.Equal(t, events.ReadyData{
		Encoders: []events.EncoderData{{Codec: "H264", Element: "x264enc"}, {Codec: "VP8", Element: "vp8enc"}, {Codec: "VP8", Element: "slowvp8enc"}},
		Codecs:   []string{"H264", "VP8"}, Screen: r.cfg.Screen, Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: 30},
	}, d)
}

func TestNewWithoutEncoders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.Encoders = nil
	_, err := New(r.cfg)
	require.ErrorContains(t, err, "install gstreamer1.0-plugins-ugly")
}

// Settings, offer, answer, candidates, connected; pictures, sound, input, and the end that the client asks for.
func TestAClientFromEndToEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	r.until(events.Ready, "")
	b := visit(t, r)
	var c events.ConnectedData
	require.NoError(t, r.until(events.Connected, b.id).Decode(&c))
	require.Equal(t, "VP8", c.Codec, "the client has no H264")
	require.Equal(t, "vp8enc", c.Encoder, "the better of two")
	require.Equal(t, events.CandidateEnd{Kind: "host", Family: events.FamilyIPv4}, c.Pair.Local)
	require.Contains(t, []string{"host", "prflx"}, c.Pair.Remote.Kind)
	require.Equal(t, "udp", c.Pair.Protocol)
	require.Positive(t, c.ConnectMs)
	offers, words := r.streamed(events.Offer, b.id)
	require.Len(t, offers, 1)
	require.Equal(t, "ready()", words[0])
	require.Contains(t, words, "candidate("+string(b.id[:4])+")")
	eventstest.Wait(t, patience, func() string {
		if b.audio.Load() < 10 {
			return "sound at the client"
		}
		return ""
	})
	b.send(`{"type":"input::key","data":{"code":20,"pressed":true}}`)
	b.send(`no message at all`)
	b.send(`{"type":"input::mouse-wheel","data":{"x":0,"y":-1}}`)
	eventstest.Wait(t, patience, func() string {
		if len(r.hands.messages()) < 2 {
			return "two messages of input"
		}
		return ""
	})
	require.Equal(t, []control.Message{control.Key{Code: 20, Pressed: true}, control.MouseWheel{Y: -1}}, r.hands.messages())
	require.Zero(t, r.hands.releases())

	b.send(`{"type":"stream::disconnect","data":{}}`)
	require.Equal(t, events.DisconnectedData{Peer: b.id, Reason: events.ReasonLeft, Connected: true}, r.gone(b.id))
	require.Equal(t, 1, r.hands.releases(), "keys are let go")
	require.Empty(t, r.screen.allClosed())
	visit(t, r) // the next is served
}

// API version 1: the client offers.
func TestVersionOne(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	b := newBrowser(t, r, webrtc.MimeTypeVP8)
	b.signal()
	b.join()
	b.settings(`{"api_version":1}`)
	b.offer()
	b.watch()
	r.until(events.Connected, b.id)
	offers, _ := r.streamed(events.Offer, b.id)
	require.Empty(t, offers)
	answers, _ := r.streamed(events.Answer, b.id)
	require.Len(t, answers, 1)
}

// A client that says everything twice is served once.
func TestRepetitionIsIgnored(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*browser){
		"version 2": func(b *browser) { b.settings(`{"api_version":2}`) },
		"version 1": func(b *browser) { b.settings(`{"api_version":1}`); b.offer() },
		"version 0": func(b *browser) { b.settings(`{"api_version":0}`); b.offer() }, // the SDK allows it, and means 1
		"an offer that is not its part": func(b *browser) {
			b.settings(`{"api_version":2}`)
			b.say(events.Offer, events.SDPData{Peer: b.id, SDP: "v=0"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t).start()
			b := newBrowser(t, r, webrtc.MimeTypeVP8)
			b.twice = true
			b.signal()
			b.join()
			begin(b)
			b.watch()
			b.settings(`{"api_version":2}`)
			r.until(events.Connected, b.id)
			b.send(`{"type":"stream::disconnect"}`)
			r.gone(b.id)
			b.settings(`{"api_version":2}`) // it has had its turn
			visit(t, r)
			for n, want := range map[events.Name]int{events.Connected: 1, events.Disconnected: 1} {
				list, words := r.streamed(n, b.id)
				require.Len(t, list, want, "%s in %v", n, words)
			}
			descriptions, _ := r.streamed(events.Offer, b.id)
			answers, _ := r.streamed(events.Answer, b.id)
			require.Len(t, append(descriptions, answers...), 1)
		})
	}
}

// A client that came before the streamer is served from the log; one that was displaced by then is not.
func TestEarlyClients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	displaced, early := newBrowser(t, r, webrtc.MimeTypeVP8), newBrowser(t, r, webrtc.MimeTypeVP8)
	displaced.join()
	displaced.settings(`{"api_version":2}`)
	early.signal()
	early.join()
	early.settings(`{"api_version":2}`)
	displaced.settings(`{"api_version":2}`) // late
	r.start()
	early.watch()
	for _, n := range []events.Name{events.Offer, events.Disconnected} {
		list, _ := r.streamed(n, displaced.id)
		require.Empty(t, list, "%s for a client that was never served", n)
	}
}

// A second client displaces the first: which is told by an SCTP ABORT, and whose input and messages count no more.
func TestJoinDisplaces(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	first := visit(t, r)
	first.send(`{"type":"input::key","data":{"code":20,"pressed":true}}`)
	eventstest.Wait(t, patience, func() string {
		if len(r.hands.messages()) < 1 {
			return "the first client's key"
		}
		return ""
	})
	second := newBrowser(t, r, webrtc.MimeTypeVP8)
	second.signal()
	second.join()
	require.Equal(t, events.DisconnectedData{Peer: first.id, Reason: events.ReasonDisplaced, Connected: true}, r.gone(first.id))
	require.Equal(t, 1, r.hands.releases(), "its keys are let go")
	eventstest.Wait(t, patience, first.aborted)
	_ = first.control.SendText(`{"type":"input::key","data":{"code":30,"pressed":true}}`) // refused by pion or lost
	first.settings(`{"api_version":2}`)
	first.say(events.Answer, events.SDPData{Peer: first.id, SDP: "v=0"})
	second.settings(`{"api_version":2}`)
	second.watch()
	second.send(`{"type":"input::key","data":{"code":40,"pressed":true}}`)
	eventstest.Wait(t, patience, func() string {
		if len(r.hands.messages()) < 2 {
			return "the second client's key"
		}
		return ""
	})
	require.Equal(t, []control.Message{control.Key{Code: 20, Pressed: true}, control.Key{Code: 40, Pressed: true}}, r.hands.messages())
	videos, sounds := r.screen.open()
	require.Len(t, videos, 1, "the first one's captures are closed")
	require.Len(t, sounds, 1)
	list, _ := r.streamed(events.Offer, first.id)
	require.Len(t, list, 1)
}

// A client that is displaced in the middle of its negotiation makes room too.
func TestDisplacedWhileNegotiating(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	mute := newBrowser(t, r, webrtc.MimeTypeVP8) // never answers
	mute.join()
	mute.settings(`{"api_version":2}`)
	r.until(events.Offer, mute.id)
	visit(t, r)
	require.Equal(t, events.DisconnectedData{Peer: mute.id, Reason: events.ReasonDisplaced}, r.gone(mute.id))
}

// A client that falls silent is lost.
func TestVanishedClient(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	b := visit(t, r)
	b.socket.cut.Store(true)
	require.Equal(t, events.DisconnectedData{Peer: b.id, Reason: events.ReasonLost, Connected: true}, r.gone(b.id))
	eventstest.Wait(t, patience, r.screen.allClosed)
	require.Equal(t, 1, r.hands.releases())
	visit(t, r)
}
