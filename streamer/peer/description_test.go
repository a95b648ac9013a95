package peer

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// Every combination of settings gives the lines the signalling specification asks for, in its order.
func TestOfferLines(t *testing.T) {
	t.Parallel()
	for bits := range 16 {
		settings := Settings{
			APIVersion: 2, EnableSpeaker: bits&1 != 0, EnableMicrophone: bits&2 != 0,
			EnableVideo: bits&4 != 0, EnableCamera: bits&8 != 0,
		}
		t.Run(fmt.Sprintf("%+v", settings), func(t *testing.T) {
			t.Parallel()
			p, _ := newPeer(t, func(cfg *Config) { cfg.Settings = settings })
			offer, err := p.Offer(t.Context())
			require.NoError(t, err)
			parsed, err := parseDescription(offer)
			require.NoError(t, err)

			var want []string
			switch {
			case settings.EnableSpeaker && settings.EnableMicrophone:
				want = append(want, "audio sendrecv")
			case settings.EnableSpeaker:
				want = append(want, "audio sendonly")
			case settings.EnableMicrophone:
				want = append(want, "audio recvonly")
			}
			if settings.EnableCamera {
				want = append(want, "video recvonly")
			}
			if settings.EnableVideo {
				want = append(want, "video sendonly")
			}
			want = append(want, "application sendrecv")

			var got []string
			streams := map[string]bool{}
			for _, media := range parsed.MediaDescriptions {
				direction := ""
				for _, d := range []string{"sendrecv", "sendonly", "recvonly"} {
					if has(media, d) {
						direction = d
					}
				}
				got = append(got, media.MediaName.Media+" "+direction)
				setup, _ := media.Attribute("setup")
				require.Equal(t, "actpass", setup)
				require.NotZero(t, media.MediaName.Port.Value)
				if media.MediaName.Media == "application" || direction == "recvonly" {
					continue
				}
				msid, _ := media.Attribute("msid")
				stream, id, _ := strings.Cut(msid, " ")
				require.NotContains(t, []string{"", "-"}, stream)
				require.NotEmpty(t, id)
				require.False(t, streams[stream], "stream ids differ")
				streams[stream] = true
				require.True(t, has(media, "rtcp-mux"))
			}
			require.Equal(t, want, got)
			group, _ := parsed.Attribute("group")
			require.Len(t, strings.Fields(group), 1+len(want), "one bundle of all lines")
			for _, r := range offer {
				require.Less(t, r, rune(0x80), "ASCII only")
			}
		})
	}
}

func TestOfferOrdersCodecs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		preferred []frame.Codec
		want      []string
	}{
		{nil, []string{"H264", "H264", "VP8"}},
		{[]frame.Codec{frame.AV1, frame.VP8}, []string{"VP8", "H264", "H264"}},
	} {
		p, _ := newPeer(t, func(cfg *Config) { cfg.Settings.PreferredCodecs = test.preferred })
		offer, err := p.Offer(t.Context())
		require.NoError(t, err)
		parsed, err := parseDescription(offer)
		require.NoError(t, err)
		video := parsed.MediaDescriptions[1]
		var names []string
		for _, format := range video.MediaName.Formats {
			name, _, _ := strings.Cut(formatAttribute(video, "rtpmap", format), "/")
			names = append(names, name)
		}
		require.Equal(t, test.want, names)
		require.Contains(t, offer, "packetization-mode=1;profile-level-id=42e01f")
		require.Contains(t, offer, playoutDelayURI)
	}
}

// realAnswer is a valid answer to the peer's offer.
func realAnswer(t *testing.T, offer string, codecs ...frame.Codec) string {
	t.Helper()
	c := newClient(t, clientOptions{codecs: codecs})
	require.NoError(t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	answer, err := c.pc.CreateAnswer(nil)
	require.NoError(t, err)
	return answer.SDP
}

func TestAnswersRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(string) string
		want   error
	}{
		"empty":              {func(string) string { return "" }, ErrDescription},
		"text":               {func(string) string { return "hello" }, ErrDescription},
		"a line too few":     {func(s string) string { return s[:strings.Index(s, "m=application")] }, ErrDescription},
		"no fingerprint":     {func(s string) string { return without(s, "a=fingerprint") }, ErrDescription},
		"no password":        {func(s string) string { return without(s, "a=ice-pwd") }, ErrDescription},
		"no mid":             {func(s string) string { return without(s, "a=mid") }, ErrDescription},
		"huge":               {func(s string) string { return s + strings.Repeat("a=x\r\n", maxDescription/5) }, ErrDescription},
		"video refused":      {func(s string) string { return strings.Replace(s, "m=video 9", "m=video 0", 1) }, ErrNoCommonCodec},
		"no video codec":     {func(s string) string { return strings.ReplaceAll(s, "H264/90000", "H265/90000") }, ErrNoCommonCodec},
		"packetizing mode 0": {func(s string) string { return strings.ReplaceAll(s, "packetization-mode=1", "packetization-mode=0") }, ErrNoCommonCodec},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := newPeer(t, nil)
			offer, err := p.Offer(t.Context())
			require.NoError(t, err)
			answer := realAnswer(t, offer, frame.H264)
			require.ErrorIs(t, p.AcceptAnswer(t.Context(), test.change(answer)), test.want)
		})
	}
}

func without(s, prefix string) string {
	lines := slices.DeleteFunc(strings.SplitAfter(s, "\r\n"), func(line string) bool { return strings.HasPrefix(line, prefix) })
	return strings.Join(lines, "")
}

