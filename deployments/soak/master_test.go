package soak

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
	"github.com/stretchr/testify/require"

	"streamstack/agent"
	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/events/trust"
	"streamstack/gateway/client"
)

// foreigner is a streamer that is not ours: a pion peer behind a gateway's master socket.
type foreigner struct {
	h    *house
	conn *websocket.Conn
	// pictures are its video, VP8.
	pictures [][]byte
	// discovers counts how often it was asked.
	discovers int
	wmu       sync.Mutex
	pc        *webrtc.PeerConnection
}

// masterURL is the address of the master socket with a streamer's credentials.
func masterURL(t *testing.T, gateway string, id events.SessionID, creds string) string {
	t.Helper()
	c, err := trust.Parse(creds)
	require.NoError(t, err)
	token, err := c.SocketToken()
	require.NoError(t, err)
	return "ws" + strings.TrimPrefix(gateway, "http") + "/1.0/sessions/" + string(id) + "/sockets/master?token=" + token
}

// refused is the code with which a socket is refused.
func refused(t *testing.T, url string) (status int, code string) {
	t.Helper()
	conn, res, err := websocket.Dial(t.Context(), url, nil)
	if err == nil {
		_ = conn.CloseNow() // it should not be there
	}
	require.Error(t, err)
	var body struct{ Code string }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&body))
	require.NoError(t, res.Body.Close())
	return res.StatusCode, body.Code
}

func (f *foreigner) write(ctx context.Context, m any) {
	f.wmu.Lock()
	defer f.wmu.Unlock()
	text, err := json.Marshal(m)
	if err == nil {
		err = f.conn.Write(ctx, websocket.MessageText, text)
	}
	if err != nil && ctx.Err() == nil {
		f.h.t.Logf("master: %v", err) // the session may be over
	}
}

// serve speaks the streamer's side of signalling.md, version 2, until the socket ends, and returns how it was closed.
func (f *foreigner) serve(ctx context.Context) (websocket.StatusCode, error) {
	b64 := base64.StdEncoding
	for {
		_, text, err := f.conn.Read(ctx)
		if err != nil {
			return websocket.CloseStatus(err), nil
		}
		var m struct {
			Type, SDP, Candidate, SDPMid string
			SDPMLineIndex                *uint16
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return 0, err
		}
		switch m.Type {
		case "discover":
			f.discovers++
			f.write(ctx, map[string]any{"type": "resp:discover", "max_api_version": 2, "fps": 30})
		case "settings":
			err = f.offer(ctx)
		case "answer":
			var sdp []byte
			if sdp, err = b64.DecodeString(m.SDP); err == nil {
				err = f.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(sdp)})
			}
		case "candidate":
			var line []byte
			if line, err = b64.DecodeString(m.Candidate); err == nil && len(line) > 0 {
				err = f.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: string(line), SDPMid: &m.SDPMid, SDPMLineIndex: m.SDPMLineIndex})
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// offer begins with a client: a picture and a line for its channels.
func (f *foreigner) offer(ctx context.Context) (err error) {
	if f.pc, err = f.h.api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return err
	}
	f.h.t.Cleanup(func() { _ = f.pc.Close() })
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "screen")
	if err != nil {
		return err
	}
	if _, err := f.pc.AddTrack(track); err != nil {
		return err
	}
	if _, err := f.pc.CreateDataChannel("line", nil); err != nil {
		return err
	}
	f.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			j := c.ToJSON()
			f.write(ctx, map[string]any{"type": "candidate", "candidate": base64.StdEncoding.EncodeToString([]byte(j.Candidate)), "sdpMid": j.SDPMid, "sdpMLineIndex": j.SDPMLineIndex})
		}
	})
	go func() { // ends with the test
		for n := 0; ctx.Err() == nil; n++ {
			_ = track.WriteSample(media.Sample{Data: f.pictures[n%len(f.pictures)], Duration: frameTime}) // nobody may watch yet
			select {
			case <-time.After(frameTime):
			case <-ctx.Done():
			}
		}
	}()
	offer, err := f.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	if err := f.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	f.write(ctx, map[string]any{"type": "offer", "sdp": base64.StdEncoding.EncodeToString([]byte(offer.SDP))})
	return nil
}

