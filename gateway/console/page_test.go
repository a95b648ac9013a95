package console

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/gateway/console/browsertest"
)

// screenshotVariable names the file that gets a picture of the live page, for people and for the README.
const screenshotVariable = "CONSOLE_SCREENSHOT"

// openConsole opens the page with a token and waits for its lists.
func openConsole(t *testing.T, parameters string) (*browsertest.Browser, *gateway) {
	t.Helper()
	g := newGateway(t)
	b := browsertest.Open(t)
	b.Do(chromedp.Navigate(g.page(parameters)))
	b.Wait(`document.querySelector('#applications [data-start=testcard]')`, "the list of applications")
	return b, g
}

// start starts the test card and waits until its picture is there; it returns the session's id.
func start(b *browsertest.Browser) string {
	b.T.Helper()
	b.Click(`#applications [data-start=testcard]`)
	b.Wait(`streamstack.state === 'live'`, "the live picture")
	var id string
	b.Eval(`streamstack.session`, &id)
	return id
}

func TestTheTokenLeavesTheAddress(t *testing.T) {
	t.Parallel()
	b, _ := openConsole(t, "&relay=1&codec=vp8")
	var hash, stored string
	b.Eval(`location.hash`, &hash)
	require.Equal(t, "#relay=1&codec=vp8", hash)
	b.Eval(`sessionStorage.getItem('streamstack.token')`, &stored)
	require.Equal(t, testToken, stored)
	b.Wait(`document.querySelector('#relay').checked && document.querySelector('#codec').value === 'VP8'`, "the parameters in the settings")

	b.Do(chromedp.Reload())
	b.Wait(`document.querySelector('#applications [data-start=testcard]')`, "the lists again, with the stored token")
}

func TestATokenIsAskedFor(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	b := browsertest.Open(t)
	b.Do(chromedp.Navigate(g.server.URL))
	b.Wait(`document.querySelector('#token-dialog').open`, "the question for a token")
	b.Do(chromedp.SendKeys(chromedp.CSS(`#token`), "wrong"), chromedp.Click(chromedp.CSS(`#token-submit`)))
	b.Wait(`document.querySelector('#token-error').textContent.includes('does not accept')`, "the refusal in words")
	b.Do(chromedp.SendKeys(chromedp.CSS(`#token`), testToken), chromedp.Click(chromedp.CSS(`#token-submit`)))
	b.Wait(`document.querySelector('#applications [data-start=testcard]')`, "the list of applications")
	b.Wait(`document.querySelector('#notice').hidden`, "no error left")
}

func TestAStreamPlays(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "&codec=vp8")
	id := start(b)

	g.look(id, func(s *session) {
		require.Equal(t, "discover", s.inbox[0]["type"])
		require.Equal(t, message{
			"type": "settings", "api_version": 2.0, "data_channels": []any{"streamstack-files"}, "enable_speaker": true, "enable_microphone": false,
			"enable_video": true, "enable_camera": false, "video": message{"preferred_decoder_codecs": []any{"VP8"}},
		}, s.peer.settings)
	})
	b.Wait(`streamstack.video.videoWidth === 1280 && streamstack.video.videoHeight === 720`, "the picture's size")
	b.Wait(`streamstack.stats().then(({fps, framesDecoded, audioSamples, rtt}) => fps >= 20 && framesDecoded > 20 && audioSamples > 0 && rtt !== null)`,
		"frames, sound and round trip time")
	b.Wait(`/^Live \d+ fps, (under )?\d+ ms rtt$/.test(document.querySelector('#status').textContent)`, "the status line in words")
	b.Wait(`streamstack.video.srcObject.id !== streamstack.audio.srcObject.id && !streamstack.audio.paused`, "sound in a stream of its own")
	b.Wait(`streamstack.pc.getReceivers().every((r) => r.jitterBufferTarget === 0)`, "nothing held back by the jitter buffer")
	// The fourth bar of the test picture is green.
	var pixel [3]int
	b.Eval(`(() => { const canvas = Object.assign(document.createElement('canvas'), {width: 1280, height: 720});
		const c = canvas.getContext('2d'); c.drawImage(streamstack.video, 0, 0);
		return [...c.getImageData(640, 100, 1, 1).data].slice(0, 3); })()`, &pixel)
	require.Less(t, pixel[0], 60)
	require.Greater(t, pixel[1], 150)
	require.Less(t, pixel[2], 60)

	b.Wait(`document.querySelector('#timeline [data-event=detached]')`, "the socket closed once connected")
	g.look(id, func(s *session) { require.Zero(t, s.open) })
	b.Wait(`document.querySelector('#sessions [data-session="`+id+`"][data-status=active][aria-current]')`, "the session in the list")
	if file := os.Getenv(screenshotVariable); file != "" {
		picture, err := chromedp.Run(b.Ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, picture, 0o600))
	}
	// The figures are of pictures that are presented, not of those that are decoded and never seen.
	b.Exec(`streamstack.video.requestVideoFrameCallback = () => 0`)
	b.Wait(`streamstack.stats().then(({fps}) => fps === 0)`, "no presented picture, though the connection has them")
	var first, last int
	b.Eval(`streamstack.stats().then(({framesDecoded}) => framesDecoded)`, &first)
	b.Eventually(func() bool {
		b.Eval(`streamstack.stats().then(({framesDecoded}) => framesDecoded)`, &last)
		return last > first
	}, "decoded pictures meanwhile")
}