func TestSoundRefusedStillShows(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	offer, err := p.Offer(t.Context())
	require.NoError(t, err)
	answer := strings.Replace(realAnswer(t, offer), "m=audio 9", "m=audio 0", 1)
	require.NoError(t, p.AcceptAnswer(t.Context(), answer))
	until(t, r.missing("codec H264"))
}

// The lines of the SDK's version 1 offers, with what we answer.
func TestAnswersToVersion1(t *testing.T) {
	t.Parallel()
	const (
		send = webrtc.RTPTransceiverDirectionSendonly
		recv = webrtc.RTPTransceiverDirectionRecvonly
		both = webrtc.RTPTransceiverDirectionSendrecv
	)
	for name, test := range map[string]struct {
		audio webrtc.RTPTransceiverDirection
		video []webrtc.RTPTransceiverDirection
		want  []string
	}{
		"default":               {recv, []webrtc.RTPTransceiverDirection{recv}, []string{"audio sendonly", "video sendonly"}},
		"microphone and camera": {both, []webrtc.RTPTransceiverDirection{send, recv}, []string{"audio sendrecv", "video recvonly", "video sendonly"}},
		"no display":            {recv, nil, []string{"audio sendonly"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, clientOptions{})
			kinds := append([]webrtc.RTPTransceiverDirection{test.audio}, test.video...)
			for i, direction := range kinds {
				kind := webrtc.RTPCodecTypeVideo
				if i == 0 {
					kind = webrtc.RTPCodecTypeAudio
				}
				_, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: direction})
				require.NoError(t, err)
			}
			offer, err := c.pc.CreateOffer(nil)
			require.NoError(t, err)
			p, _ := newPeer(t, func(cfg *Config) { cfg.Settings.APIVersion = 1 })
			answer, err := p.AcceptOffer(t.Context(), offer.SDP, nil)
			require.NoError(t, err)
			parsed, err := parseDescription(answer)
			require.NoError(t, err)
			var got []string
			for _, media := range parsed.MediaDescriptions {
				for _, direction := range []string{"sendonly", "recvonly", "sendrecv", "inactive"} {
					if has(media, direction) && media.MediaName.Media != "application" {
						got = append(got, media.MediaName.Media+" "+direction)
					}
				}
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestOrderOfCalls(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t, nil)
	require.ErrorIs(t, p.AcceptAnswer(t.Context(), "v=0"), ErrState)
	_, err := p.AcceptOffer(t.Context(), "v=0", nil)
	require.ErrorIs(t, err, ErrState)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Offer(ended)
	require.ErrorIs(t, err, context.Canceled)
	_, err = p.Offer(t.Context())
	require.NoError(t, err)
	_, err = p.Offer(t.Context())
	require.ErrorIs(t, err, ErrState)
}

// Answers damaged anywhere give an error or a peer that closes; none panics.
func TestDamagedAnswers(t *testing.T) {
	t.Parallel()
	sample, _ := newPeer(t, nil)
	offer, err := sample.Offer(t.Context())
	require.NoError(t, err)
	answer := realAnswer(t, offer)
	rapid.Check(t, func(rt *rapid.T) {
		lines := strings.SplitAfter(answer, "\r\n")
		random := rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))
		for range rapid.IntRange(1, 4).Draw(rt, "damages") {
			i := random.Intn(len(lines))
			switch random.Intn(4) {
			case 0:
				lines = slices.Delete(lines, i, i+1)
			case 1:
				lines[i] = lines[random.Intn(len(lines))]
			case 2:
				line := []byte(lines[i])
				if len(line) > 4 {
					line[2+random.Intn(len(line)-4)] = byte(random.Intn(256))
				}
				lines[i] = string(line)
			default:
				lines[i] = lines[i][:random.Intn(len(lines[i])+1)] + "\r\n"
			}
		}
		p, err := New(t.Context(), Config{
			ID: "fuzz", Settings: defaultSettings(), Codecs: []frame.Codec{frame.H264, frame.VP8}, Log: testLog(),
		})
		if err != nil {
			rt.Fatal(err)
		}
		defer p.Close(Gone)
		if _, err := p.Offer(t.Context()); err != nil {
			rt.Fatal(err)
		}
		_ = p.AcceptAnswer(t.Context(), strings.Join(lines, "")) // an error or none: it must return
	})
}

func FuzzParseDescription(f *testing.F) {
	f.Add("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\na=recvonly\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		ranked := []frame.Codec{frame.VP8}
		_, _ = checkOffer(text, ranked) // neither may panic
		_ = checkAnswer(text, text, ranked)
	})
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t, nil)
	for _, fine := range []string{
		"", "candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host",
		"candidate:1 1 udp 2130706431 0b6e4c2e-9a0e-4a2e-8c43-0d3c9a7c9a55.local 50000 typ host",
		"candidate:1 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active",
	} {
		require.NoError(t, p.AddCandidate(webrtc.ICECandidateInit{Candidate: fine}), fine)
	}
	for _, bad := range []string{"hello", "candidate:1 1 udp", "candidate:1 1 udp x 127.0.0.1 50000 typ host"} {
		require.ErrorIs(t, p.AddCandidate(webrtc.ICECandidateInit{Candidate: bad}), ErrCandidate, bad)
	}
	require.Eventually(t, func() bool {
		return p.AddCandidate(webrtc.ICECandidateInit{Candidate: "candidate:1 1 udp 1 127.0.0.1 50000 typ host"}) != nil
	}, patience, 1, "a client cannot send candidates for ever")
}

func FuzzCandidate(f *testing.F) {
	f.Add("candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host")
	f.Fuzz(func(t *testing.T, text string) {
		p := &Peer{log: testLog()}
		_ = p.AddCandidate(webrtc.ICECandidateInit{Candidate: text}) // it may not panic
	})
}
