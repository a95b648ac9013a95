package console

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// screenshotVariable names the file that gets a picture of the live page, for people and for the README.
const screenshotVariable = "CONSOLE_SCREENSHOT"

// openConsole opens the page with a token and waits for its lists.
func openConsole(t *testing.T, parameters string) (*browser, *gateway) {
	t.Helper()
	g := newGateway(t)
	b := openBrowser(t)
	b.do(chromedp.Navigate(g.page(parameters)))
	b.wait(`document.querySelector('#applications [data-start=testcard]')`, "the list of applications")
	return b, g
}

// start starts the test card and waits until its picture is there; it returns the session's id.
func (b *browser) start() string {
	b.t.Helper()
	b.click(`#applications [data-start=testcard]`)
	b.wait(`streamstack.state === 'live'`, "the live picture")
	var id string
	b.eval(`streamstack.session`, &id)
	return id
}

func TestTheTokenLeavesTheAddress(t *testing.T) {
	t.Parallel()
	b, _ := openConsole(t, "&relay=1&codec=vp8")
	var hash, stored string
	b.eval(`location.hash`, &hash)
	require.Equal(t, "#relay=1&codec=vp8", hash)
	b.eval(`sessionStorage.getItem('streamstack.token')`, &stored)
	require.Equal(t, testToken, stored)
	b.wait(`document.querySelector('#relay').checked && document.querySelector('#codec').value === 'VP8'`, "the parameters in the settings")

	b.do(chromedp.Reload())
	b.wait(`document.querySelector('#applications [data-start=testcard]')`, "the lists again, with the stored token")
}

func TestATokenIsAskedFor(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	b := openBrowser(t)
	b.do(chromedp.Navigate(g.server.URL))
	b.wait(`document.querySelector('#token-dialog').open`, "the question for a token")
	b.do(chromedp.SendKeys(chromedp.CSS(`#token`), "wrong"), chromedp.Click(chromedp.CSS(`#token-submit`)))
	b.wait(`document.querySelector('#token-error').textContent.includes('does not accept')`, "the refusal in words")
	b.do(chromedp.SendKeys(chromedp.CSS(`#token`), testToken), chromedp.Click(chromedp.CSS(`#token-submit`)))
	b.wait(`document.querySelector('#applications [data-start=testcard]')`, "the list of applications")
	b.wait(`document.querySelector('#notice').hidden`, "no error left")
}

func TestAStreamPlays(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "&codec=vp8")
	id := b.start()

	g.look(id, func(s *session) {
		require.Equal(t, "discover", s.inbox[0]["type"])
		require.Equal(t, message{
			"type": "settings", "api_version": 2.0, "data_channels": []any{}, "enable_speaker": true, "enable_microphone": false,
			"enable_video": true, "enable_camera": false, "video": message{"preferred_decoder_codecs": []any{"VP8"}},
		}, s.peer.settings)
	})
	b.wait(`streamstack.video.videoWidth === 1280 && streamstack.video.videoHeight === 720`, "the picture's size")
	b.wait(`streamstack.stats().then(({fps, framesDecoded, audioSamples, rtt}) => fps >= 20 && framesDecoded > 20 && audioSamples > 0 && rtt !== null)`,
		"frames, sound and round trip time")
	b.wait(`/^Live \d+ fps, (under )?\d+ ms rtt$/.test(document.querySelector('#status').textContent)`, "the status line in words")
	b.wait(`streamstack.video.srcObject.id !== streamstack.audio.srcObject.id && !streamstack.audio.paused`, "sound in a stream of its own")
	b.wait(`streamstack.pc.getReceivers().every((r) => r.jitterBufferTarget === 0)`, "nothing held back by the jitter buffer")
	// The fourth bar of the test picture is green.
	var pixel [3]int
	b.eval(`(() => { const canvas = Object.assign(document.createElement('canvas'), {width: 1280, height: 720});
		const c = canvas.getContext('2d'); c.drawImage(streamstack.video, 0, 0);
		return [...c.getImageData(640, 100, 1, 1).data].slice(0, 3); })()`, &pixel)
	require.Less(t, pixel[0], 60)
	require.Greater(t, pixel[1], 150)
	require.Less(t, pixel[2], 60)

	b.wait(`document.querySelector('#timeline [data-event=detached]')`, "the socket closed once connected")
	g.look(id, func(s *session) { require.Zero(t, s.open) })
	b.wait(`document.querySelector('#sessions [data-session="`+id+`"][data-status=active][aria-current]')`, "the session in the list")
	if file := os.Getenv(screenshotVariable); file != "" {
		picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, picture, 0o600))
	}
}