func TestQualityIsDrawn(t *testing.T) {
	t.Parallel()
	b, _ := openConsole(t, "")
	b.Wait(`document.querySelector('#quality').hidden`, "no charts before a picture")
	start(b)
	for _, figure := range []string{"fps", "delay", "rtt", "kbps"} {
		drawn := `((f) => f && f.dataset.points >= 3 && f.dataset.samples >= 3 && f.querySelector('.own').points.length >= 3 && f.querySelector('output').textContent !== '–')`
		b.Wait(drawn+`(document.querySelector('#quality [data-figure="`+figure+`"]'))`, "the chart of "+figure)
	}
	b.Wait(`/^\d+ fps$/.test(document.querySelector('#quality [data-figure=fps] output').textContent)`, "the frame rate in words")
	b.Wait(`document.querySelector('#quality .decided').textContent === 'Bitrate lowered from 3500 to 1200 kbit/s: packets are lost on the way'`, "what the streamer decided, in words")
	b.Wait(`document.querySelectorAll('#quality [data-figure=kbps] .moment').length === 1`, "and as a mark in the chart, as long as that has it")
	b.Wait(`document.querySelector('#quality').getBoundingClientRect().height < 100`, "small charts")
	b.Wait(`document.querySelector('#video').getBoundingClientRect().height > 200`, "and room for the picture")
	b.Click(`#leave`)
	b.Wait(`document.querySelector('#quality').hidden`, "no charts without a picture")
}

func TestLeavingAndEnding(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	b.Exec(`document.querySelector('#keep').checked = true`)
	id := start(b)
	b.Click(`#leave`)
	b.Wait(`streamstack.state === 'idle' && streamstack.video.hidden`, "an empty stage")
	g.look(id, func(s *session) { require.True(t, s.joinable) })
	b.Eventually(func() bool {
		var told bool
		g.look(id, func(s *session) {
			sent := s.peer.received()
			told = len(sent) > 0 && sent[len(sent)-1] == `control {"type":"stream::disconnect","data":{}}`
		})
		return told
	}, "the farewell on the control channel")

	b.Wait(`document.querySelector('#sessions [data-action=join]:enabled')`, "Join for a session that is kept")
	b.Click(`#sessions [data-action=join]`)
	b.Wait(`streamstack.state === 'live'`, "the joined picture")
	b.Click(`#end`)
	b.Wait(`streamstack.state === 'ended'`, "the end")
	b.Wait(`document.querySelector('#failure-message').textContent === 'The session ended: ended by account test'`, "the reason in words")
	g.look(id, func(s *session) { require.Equal(t, "terminated", s.status) })
}

