package streamer

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
)

func TestBucket(t *testing.T) {
	b, now := bucket{rate: 10}, time.Unix(0, 0)
	for range 20 {
		require.True(t, b.take(1, now), "two seconds' worth at once")
	}
	require.False(t, b.take(1, now))
	require.False(t, b.take(1, now.Add(50*time.Millisecond)), "half of one")
	require.True(t, b.take(1, now.Add(150*time.Millisecond)))
	require.True(t, b.take(20, now.Add(time.Hour)), "and no more than that")
	require.False(t, b.take(1, now.Add(time.Hour)))
	require.False(t, b.take(1, now), "a clock that goes back gives nothing")
}

// A flood is one of bytes, too: few messages that are large.
func TestFloodOfBytes(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	k := newControls(&client{s: &Streamer{cfg: Config{Input: newHands()}, log: log}})
	for range 2 * maxMessageBytes * int(bucketTime/time.Second) / control.MaxMessage {
		k.message(t.Context(), make([]byte, control.MaxMessage), nil)
	}
	require.Positive(t, k.counts().dropped[dropInvalid])
	require.Positive(t, k.counts().dropped[dropFlood])
}

// board is a Clipboard.
type board struct {
	mu     sync.Mutex
	texts  []string
	copied chan string
}

func (b *board) Set(_ context.Context, text string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.texts = append(b.texts, text)
	return nil
}

func (b *board) Copied() <-chan string { return b.copied }

// sense is a Sensors.
type sense struct {
	mu  sync.Mutex
	got []control.Message
}

func (s *sense) Handle(m control.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, m)
}

func (s *sense) Attach(send func([]byte) error) func() {
	message, err := control.ActivateSensor(control.SensorGyroscope)
	if err == nil {
		_ = send(message) // the test sees whether it arrives
	}
	return func() {}
}

// inputs are the messages that the samples count.
func (r *rig) inputs(p events.PeerID) (received uint64, dropped map[string]uint64) {
	r.t.Helper()
	dropped = map[string]uint64{}
	for _, s := range r.samples(p) {
		received += s.Inputs
		for reason, n := range s.InputsDropped {
			dropped[reason] += n
		}
	}
	return received, dropped
}

// TestControls: everything that a client may send on the control channel ends where it belongs, or is dropped and counted in the quality
// samples; nothing of it ends the stream.
func TestControls(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	clip, sensors := &board{copied: make(chan string, 1)}, &sense{}
	r.cfg.Extras = Extras{ClipboardIn: clip, ClipboardOut: clip, Sensors: sensors, Capabilities: []string{"touch"}, MessageRate: 200}
	r.cfg.QualityEvery = sampleEvery
	r.start()
	b := newBrowser(t, r, webrtc.MimeTypeVP8)
	heard := make(chan string, 10)
	b.control.OnMessage(func(m webrtc.DataChannelMessage) { heard <- string(m.Data) })
	hear := func(want string) {
		t.Helper()
		select {
		case got := <-heard:
			require.Equal(t, want, got)
		case <-time.After(patience):
			t.Fatal("not heard: " + want)
		}
	}
	b.signal()
	b.join()
	b.settings(`{"api_version":2}`)
	b.watch()
	hear(`{"type":"activate-sensor","data":"{\"type\":\"gyroscope\"}"}`)
	r.sampled(b.id, 0, 1)

	for _, text := range []string{
		`{"type":"clipboard::text","data":{"text":"to","more":true}}`, `{"type":"clipboard::text","data":{"text":"gether"}}`,
		`{"type":"sensor:event","data":{"sensor":"acceleration","x":-9.81,"y":0,"z":0}}`,
		`{"type":"input::gamepad-button","data":{"id":0,"index":0,"pressed":true}}`,
		`{"type":"display::rhythm","data":{"period":16,"lead":2,"spread":0.5}}`,
		`{"type":"input::key","data":{"code":4,"pressed":true}}`, `{"type":"input::key","data":{}}`, `{`, `{"type":"telepathy"}`,
	} {
		b.send(text)
	}
	eventstest.Wait(t, patience, func() string {
		clip.mu.Lock()
		defer clip.mu.Unlock()
		sensors.mu.Lock()
		defer sensors.mu.Unlock()
		if len(clip.texts) != 1 || len(sensors.got) != 1 || len(r.hands.messages()) != 1 {
			return fmt.Sprintf("one clipboard, reading and key: %v, %v, %v", clip.texts, sensors.got, r.hands.messages())
		}
		return ""
	})
	require.Equal(t, []string{"together"}, clip.texts)
	eventstest.Wait(t, patience, func() string {
		return r.screen.heard(1, frame.Rhythm{Period: 16 * time.Millisecond, Lead: 2 * time.Millisecond, Spread: time.Millisecond / 2})
	})
	clip.copied <- "from an application"
	hear(`{"type":"clipboard::text","data":"{\"text\":\"from an application\"}"}`)
	part := `{"type":"clipboard::text","data":{"more":true,"text":"` + strings.Repeat("x", 60<<10) + `"}}`
	for range maxClipboard/(60<<10) + 1 {
		b.send(part)
	}
	b.send(`{"type":"clipboard::text","data":{"text":""}}`)

	const flood = 2000
	for range flood {
		b.send(`{"type":"input::mouse-move","data":{"rx":1,"ry":1}}`)
	}
	eventstest.Wait(t, patience, func() string {
		received, dropped := r.inputs(b.id)
		for reason, n := range map[string]uint64{"invalid": 3, "unknown": 1, "nowhere": 1} {
			if dropped[reason] != n {
				return fmt.Sprintf("%d %s: %v", n, reason, dropped)
			}
		}
		if received < flood || dropped["flood"] == 0 {
			return fmt.Sprintf("a flood of %d: %d, %v", flood, received, dropped)
		}
		return ""
	})
	require.Positive(t, r.hands.releases(), "what was down is let go")
	require.Len(t, clip.texts, 1, "the one that is too long is not taken")
	eventstest.Wait(t, patience, func() string {
		_ = b.control.SendText(`{"type":"stream::disconnect","data":{}}`) // the flood may take the first, and the end a later one
		if list, _ := r.streamed(events.Disconnected, b.id); len(list) == 0 {
			return "the client's leaving"
		}
		return ""
	})
	require.Equal(t, events.ReasonLeft, r.gone(b.id).Reason)
	var ready events.ReadyData
	require.NoError(t, r.until(events.Ready, "").Decode(&ready))
	require.Equal(t, []string{"touch"}, ready.Discover.Capabilities)
}