func TestLeavingAndEnding(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	b.exec(`document.querySelector('#keep').checked = true`)
	id := b.start()
	b.click(`#leave`)
	b.wait(`streamstack.state === 'idle' && streamstack.video.hidden`, "an empty stage")
	g.look(id, func(s *session) { require.True(t, s.joinable) })
	b.eventually(func() bool {
		var told bool
		g.look(id, func(s *session) {
			sent := s.peer.received()
			told = len(sent) > 0 && sent[len(sent)-1] == `control {"type":"stream::disconnect","data":{}}`
		})
		return told
	}, "the farewell on the control channel")

	b.wait(`document.querySelector('#sessions [data-action=join]:enabled')`, "Join for a session that is kept")
	b.click(`#sessions [data-action=join]`)
	b.wait(`streamstack.state === 'live'`, "the joined picture")
	b.click(`#end`)
	b.wait(`streamstack.state === 'ended'`, "the end")
	b.wait(`document.querySelector('#failure-message').textContent === 'The session ended: ended by account test'`, "the reason in words")
	g.look(id, func(s *session) { require.Equal(t, "terminated", s.status) })
}

func TestAFailedSessionSaysWhy(t *testing.T) {
	t.Parallel()
	const reason = "the application ended with exit code 139 (segmentation fault)"
	b, g := openConsole(t, "")
	id := b.start()
	g.look(id, func(s *session) {
		s.status, s.message = "error", reason
		s.log("agent", "failed", message{"part": "application", "reason": reason})
	})
	b.wait(`streamstack.state === 'error'`, "the state")
	require.Equal(t, reason, b.text("#failure-message"))
	b.wait(`document.querySelector('#timeline [data-event=failed][data-actor=agent]')`, "the step in the timeline")
	require.Equal(t, "The session failed: "+reason, b.text("#timeline-end"))
	b.wait(`document.querySelector('#sessions [data-status=error] .message')?.textContent === '`+reason+`'`, "the reason in the list")
}

func TestAPeerThatGoesEndsTheStream(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	id := b.start()
	var streamer *peer
	g.look(id, func(s *session) { streamer = s.peer })
	require.NoError(t, streamer.pc.Close())
	b.wait(`streamstack.state === 'ended'`, "the end")
	require.Contains(t, b.text("#failure-message"), "opened somewhere else")
}

func TestErrorsOfTheAPIAreSaid(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	b.click(`#applications [data-start=nowhere]`)
	b.wait(`document.querySelector('#failure-message').textContent === 'No agent can host nowhere now: all slots are taken'`, "the gateway's words")
	g.server.CloseClientConnections()
	g.server.Close()
	b.wait(`document.querySelector('#notice-text').textContent.includes('does not answer')`, "the gateway is gone")
}

func TestASocketThatDropsIsResumed(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"resp:discover", "offer", "candidate"} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			b, g := openConsole(t, "")
			g.mu.Lock()
			g.dropAfter = last
			g.mu.Unlock()
			id := b.start()
			g.look(id, func(s *session) {
				require.GreaterOrEqual(t, s.sockets, 2)
				require.Equal(t, 1, count(s.inbox, "discover"), "discover is not repeated once it was answered")
			})
		})
	}
}

func TestAStreamerThatIsStartedAnewIsAnswered(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	g.mu.Lock()
	g.restart = true
	g.mu.Unlock()
	id := b.start()
	g.look(id, func(s *session) {
		require.Equal(t, 2, count(s.inbox, "settings"), "settings for each streamer")
		require.Equal(t, 2, count(s.inbox, "answer"), "an answer for each streamer")
	})
}

func TestMediaThroughTURNOnly(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "&relay=1")
	b.click(`#applications [data-start=testcard]`)
	b.wait(`streamstack.pc?.getConfiguration().iceTransportPolicy === 'relay'`, "the policy")
	var id string
	b.eval(`streamstack.session`, &id)
	b.wait(`document.querySelector('#timeline [data-event=answer]')`, "the answer")
	// No TURN server was given, so there is no way at all: not one candidate may be sent.
	g.look(id, func(s *session) { require.Zero(t, count(s.inbox, "candidate")) })
}

func TestThePageFitsAPhone(t *testing.T) {
	t.Parallel()
	b, _ := openConsole(t, "")
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	b.start()
	b.wait(`document.documentElement.scrollWidth <= innerWidth`, "no sideways scrolling")
	b.wait(`document.querySelector('#video').getBoundingClientRect().width >= 360`, "a picture as wide as the phone")
}

// count is how many messages have the type.
func count(messages []message, kind string) (n int) {
	for _, m := range messages {
		if m["type"] == kind {
			n++
		}
	}
	return n
}