// The timeline's events come by themselves, on a connection that is made again after the last of them; nothing is asked for.
func TestTheTimelineIsStreamed(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	id := start(b)
	g.mu.Lock()
	polls := g.polls
	close(g.cut)
	g.cut = make(chan struct{})
	g.mu.Unlock()
	for i := range 20 {
		g.look(id, func(s *session) { s.log("streamer", "resized", message{"n": i}) })
	}
	b.Wait(`document.querySelectorAll('#timeline [data-event=resized]').length === 20`, "twenty steps, each once")
	b.Wait(`(([...seqs]) => seqs.every((s, i) => i === 0 || Number(s.dataset.sequence) > Number(seqs[i - 1].dataset.sequence)))(document.querySelectorAll('#timeline [data-sequence]'))`,
		"the steps in order")
	g.mu.Lock()
	defer g.mu.Unlock()
	require.GreaterOrEqual(t, g.streams, 2)
	require.LessOrEqual(t, g.polls, polls+1, "at most once, while there was no connection")
}

// Where there is no stream, events are asked for as ever.
func TestTheTimelineWithoutStreams(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.unstreamed = true
	b := browsertest.Open(t)
	b.Do(chromedp.Navigate(g.page("")))
	b.Wait(`document.querySelector('#applications [data-start=testcard]')`, "the list of applications")
	id := start(b)
	g.look(id, func(s *session) { s.log("streamer", "resized", message{}) })
	b.Wait(`document.querySelector('#timeline [data-event=resized]')`, "the step")
	g.mu.Lock()
	defer g.mu.Unlock()
	require.Zero(t, g.streams)
	require.NotZero(t, g.polls)
}

func TestAFailedSessionSaysWhy(t *testing.T) {
	t.Parallel()
	const reason = "the application ended with exit code 139 (segmentation fault)"
	b, g := openConsole(t, "")
	id := start(b)
	g.look(id, func(s *session) {
		s.status, s.message = "error", reason
		s.log("agent", "failed", message{"part": "application", "reason": reason})
	})
	b.Wait(`streamstack.state === 'error'`, "the state")
	require.Equal(t, reason, b.Text("#failure-message"))
	b.Wait(`document.querySelector('#timeline [data-event=failed][data-actor=agent]')`, "the step in the timeline")
	require.Equal(t, "The session failed: "+reason, b.Text("#timeline-end"))
	b.Wait(`document.querySelector('#sessions [data-status=error] .message')?.textContent === '`+reason+`'`, "the reason in the list")
}

func TestAPeerThatGoesEndsTheStream(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	id := start(b)
	var streamer *peer
	g.look(id, func(s *session) { streamer = s.peer })
	require.NoError(t, streamer.pc.Close())
	b.Wait(`streamstack.state === 'ended'`, "the end")
	require.Contains(t, b.Text("#failure-message"), "opened somewhere else")
}

func TestErrorsOfTheAPIAreSaid(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	b.Click(`#applications [data-start=nowhere]`)
	b.Wait(`document.querySelector('#failure-message').textContent === 'No agent can host nowhere now: all slots are taken'`, "the gateway's words")
	g.server.CloseClientConnections()
	g.server.Close()
	b.Wait(`document.querySelector('#notice-text').textContent.includes('does not answer')`, "the gateway is gone")
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
			id := start(b)
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
	id := start(b)
	g.look(id, func(s *session) {
		require.Equal(t, 2, count(s.inbox, "settings"), "settings for each streamer")
		require.Equal(t, 2, count(s.inbox, "answer"), "an answer for each streamer")
	})
}

func TestMediaThroughTURNOnly(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "&relay=1")
	b.Click(`#applications [data-start=testcard]`)
	b.Wait(`streamstack.pc?.getConfiguration().iceTransportPolicy === 'relay'`, "the policy")
	var id string
	b.Eval(`streamstack.session`, &id)
	b.Wait(`document.querySelector('#timeline [data-event=answer]')`, "the answer")
	// No TURN server was given, so there is no way at all: not one candidate may be sent.
	g.look(id, func(s *session) { require.Zero(t, count(s.inbox, "candidate")) })
}

func TestThePageFitsAPhone(t *testing.T) {
	t.Parallel()
	b, _ := openConsole(t, "")
	b.Do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	start(b)
	b.Wait(`document.documentElement.scrollWidth <= innerWidth`, "no sideways scrolling")
	b.Wait(`document.querySelector('#video').getBoundingClientRect().width >= 360`, "a picture as wide as the phone")
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
