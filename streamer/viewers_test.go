package streamer

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/frame"
)

// watchSession is a client that only watches, up to its pictures.
func watchSession(t *testing.T, r *rig, codec string) *browser {
	t.Helper()
	b := letWatch(t, r, codec)
	b.watch()
	r.until(events.Connected, b.id)
	return b
}

func letWatch(t *testing.T, r *rig, codec string) *browser {
	t.Helper()
	b := newBrowser(t, r, codec)
	b.signal()
	r.append(events.Gateway, events.Joined, events.JoinedData{Peer: b.id, Generation: 1, Role: events.RoleViewer})
	b.say(events.Attached, events.AttachedData{Peer: b.id, Role: events.RoleViewer})
	b.settings(`{"api_version":2,"data_channels":["chat"],"enable_microphone":true}`)
	return b
}

// more waits for further pictures.
func (b *browser) more() {
	b.t.Helper()
	before := b.video.Load()
	eventstest.Wait(b.t, patience, func() string {
		if b.video.Load() < before+3 { // of a viewer that is thinned, too
			return "further pictures at the client"
		}
		return ""
	})
}

func open(r *rig) int {
	videos, _ := r.screen.open()
	return len(videos)
}

// Several watch, one encoder serves all, and their input has no effect; the client comes and goes, and they stay.
func TestViewersWatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.DataSockets = t.TempDir()
	r.start()
	first := visit(t, r)
	one, two := watchSession(t, r, webrtc.MimeTypeVP8), watchSession(t, r, webrtc.MimeTypeVP8)
	require.Equal(t, 1, open(r), "one encode for all")
	eventstest.Wait(t, patience, func() string {
		if one.audio.Load() == 0 || two.audio.Load() == 0 {
			return "sound at the viewers"
		}
		return ""
	})
	one.send(`{"type":"input::key","data":{"code":20,"pressed":true}}`)
	one.send(`{"type":"input::mouse-move","data":{"x":1,"y":1}}`)
	first.send(`{"type":"input::key","data":{"code":21,"pressed":true}}`)
	eventstest.Wait(t, patience, func() string {
		if len(r.hands.messages()) == 0 {
			return "the client's input"
		}
		return ""
	})
	require.Len(t, r.hands.messages(), 1, "a viewer has none")

	second := visit(t, r) // displaces the client, and nobody else
	require.Equal(t, events.ReasonDisplaced, r.gone(first.id).Reason)
	one.more()
	two.more()
	require.Equal(t, 1, open(r))

	second.send(`{"type":"stream::disconnect"}`)
	r.gone(second.id)
	one.more() // nobody streams, and they watch on
	require.Equal(t, 1, open(r))
	released := r.hands.releases()
	one.send(`{"type":"stream::disconnect"}`)
	require.Equal(t, events.DisconnectedData{Peer: one.id, Reason: events.ReasonLeft, Connected: true, InputDropped: 2}, r.gone(one.id))
	require.Equal(t, released, r.hands.releases(), "what the client holds down stays down")
	two.more()
	two.send(`{"type":"stream::disconnect"}`)
	r.gone(two.id)
	eventstest.Wait(t, patience, r.screen.allClosed)
	require.Empty(t, sockets(r))
}

// An encoder that fails while nobody streams is replaced for those who watch.
func TestEncoderFallsBackForViewersAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	b := watchSession(t, r, webrtc.MimeTypeVP8)
	videos, _ := r.screen.open()
	require.Len(t, videos, 1)
	videos[0].fail(errors.New("the GPU is lost"))
	var d events.EncoderChangedData
	require.NoError(t, r.until(events.EncoderChanged, "").Decode(&d))
	require.Equal(t, "vp8enc slowvp8enc", d.From+" "+d.To)
	b.more()
}

// A viewer that loses everything does not change the client's bitrate, and costs it few key frames.
func TestALostViewerHurtsNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	client := visit(t, r)
	lost := watchSession(t, r, webrtc.MimeTypeVP8)
	videos, _ := r.screen.open()
	require.Len(t, videos, 1)
	lost.socket.cut.Store(true)
	client.more()
	require.Equal(t, events.ReasonLost, r.gone(lost.id).Reason)
	client.more()
	require.Equal(t, 1, open(r))
	videos[0].mu.Lock()
	defer videos[0].mu.Unlock()
	require.Less(t, videos[0].keys, 12)
}

