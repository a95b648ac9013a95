package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// page does what the SDK does: it makes its channels first, then answers the offer.
const page = `<!doctype html><video id=v autoplay muted playsinline></video><script>
let pc, state = {received: [], streams: {}, candidates: [], errors: []};
function begin() {
  pc = new RTCPeerConnection({});
  for (const label of ['control', 'chat']) {
    const channel = pc.createDataChannel(label);
    channel.onopen = () => { state.received.push(label + ' opened'); channel.send('hello ' + label); };
    channel.onmessage = (e) => state.received.push(label + ' ' + e.data);
    channel.onerror = (e) => state.errors.push({label, detail: e.error.errorDetail, code: e.error.sctpCauseCode});
  }
  pc.ontrack = (e) => {
    state.streams[e.track.kind] = e.streams[0].id;
    if (e.track.kind == 'video') document.getElementById('v').srcObject = e.streams[0];
    else { const a = new Audio(); a.srcObject = e.streams[0]; a.play().catch((error) => state.errors.push({label: 'sound', detail: String(error)})); state.sound = a; }
  };
  pc.onicecandidate = (e) => { if (e.candidate && e.candidate.candidate) state.candidates.push(e.candidate.toJSON()); };
}
async function answer(sdp) {
  await pc.setRemoteDescription({type: 'offer', sdp});
  pc.addTransceiver('audio'); pc.addTransceiver('video');
  const a = await pc.createAnswer();
  await pc.setLocalDescription(a);
  return a.sdp;
}
// Version 1: the page offers, with these lines.
async function offer(lines) {
  for (const [kind, direction] of lines) pc.addTransceiver(kind, {direction});
  const o = await pc.createOffer();
  await pc.setLocalDescription(o);
  return o.sdp;
}
async function accept(sdp) {
  await pc.setRemoteDescription({type: 'answer', sdp});
  return pc.getTransceivers().map((t) => t.receiver.track.kind + ' ' + t.currentDirection);
}
async function candidate(c) { await pc.addIceCandidate(c); return true; }
function drain() { const c = state.candidates; state.candidates = []; return c; }
async function packets() {
  let n = 0;
  for (const s of (await pc.getStats()).values()) if (s.type == 'inbound-rtp' && s.kind == 'video') n += s.packetsReceived;
  return n;
}
// Samples of sound that were played, and how many of them were made up for lack of packets.
async function heard() {
  for (const s of (await pc.getStats()).values()) {
    if (s.type == 'inbound-rtp' && s.kind == 'audio') return {Samples: s.totalSamplesReceived || 0, Concealed: s.concealedSamples || 0};
  }
  return {Samples: 0, Concealed: 0};
}
async function decoded() {
  let n = 0;
  for (const s of (await pc.getStats()).values()) if (s.type == 'inbound-rtp' && s.kind == 'video') n += s.framesDecoded;
  return n;
}
</script>`

// browser is a headless Chromium on the page.
type browser struct{ ctx context.Context }

func openBrowser(t *testing.T) browser {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page)) // a browser that went away fails the test elsewhere
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("disable-sync", true))
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	_, err := chromedp.Run(ctx, chromedp.Navigate(server.URL))
	require.NoError(t, err)
	return browser{ctx}
}

// call runs a function of the page with JSON arguments and returns its result, also that of a promise.
func call[T any](t *testing.T, b browser, function string, args ...any) T {
	t.Helper()
	encoded, err := json.Marshal(args)
	require.NoError(t, err)
	if args == nil {
		encoded = []byte("[]")
	}
	expression := fmt.Sprintf("%s(...%s)", function, encoded)
	result, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err, function)
	return result
}

type pageState struct {
	Received []string          `json:"received"`
	Streams  map[string]string `json:"streams"`
	Errors   []struct {
		Label, Detail string
		Code          int
	} `json:"errors"`
}

func (b browser) state(t *testing.T) pageState {
	t.Helper()
	state, err := chromedp.Run(b.ctx, chromedp.Evaluate[pageState]("state"))
	require.NoError(t, err)
	return state
}

// connectBrowser runs the signalling of version 2 with the page.
func connectBrowser(t *testing.T, change func(*Config)) (browser, *Peer, *record) {
	t.Helper()
	b := openBrowser(t)
	p, r := newPeer(t, change)
	toPage := make(chan webrtc.ICECandidateInit, maxCandidates)
	r.candidates = func(c webrtc.ICECandidateInit) { toPage <- c }

	call[chromedp.Void](t, b, "begin")
	offer, err := p.Offer(t.Context())
	require.NoError(t, err)
	answer := call[string](t, b, "answer", offer)
	require.NoError(t, p.AcceptAnswer(t.Context(), answer))
	until(t, func() string {
		for _, c := range call[[]webrtc.ICECandidateInit](t, b, "drain") {
			require.NoError(t, p.AddCandidate(c))
		}
		for len(toPage) > 0 {
			call[bool](t, b, "candidate", <-toPage)
		}
		return r.missing("connected")()
	})
	return b, p, r
}

// A browser that closes its connection, as on leaving the page, is noticed before ICE would.
func TestChromiumLeaves(t *testing.T) {
	t.Parallel()
	b, _, r := connectBrowser(t, unhurried(t))
	until(t, r.missing("open control"))
	call[chromedp.Void](t, b, "pc.close.bind(pc)")
	until(t, r.missing("disconnected left"))
}

func TestChromium(t *testing.T) {
	t.Parallel()
	b, p, r := connectBrowser(t, nil)
	until(t, r.missing("message control hello control true"))
	until(t, r.missing("message chat hello chat true"))
	require.NoError(t, p.Send(ControlChannel, []byte("welcome")))
	until(t, func() string {
		received := b.state(t).Received
		for _, word := range received {
			if word == "control welcome" {
				return ""
			}
		}
		return fmt.Sprintf("welcome in %v", received)
	})
	streams := b.state(t).Streams
	require.NotEmpty(t, streams["audio"])
	require.NotEmpty(t, streams["video"])
	require.NotEqual(t, streams["audio"], streams["video"], "one stream id makes the browser wait for lip sync")

	// Chromium cannot decode the picture, so it asks for another one: a real PLI.
	n := 0
	until(t, func() string {
		p.WriteVideo(picture(frame.H264, n, n == 0))
		n++
		if call[int](t, b, "packets") == 0 {
			return "video packets in Chromium"
		}
		return r.missing("keyframe pli")()
	})

	p.Close(Displaced)
	until(t, func() string {
		state := b.state(t)
		for _, e := range state.Errors {
			if e.Label == ControlChannel && e.Detail == "sctp-failure" && e.Code == 12 {
				return ""
			}
		}
		return fmt.Sprintf("an SCTP error with cause 12 on the control channel in %+v", state.Errors)
	})
}