// A streamer that is not ours signals through a gateway's master socket with the credentials that the agent gave its
// instance; its clients are at another gateway, and one after the other sees the picture. What it says is the session's
// streamer's in the log, which tells that it came through the socket. No other token opens it.
func TestForeignStreamer(t *testing.T) {
	secrets := make(chan agent.StreamerSecret, 4)
	var pictures [][]byte
	h := newHouse(t, 4, func(l *light) { l.foreign, pictures = secrets, l.pictures })
	create := func() (client.Grant, string) {
		g, err := h.Of(1).Create(t.Context(), client.CreateRequest{App: app, Joinable: true})
		require.NoError(t, err)
		return g, (<-secrets).Creds
	}
	g, creds := create()
	_, others := create()
	url := masterURL(t, h.URL(0), g.ID, creds)
	for name, bad := range map[string]string{
		"of another session": masterURL(t, h.URL(0), g.ID, others),
		"none":               url[:strings.Index(url, "?")],
		"cut short":          url[:len(url)-9],
		"of a client":        strings.Replace(g.URL, "/slave", "/master", 1),
	} {
		status, code := refused(t, bad)
		require.Equal(t, http.StatusUnauthorized, status, name)
		require.Equal(t, "unauthorized", code, name)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func() (*foreigner, chan websocket.StatusCode) {
		conn, _, err := websocket.Dial(ctx, url, nil) //nolint:bodyclose // the connection's own
		require.NoError(t, err)
		f := &foreigner{h: h, conn: conn, pictures: pictures}
		over := make(chan websocket.StatusCode, 1)
		go func() {
			code, err := f.serve(ctx)
			if err != nil {
				t.Errorf("master: %v", err)
			}
			over <- code
		}()
		return f, over
	}
	_, over := open()
	require.NoError(t, h.newViewer(h.Through(g.URL)+"&after=0", nil).watch(ctx))
	stack.Eventually(t, patience, func() string {
		if l := h.read(g.ID); l.named[events.Connected] != 1 {
			return "connected"
		}
		return ""
	})
	j, err := h.Of(0).Join(ctx, g.ID, nil)
	require.NoError(t, err)
	require.NoError(t, h.newViewer(h.Through(j.URL)+"&after=0", nil).watch(ctx), "and the next client")
	stack.Eventually(t, patience, func() string {
		if l := h.read(g.ID); l.named[events.Connected] != 2 || l.named[events.Disconnected] != 1 {
			return "the first one displaced, and the second one connected"
		}
		return ""
	})
	checkBrowserAtMaster(t, h, g.ID)
	for _, e := range h.history(g.ID) {
		require.Empty(t, e.Quarantine)
		if e.Is(events.Streamer, events.Ready) {
			var d events.ReadyData
			require.NoError(t, e.Decode(&d))
			require.Equal(t, events.ViaMaster, d.Via)
			require.Equal(t, events.DiscoverData{MaxAPIVersion: 2, FPS: 30}, d.Discover)
		}
	}
	_, second := open()
	require.Equal(t, websocket.StatusCode(4001), <-over, "a newer socket replaces the older")
	require.NoError(t, h.Of(0).Delete(ctx, g.ID, true))
	require.Equal(t, websocket.StatusCode(4000), <-second, "the session's end is the socket's")
	h.checkLog()
}

// Where the session's streamer speaks for itself, nobody else does, whoever has its credentials.
func TestMasterBesideAStreamerIsRefused(t *testing.T) {
	h := newHouse(t, 1)
	g, err := h.Of(0).Create(t.Context(), client.CreateRequest{App: app, Joinable: true})
	require.NoError(t, err)
	h.Await(g.ID, events.Streamer, events.Ready)
	c, err := h.mint.Streamer(g.ID, time.Hour)
	require.NoError(t, err)
	text, err := c.Text()
	require.NoError(t, err)
	status, code := refused(t, masterURL(t, h.URL(1), g.ID, text))
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "streamer_present", code)
}
