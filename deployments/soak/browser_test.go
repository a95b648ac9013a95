package soak

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/console/browsertest"
)

// checkBrowserAtMaster: the console in a real Chromium joins a session whose streamer speaks through a master socket, and shows its picture.
func checkBrowserAtMaster(t *testing.T, h *house, id events.SessionID) {
	t.Helper()
	before := h.read(id).named[events.Connected]
	b := browsertest.Open(t)
	b.Navigate(h.Console(""))
	button := `#sessions [data-session="` + string(id) + `"] button[data-action="join"]`
	b.Wait(`document.querySelector('`+button+`')`, "the session in the list")
	b.Click(button)
	stack.Eventually(t, patience, func() string {
		var state string
		b.Eval(`streamstack.state`, &state)
		if state != "live" {
			return "a live picture: the page is " + state
		}
		return ""
	})
	b.Wait(`streamstack.stats().then(({framesDecoded}) => framesDecoded > 10)`, "more than one picture")
	b.Wait(`streamstack.video.videoWidth === 160 && streamstack.video.videoHeight === 120`, "the picture's size")
	b.Wait(`streamstack.control.readyState === 'open'`, "its control channel")
	require.Equal(t, before+1, h.read(id).named[events.Connected])
}
