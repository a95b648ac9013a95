package streamer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/frame"
)

// A client without a codec that we encode is refused, told why, and does not stand in the next one's way.
func TestNoCommonCodec(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	b := newBrowser(t, r, webrtc.MimeTypeVP9)
	b.signal()
	b.join()
	b.settings(`{"api_version":2}`)
	d := r.gone(b.id)
	require.Equal(t, events.ReasonRefused, d.Reason)
	require.Contains(t, d.Message, "no video codec in common")
	require.False(t, d.Connected)
	visit(t, r)
}

func TestMalformedMessagesOfAClient(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{`"x"`, `{"api_version":9}`, `{"data_channels":["a","b","c","d","e","f"]}`, `{"api_version":"2"}`} {
		r := newRig(t).start()
		b := newBrowser(t, r, webrtc.MimeTypeVP8)
		b.join()
		b.settings(settings)
		d := r.gone(b.id)
		require.Equal(t, events.ReasonRefused, d.Reason)
		require.NotEmpty(t, d.Message)
		visit(t, r)
	}
}

func TestMalformedDescriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	for _, sdp := range []string{"", "v=0", strings.Repeat("a", 5000)} {
		b := newBrowser(t, r, webrtc.MimeTypeVP8)
		b.join()
		b.settings(`{"api_version":2}`)
		r.until(events.Offer, b.id)
		b.say(events.Candidate, events.CandidateData{Peer: b.id, Candidate: "candidate:nonsense"})
		b.say(events.Answer, events.SDPData{Peer: b.id, SDP: sdp})
		d := r.gone(b.id)
		require.Equal(t, events.DisconnectedData{Peer: b.id, Reason: events.ReasonRefused, Message: "the answer was not accepted"}, d)
	}
	visit(t, r)
}

// Without a picture there is no session: Run says which part failed. Sound is another matter.
func TestFailingCaptures(t *testing.T) {
	t.Parallel()
	crash := errors.New("x264enc: out of memory")
	for name, begin := range map[string]func(*rig){
		"video does not start": func(r *rig) {
			r.screen.noVideo = crash
			b := newBrowser(r.t, r.start(), webrtc.MimeTypeVP8)
			b.signal()
			b.join()
			b.settings(`{}`)
		},
		"video ends": func(r *rig) {
			r.cfg.Encoders = r.cfg.Encoders[:2] // no other for the codec
			b := visit(r.t, r.start())
			videos, _ := r.screen.open()
			videos[0].fail(errors.New("the first time"))
			r.until(events.EncoderChanged, b.id)
			videos, _ = r.screen.open()
			videos[0].fail(crash)
		},
		"the display ends": func(r *rig) { // another encoder would not help
			visit(r.t, r.start())
			videos, _ := r.screen.open()
			videos[0].fail(fmt.Errorf("%w, a %w lost", crash, frame.ErrDisplay))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			begin(r)
			err := r.finished()
			require.ErrorIs(t, err, crash)
			require.ErrorContains(t, err, "no picture")
			require.Empty(t, r.screen.allClosed())
		})
	}
	t.Run("sound", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.screen.noAudio = errors.New("no PulseAudio")
		visit(t, r.start())
		require.Contains(t, r.output.String(), "no PulseAudio")
	})
	t.Run("sound ends", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		b := visit(t, r.start())
		_, sounds := r.screen.open()
		sounds[0].fail(errors.New("PulseAudio died"))
		eventstest.Wait(t, patience, func() string {
			if !strings.Contains(r.output.String(), "PulseAudio died") {
				return "a line in the log"
			}
			return ""
		})
		seen := b.video.Load()
		eventstest.Wait(t, patience, func() string {
			if b.video.Load() < seen+10 {
				return "further pictures"
			}
			return ""
		})
	})
}

// An encoder that fails under the stream is replaced by the next one for its codec: the picture is back within a second, the history
// tells, and the next client is not given the one that failed.
func TestEncoderFallsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	b := visit(t, r)
	videos, _ := r.screen.open()
	require.Equal(t, "vp8enc", videos[0].encoder.Element)
	failed := time.Now()
	videos[0].fail(errors.New("the GPU is lost"))
	var d events.EncoderChangedData
	require.NoError(t, r.until(events.EncoderChanged, b.id).Decode(&d))
	require.Positive(t, d.PauseMs)
	d.PauseMs = 0
	require.Equal(t, events.EncoderChangedData{Peer: b.id, Codec: "VP8", From: "vp8enc", To: "slowvp8enc", Reason: "the GPU is lost"}, d)
	seen := b.video.Load()
	eventstest.Wait(t, patience, func() string {
		if b.video.Load() < seen+3 {
			return "pictures of the other encoder"
		}
		return ""
	})
	t.Logf("the picture was back after %s", time.Since(failed).Round(time.Millisecond))
	eventstest.Wait(t, patience, func() string {
		for _, d := range r.decided(b.id) {
			for _, one := range d.List {
				if one.Kind == "fallback" && one.From == "vp8enc" && one.To == "slowvp8enc" {
					return ""
				}
			}
		}
		return "the decision for the other encoder"
	})
	videos, _ = r.screen.open()
	require.Len(t, videos, 1)
	require.Equal(t, "slowvp8enc", videos[0].encoder.Element)

	next := visit(t, r)
	var c events.ConnectedData
	require.NoError(t, r.until(events.Connected, next.id).Decode(&c))
	require.Equal(t, "slowvp8enc", c.Encoder)
}