// Viewers are there before any client, and a client with another codec sends them away; they may come again.
func TestViewersBeforeTheClient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.Encoders = []Encoder{{frame.VP8, "vp8enc", false}, {frame.H264, "x264enc", false}}
	early := newBrowser(t, r, webrtc.MimeTypeVP8)
	early.signal()
	r.append(events.Gateway, events.Joined, events.JoinedData{Peer: early.id, Generation: 1, Role: events.RoleViewer})
	early.settings(`{"api_version":2}`)
	begun := events.PeerID("11111111-1111-4111-8111-111111111111") // another streamer's
	r.append(events.Gateway, events.Joined, events.JoinedData{Peer: begun, Generation: 2, Role: events.RoleViewer})
	r.append(events.Client, events.Settings, events.SettingsData{Peer: begun, Settings: events.Raw(`{"api_version":2}`)})
	r.append(events.Streamer, events.Offer, events.SDPData{Peer: begun, SDP: "v=0"})
	shown, left := events.PeerID("33333333-3333-4333-8333-333333333333"), events.PeerID("44444444-4444-4444-8444-444444444444")
	for n, id := range []events.PeerID{shown, left} {
		r.append(events.Gateway, events.Joined, events.JoinedData{Peer: id, Generation: 3 + n, Role: events.RoleViewer})
		r.append(events.Streamer, events.Offer, events.SDPData{Peer: id, SDP: "v=0"})
		r.append(events.Streamer, events.Connected, events.ConnectedData{Peer: id})
	}
	r.append(events.Streamer, events.Disconnected, events.DisconnectedData{Peer: left, Reason: events.ReasonLeft, Connected: true})
	r.start()
	for id, connected := range map[events.PeerID]bool{begun: false, shown: true} {
		lost := r.gone(id) // so that its place is free
		require.Equal(t, events.ReasonLost, lost.Reason)
		require.Contains(t, lost.Message, "join again")
		require.Equal(t, connected, lost.Connected)
	}
	early.watch()
	other := letWatch(t, r, webrtc.MimeTypeH264)
	require.Equal(t, events.ReasonRefused, r.gone(other.id).Reason, "all are shown one codec")

	client := newBrowser(t, r, webrtc.MimeTypeH264)
	client.signal()
	client.join()
	client.settings(`{"api_version":2}`)
	r.until(events.Connected, client.id)
	gone := r.gone(early.id)
	require.Equal(t, events.ReasonDisplaced, gone.Reason)
	require.Contains(t, gone.Message, "H264")
	require.Empty(t, early.aborted())
	watchSession(t, r, webrtc.MimeTypeH264)
	require.Equal(t, 1, open(r))
	offers, _ := r.streamed(events.Offer, begun)
	require.Len(t, offers, 1, "the other streamer's")
	require.Equal(t, events.ReasonLeft, r.gone(left).Reason, "which was said once")
}

// A viewer of version 1, and one that is refused.
func TestViewersOfAllKinds(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	client := visit(t, r)
	old := newBrowser(t, r, webrtc.MimeTypeVP8)
	old.channels = []string{"chat"}
	old.signal()
	r.append(events.Gateway, events.Joined, events.JoinedData{Peer: old.id, Generation: 1, Role: events.RoleViewer})
	old.settings(`{"api_version":1}`)
	old.offer()
	old.watch()
	odd := events.PeerID("22222222-2222-4222-8222-222222222222")
	r.append(events.Gateway, events.Joined, events.JoinedData{Peer: odd, Generation: 2, Role: events.RoleViewer})
	r.append(events.Client, events.Settings, events.SettingsData{Peer: odd, Settings: events.Raw(`{"api_version":7}`)})
	require.Equal(t, events.ReasonRefused, r.gone(odd).Reason)
	client.more()
	r.stop()
	require.NoError(t, r.finished())
	for _, b := range []*browser{client, old} {
		eventstest.Wait(t, patience, b.aborted)
		require.Equal(t, events.ReasonEnded, r.gone(b.id).Reason, fmt.Sprint(b.id))
	}
	require.Empty(t, r.screen.allClosed())
}
