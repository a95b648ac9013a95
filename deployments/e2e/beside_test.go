package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// TestBesideThePicture is what travels beside the picture, in a real browser, of one session: files both ways, the microphone, and a
// viewer that watches and cannot do more; and what programs of the instance ask of the stream.
func TestBesideThePicture(t *testing.T) {
	data := stack.DataDir(t)
	s := stack.Up(t, data)
	v := open(t, s, "&microphone=1&camera=1")
	v.Exec(`document.querySelector('#keep').checked = true`)
	id := v.start("testcard")
	home := filepath.Join(data, "instances", string(id), "home")
	checkFiles(t, v, id, home)
	checkDevices(t, v, id)
	checkMicrophone(t, filepath.Join(runtimeOf(t, s, id), "sound"))
	checkInside(t, s, id)
	checkWatching(t, v, id)
	v.Click("#end")
	s.Await(id, events.Agent, events.Terminated)
	s.Verify("--ended")
}

// checkFiles drops a file of this machine on the picture, and downloads one that the application has left.
func checkFiles(t *testing.T, v viewer, id events.SessionID, home string) {
	t.Helper()
	v.Wait(`!document.querySelector('#files').hidden`, "the panel of files")
	sent := make([]byte, 3_000_000)
	_, _ = rand.Read(sent) // never fails
	file := filepath.Join(t.TempDir(), "dropped.bin")
	require.NoError(t, os.WriteFile(file, sent, 0o600))
	at := hand{v}
	x, y := at.place(image.Pt(640, 360))
	for _, kind := range []input.DispatchDragEventType{"dragEnter", "dragOver", "drop"} {
		_, err := chromedp.Call(v.Ctx, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: x, Y: y,
			Data: &input.DragData{Items: []*input.DragDataItem{}, Files: []string{file}, DragOperationsMask: 1}})
		require.NoError(t, err)
	}
	v.s.Await(id, events.Streamer, events.FileTransferred)
	found, err := filepath.Glob(filepath.Join(home, "inbox", "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(home, "inbox", "dropped.bin")}, found)
	got, err := os.ReadFile(found[0])
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got), "the file that was dropped has %d bytes, the one that came %d", len(sent), len(got))

	report := strings.Repeat("line\n", 50_000)
	require.NoError(t, os.WriteFile(filepath.Join(home, "outbox", "report.txt"), []byte(report), 0o600))
	downloads := t.TempDir()
	_, err = chromedp.Call(v.Ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: downloads})
	require.NoError(t, err)
	v.Click(`#files button[data-action="list"]`)
	v.Wait(`document.querySelector('#files button[data-file="report.txt"]')`, "the file in the list")
	v.Click(`#files button[data-file="report.txt"]`)
	stack.Eventually(t, liveTime, func() string {
		if got, err := os.ReadFile(filepath.Join(downloads, "report.txt")); err != nil || string(got) != report {
			return fmt.Sprintf("the download of %d bytes: it has %d, %v", len(report), len(got), err)
		}
		return ""
	})
}

// checkDevices waits until the session has the microphone; and the camera, or says to the user why not: few hosts have a device for one.
func checkDevices(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	var camera events.DeviceChangedData
	stack.Eventually(t, liveTime, func() string {
		is := map[string]events.DeviceChangedData{}
		page, _, err := v.s.Client.Events(t.Context(), client.EventsQuery{Session: id, Limit: 1000})
		if err != nil {
			return err.Error()
		}
		for _, e := range page {
			var d events.DeviceChangedData
			if e.Is(events.Streamer, events.DeviceChanged) && e.Decode(&d) == nil {
				is[d.Device] = d
			}
		}
		camera = is[events.DeviceCamera]
		if is[events.DeviceMicrophone].State != events.DeviceStarted || camera.State == "" {
			return fmt.Sprintf("the microphone, and an answer about the camera: %v", is)
		}
		return ""
	})
	if camera.State == events.DeviceUnavailable {
		require.NotEmpty(t, camera.Reason)
		v.Wait(`document.querySelector('#notice-text').textContent === 'The session cannot take your camera: ' + `+strconv.Quote(camera.Reason), "the reason, to the user")
	}
	t.Logf("camera: %s %s", camera.State, camera.Reason)
}

// checkMicrophone records what applications hear of the browser's beeping microphone.
func checkMicrophone(t *testing.T, server string) {
	t.Helper()
	peak := regexp.MustCompile(`peak=\(GValueArray\)< (-?[0-9.]+)`)
	stack.Eventually(t, liveTime, func() string {
		// The default source, as an application would have it.
		out, err := exec.Command("gst-launch-1.0", "-m", "pulsesrc", "server=unix:"+server, "num-buffers=200", "!", "level", "!", "fakesink").CombinedOutput()
		if err != nil {
			return fmt.Sprintf("a recording: %v: %s", err, out)
		}
		loudest := -1000.0
		for _, m := range peak.FindAllSubmatch(out, -1) {
			if db, err := strconv.ParseFloat(string(m[1]), 64); err == nil {
				loudest = max(loudest, db)
			}
		}
		if loudest < -40 {
			return fmt.Sprintf("the beep, the loudest is %.0f dB", loudest)
		}
		return ""
	})
}

// checkWatching has somebody else watch the session, by the button that the console has for it.
func checkWatching(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	w := open(t, v.s, "")
	button := `#sessions [data-session="` + string(id) + `"] button[data-action="watch"]`
	w.Wait(`document.querySelector('`+button+`:enabled')`, "Watch beside the session")
	w.Click(button)
	w.live()
	w.Wait(`/^Watching /.test(document.querySelector('#status').textContent)`, "that it only watches, in words")
	checkPicture(t, w)
	require.Equal(t, "live", state(v), "the client stays")
	v.Wait(`document.querySelector('#viewers summary').textContent === '1 watching' && document.querySelectorAll('#viewers li').length === 1`, "the viewer in the client's console")
	w.Wait(`document.querySelector('#sessions [data-session="`+string(id)+`"] .status').textContent.endsWith(', 1 watching')`, "and in the list of sessions")
	out, code := stack.Command(t, append([]string{"session", "viewers", string(id), "--json"}, v.s.Find...)...)
	require.Zero(t, code, out)
	require.Equal(t, 1, strings.Count(out, "\n"), out)

	w.Click(`#video`)
	w.Do(keyQ) // of which the page says nothing
	w.Exec(`streamstack.control.send('{"type":"input::key","data":{"code":20,"pressed":true}}')`)
	// The key's message is on its way before the farewell, on the same channel.
	w.Click(`#leave`)
	var gone events.DisconnectedData
	require.NoError(t, v.s.Await(id, events.Streamer, events.Disconnected).Decode(&gone)) // the viewer's
	require.Equal(t, []any{events.ReasonLeft, true, uint64(1)}, []any{gone.Reason, gone.Connected, gone.InputDropped})
	v.Wait(`document.querySelector('#viewers').hidden`, "nobody who watches")
	require.Equal(t, "live", state(v))
	v.colourAt(v.card().KeyPatch, untouched, "the application has got no key")
	first := v.frame(v.card())
	stack.Eventually(t, seenTime, func() string {
		if v.frame(v.card()) == first {
			return "a further frame of the client"
		}
		return ""
	})
}

func state(v viewer) (s string) {
	v.T.Helper()
	v.Eval(`streamstack.state`, &s)
	return s
}