// The only encoder of a codec, as there is one for VP8, is started again.
func TestTheOnlyEncoderTakesOverFromItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.Encoders = r.cfg.Encoders[:2]
	b := visit(t, r.start())
	videos, _ := r.screen.open()
	videos[0].fail(errors.New("out of memory"))
	var d events.EncoderChangedData
	require.NoError(t, r.until(events.EncoderChanged, b.id).Decode(&d))
	require.Equal(t, "vp8enc vp8enc out of memory", d.From+" "+d.To+" "+d.Reason)
	seen := b.video.Load()
	eventstest.Wait(t, patience, func() string {
		if b.video.Load() < seen+3 {
			return "pictures of the same encoder"
		}
		return ""
	})
}

// The X server that input goes to is gone: so is the session.
func TestInputEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := visit(t, r.start())
	close(r.hands.gone)
	require.ErrorContains(t, r.finished(), "the X server is gone")
	require.Equal(t, events.ReasonEnded, r.gone(b.id).Reason)
}

// The end of the context is the end of the stream: the client is told at once, the log too, and nothing is left.
// Not parallel: it looks at all goroutines.
func TestTheEnd(t *testing.T) {
	r := newRig(t)
	b := visit(t, r.start())
	r.until(events.Connected, b.id)
	began := time.Now()
	r.stop()
	require.NoError(t, r.finished())
	require.Less(t, time.Since(began), appendTime/2)
	require.Equal(t, events.DisconnectedData{Peer: b.id, Reason: events.ReasonEnded, Connected: true}, r.gone(b.id))
	eventstest.Wait(t, patience, b.aborted)
	require.Empty(t, r.screen.allClosed())
	require.Equal(t, 1, r.hands.releases())
	_ = b.pc.GracefulClose() // says that the streamer ended it first
	require.NoError(t, b.mux.Close())
	eventstest.Wait(t, patience, func() string {
		if left := eventstest.Goroutines("streamstack/streamer", "github.com/pion/", "nats.go/jetstream"); len(left) > 0 {
			return "goroutines to end:\n" + strings.Join(left, "\n\n")
		}
		return ""
	})
}

// With NATS away nothing can be recorded; the client is told at once all the same, and the end does not take longer.
func TestTheEndWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := visit(t, r.start())
	r.server.Stop()
	began := time.Now()
	r.stop()
	require.NoError(t, r.finished())
	require.Less(t, time.Since(began), appendTime/2)
	eventstest.Wait(t, patience, b.aborted)
	require.Contains(t, r.output.String(), "the end of the stream was not recorded")
}

// Ended without a client, or before anything happened.
func TestTheEndWithoutAClient(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	r.until(events.Ready, "")
	began := time.Now()
	r.stop()
	require.NoError(t, r.finished())
	require.Less(t, time.Since(began), appendTime/2)
}

// NATS goes and comes back in the middle of the signalling: no message is lost, none handled twice.
func TestNATSRestartWhileSignalling(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	first := visit(t, r)
	b := newBrowser(t, r, webrtc.MimeTypeVP8)
	b.join()
	b.settings(`{"api_version":2}`)
	r.until(events.Offer, b.id)
	r.server.Restart()
	b.signal()
	b.watch()
	r.until(events.Connected, b.id)
	require.Equal(t, events.ReasonDisplaced, r.gone(first.id).Reason)
	b.send(`{"type":"stream::disconnect"}`)
	require.Equal(t, events.ReasonLeft, r.gone(b.id).Reason)
	visit(t, r)
}

// A streamer whose consumer the agent has not made, or has taken away, says so.
func TestNoConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.log.JetStream().DeleteConsumer(t.Context(), events.SessionsStream, events.SessionConsumer(session)))
	require.ErrorContains(t, r.start().finished(), "the session's consumer, which its agent makes")

	r = newRig(t).start()
	r.until(events.Ready, "")
	require.NoError(t, r.log.JetStream().DeleteConsumer(t.Context(), events.SessionsStream, events.SessionConsumer(session)))
	require.ErrorContains(t, r.finished(), "the session's consumer, which its agent makes")
}
