package peer

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// version1 makes a peer whose client offers.
func version1(cfg *Config) {
	cfg.Settings = Settings{APIVersion: 1, EnableSpeaker: true, EnableVideo: true}
}

// Lines that the page does not want are in the SDK's offer all the same, as inactive; we send nothing on them.
func TestVersion1InactiveLines(t *testing.T) {
	t.Parallel()
	for off, want := range map[string][]string{
		"audio": {"audio inactive", "video sendonly"},
		"video": {"audio sendonly", "video inactive"},
	} {
		t.Run("no "+off, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, clientOptions{v1: true})
			offer, err := c.pc.CreateOffer(nil)
			require.NoError(t, err)
			sections := strings.Split(offer.SDP, "m=")
			for i, s := range sections {
				if strings.HasPrefix(s, off) {
					sections[i] = strings.Replace(s, "a=recvonly", "a=inactive", 1)
				}
			}
			p, r := newPeer(t, version1)
			answer, err := p.AcceptOffer(t.Context(), strings.Join(sections, "m="), nil)
			require.NoError(t, err)
			require.Equal(t, want, directions(t, answer))
			require.Equal(t, off != "audio", p.SendsAudio())
			if off != "video" {
				until(t, r.missing("codec H264"))
			}
			require.Equal(t, off == "video", p.codec() == "")
		})
	}
}

// directions are the media lines of a description.
func directions(t *testing.T, text string) (got []string) {
	t.Helper()
	parsed, err := parseDescription(text)
	require.NoError(t, err)
	for _, media := range parsed.MediaDescriptions {
		for _, direction := range []string{"sendonly", "recvonly", "sendrecv", "inactive"} {
			if has(media, direction) && media.MediaName.Media != "application" {
				got = append(got, media.MediaName.Media+" "+direction)
			}
		}
	}
	return got
}

// The channels of version 1 come with the offer, and keep the limits of the settings.
func TestVersion1Channels(t *testing.T) {
	t.Parallel()
	c := newClient(t, clientOptions{v1: true})
	offer, err := c.pc.CreateOffer(nil)
	require.NoError(t, err)
	p, _ := newPeer(t, version1)
	_, err = p.AcceptOffer(t.Context(), offer.SDP, []string{"a", "b", "c", "d", "e", "f"})
	require.ErrorIs(t, err, ErrSettings)
	p, _ = newPeer(t, version1)
	_, err = p.AcceptOffer(t.Context(), offer.SDP, []string{"control", "a", "b", "", "x y", "c", "d", "e", "e"})
	require.NoError(t, err)
	require.Equal(t, []string{"control", "a", "b", "c", "d", "e"}, p.channels.wanted)
}

// Chromium offers each of the layouts that the SDK's version 1 does: it connects, gets its picture, and its channels work.
func TestVersion1Chromium(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	for _, layout := range []struct {
		name  string
		lines [][2]string
		want  []string
	}{
		{"default", [][2]string{{"audio", "recvonly"}, {"video", "recvonly"}}, []string{"audio recvonly", "video recvonly"}},
		{"microphone and camera", [][2]string{{"audio", "sendrecv"}, {"video", "sendonly"}, {"video", "recvonly"}},
			[]string{"audio sendrecv", "video sendonly", "video recvonly"}},
		{"no sound", [][2]string{{"audio", "inactive"}, {"video", "recvonly"}}, []string{"audio inactive", "video recvonly"}},
		{"no picture", [][2]string{{"audio", "recvonly"}, {"video", "inactive"}}, []string{"audio recvonly", "video inactive"}},
	} {
		t.Run(layout.name, func(t *testing.T) {
			p, r := newPeer(t, version1)
			toPage := make(chan webrtc.ICECandidateInit, maxCandidates)
			r.mu.Lock()
			r.candidates = func(c webrtc.ICECandidateInit) { toPage <- c }
			r.mu.Unlock()
			call[chromedp.Void](t, b, "begin")
			offer := call[string](t, b, "offer", layout.lines)
			answer, err := p.AcceptOffer(t.Context(), offer, []string{"chat"})
			require.NoError(t, err)
			require.Equal(t, layout.want, call[[]string](t, b, "accept", answer))
			until(t, func() string {
				for _, c := range call[[]webrtc.ICECandidateInit](t, b, "drain") {
					require.NoError(t, p.AddCandidate(c))
				}
				for len(toPage) > 0 {
					call[bool](t, b, "candidate", <-toPage)
				}
				return r.missing("connected")()
			})
			until(t, r.missing("message control hello control true"))
			until(t, r.missing("message chat hello chat true"))
			if layout.name == "no picture" {
				return
			}
			n := 0
			until(t, func() string {
				p.WriteVideo(picture(frame.H264, n, n == 0))
				n++
				if call[int](t, b, "packets") == 0 {
					return "video packets in Chromium"
				}
				return ""
			})
		})
	}
}

// FuzzOffer: a client's offer, whatever is in it, is answered or refused, and the peer closes.
func FuzzOffer(f *testing.F) {
	const head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=fingerprint:sha-256 " +
		"0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n"
	const video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\na=rtcp-mux\r\na=recvonly\r\n"
	const data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sctp-port:5000\r\n"
	f.Add(head+video+data, "chat")
	f.Add(head+data, "")
	f.Add(head+strings.Replace(video, "recvonly", "sendonly", 1)+data, "a b")
	f.Add(head+strings.Replace(video, "96", "0", 2)+data+data, "control")
	f.Add("v=0", "x")
	f.Fuzz(func(t *testing.T, offer, channel string) {
		cfg := Config{ID: "fuzz", Codecs: []frame.Codec{frame.H264, frame.VP8}, Log: testLog()}
		version1(&cfg)
		p, err := New(t.Context(), cfg)
		require.NoError(t, err)
		defer p.Close(Gone)
		if answer, err := p.AcceptOffer(t.Context(), offer, []string{channel}); err == nil {
			_, err := parseDescription(answer)
			require.NoError(t, err, "our answer")
		}
	})
}
