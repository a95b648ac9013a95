package streamer

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/bridge"
	"streamstack/events/eventstest"
)

// said counts the client's events of a name.
func (b *browser) said(n events.Name) (count int) {
	b.t.Helper()
	require.NoError(b.t, b.r.log.History(b.t.Context(), region, session, 0, func(e events.Event) error {
		if e.Is(events.Client, n) && e.Peer() == b.id {
			count++
		}
		return nil
	}))
	return count
}

// opens tells when a channel of the client's opens and closes.
func (b *browser) opens(c *webrtc.DataChannel) (open, closed <-chan struct{}) {
	o, x := make(chan struct{}), make(chan struct{})
	c.OnOpen(func() { close(o) })
	c.OnClose(func() { close(x) })
	return o, x
}

func (b *browser) channel(label string) *webrtc.DataChannel {
	b.t.Helper()
	c, err := b.pc.CreateDataChannel(label, nil)
	require.NoError(b.t, err)
	return c
}

func waitFor(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("still missing: " + what)
	}
}

// In version 1 the page's channels come with the offer: those are served, and others are closed.
func TestVersionOneChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.DataSockets = socketFolder(t)
	r.start()
	b := newBrowser(t, r, webrtc.MimeTypeVP8)
	b.channels = []string{"control", "chat", "chat", "telemetry"}
	chat, chatClosed := b.opens(b.channel("chat"))
	_, strangeClosed := b.opens(b.channel("strange"))
	b.signal()
	b.join()
	b.settings(`{"type":"settings","api_version":1}`)
	b.offer()
	b.watch()
	waitFor(t, chat, "the chat")
	waitFor(t, strangeClosed, "the end of a channel that was not named")
	select {
	case <-chatClosed:
		t.Fatal("the chat was closed")
	default:
	}
}

// The oldest clients say nothing before their offer: neither discover nor settings. What they say early is kept.
func TestOfferWithoutSettings(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"candidates after the offer": false, "candidates before it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t).start()
			b := newBrowser(t, r, webrtc.MimeTypeVP8)
			b.join()
			if early {
				offered := b.prepareOffer()
				b.signal()
				require.NoError(t, b.pc.SetLocalDescription(offered))
				eventstest.Wait(t, patience, func() string {
					if b.said(events.Candidate) == 0 {
						return "a candidate in the log"
					}
					return ""
				})
				b.say(events.Offer, events.SDPData{Peer: b.id, SDP: offered.SDP})
			} else {
				b.signal()
				b.offer()
			}
			b.watch()
			r.until(events.Connected, b.id)
			b.settings(`{"api_version":1}`) // late ones change nothing
			b.send(`{"type":"stream::disconnect"}`)
			r.gone(b.id)
			visit(t, r)
		})
	}
}

// What a client of version 1 must not ask for is refused in words, and the next one is served.
func TestVersionOneRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	six := newBrowser(t, r, webrtc.MimeTypeVP8)
	six.channels = []string{"a", "b", "c", "d", "e", "f"}
	six.join()
	six.settings(`{"api_version":1}`)
	six.offer()
	d := r.gone(six.id)
	require.Equal(t, events.ReasonRefused, d.Reason)
	require.Contains(t, d.Message, "name at most 5")

	b := newBrowser(t, r, webrtc.MimeTypeVP9)
	b.join()
	b.offer()
	require.Contains(t, r.gone(b.id).Message, "no video codec in common")
	b = newBrowser(t, r, webrtc.MimeTypeVP8)
	b.join()
	b.say(events.Offer, events.SDPData{Peer: b.id, SDP: "v=0"})
	require.Equal(t, "the offer was not accepted", r.gone(b.id).Message)
	visit(t, r)
}

// What the page asks of the application is there before the offer, and replaced with the next client.
func TestApplicationIsToldOfItsClient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.ClientFile = filepath.Join(t.TempDir(), "client.json")
	r.start()
	for _, x := range []struct{ settings, device, activity string }{
		{`{"api_version":2,"device_type":"tablet","foreground_activity":"com.example.racing.MainActivity"}`, "tablet", "com.example.racing.MainActivity"},
		{`{"api_version":2}`, "", ""},
	} {
		b := newBrowser(t, r, webrtc.MimeTypeVP8)
		b.join()
		b.settings(x.settings)
		r.until(events.Offer, b.id)
		text, err := os.ReadFile(r.cfg.ClientFile)
		require.NoError(t, err)
		var got clientInfo
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, clientInfo{b.id, x.device, x.activity}, got)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(r.cfg.ClientFile), ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// A file that cannot be written is the application's loss, not the client's.
func TestApplicationCannotBeTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.ClientFile = filepath.Join(t.TempDir(), "no", "such", "folder")
	visit(t, r.start())
	require.Contains(t, r.output.String(), "the application is not told")
}

// Sound goes to who wants it: a page with a microphone alone gets a line for it, and nothing on it.
func TestSoundIsForWhoWantsIt(t *testing.T) {
	t.Parallel()
	for settings, sounds := range map[string]int{
		`{"enable_speaker":true}`:                           1,
		`{"enable_speaker":false}`:                          0,
		`{"enable_speaker":false,"enable_microphone":true}`: 0,
		`{"enable_speaker":true,"enable_microphone":true}`:  1,
	} {
		t.Run(settings, func(t *testing.T) {
			t.Parallel()
			r := newRig(t).start()
			b := newBrowser(t, r, webrtc.MimeTypeVP8)
			b.signal()
			b.join()
			b.settings(settings)
			b.watch()
			var offer events.SDPData
			require.NoError(t, r.until(events.Offer, b.id).Decode(&offer))
			require.Equal(t, settings != `{"enable_speaker":false}`, strings.Contains(offer.SDP, "m=audio"))
			_, got := r.screen.open()
			require.Len(t, got, sounds)
		})
	}
}

// The session says whether shares lead anywhere, and who uses one reaches the application.
func TestSharesReachTheApplication(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.ADB = func(context.Context) (bridge.Stream, error) {
		return nil, errors.New("the application does not listen on port 5555")
	}
	r.start()
	var d events.ReadyData
	require.NoError(t, r.until(events.Ready, "").Decode(&d))
	require.True(t, d.ADB)
	_, err := bridge.Dial(t.Context(), r.server.Connect(t), bridge.Address{Region: region, Session: session, Connection: "c1"})
	require.ErrorIs(t, err, bridge.ErrRefused)
	require.ErrorContains(t, err, "port 5555")
}
