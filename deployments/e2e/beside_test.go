package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// TestBesideThePicture is what travels beside the picture, in a real browser, of one session: files both ways, the microphone, and a
// viewer that watches and cannot do more.
func TestBesideThePicture(t *testing.T) {
	data := stack.DataDir(t)
	s := stack.Up(t, data)
	v := open(t, s, "&microphone=1")
	v.Exec(`document.querySelector('#keep').checked = true`)
	id := v.start("testcard")
	home := filepath.Join(data, "instances", string(id), "home")
	checkFiles(t, v, id, home)
	checkMicrophone(t, v, id, filepath.Join(data, "instances", string(id), "state.json"))
	checkWatching(t, v, id)
	v.Click("#end")
	s.Await(id, events.Agent, events.Terminated)
	s.Verify("--ended")
}

// checkFiles drops a file on the stage, and fetches one that the application has left.
func checkFiles(t *testing.T, v viewer, id events.SessionID, home string) {
	t.Helper()
	v.Wait(`!document.querySelector('#files').hidden`, "the panel of files")
	var sum string
	v.Eval(`(async () => {
		const bytes = new Uint8Array(3_000_000).map((_, i) => (i * 7919) >> 3);
		const transfer = new DataTransfer();
		transfer.items.add(new File([bytes], '../dropped.bin'));
		document.querySelector('#stage').dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true}));
		const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
		return Array.from(hash, (b) => b.toString(16).padStart(2, '0')).join('');
	})()`, &sum)
	v.s.Await(id, events.Streamer, events.FileTransferred)
	found, err := filepath.Glob(filepath.Join(home, "inbox", "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(home, "inbox", "dropped.bin")}, found)
	got, err := os.ReadFile(found[0])
	require.NoError(t, err)
	require.Len(t, got, 3_000_000)
	hash := sha256.Sum256(got)
	require.Equal(t, sum, hex.EncodeToString(hash[:]))

	require.NoError(t, os.WriteFile(filepath.Join(home, "outbox", "report.txt"), []byte(strings.Repeat("line\n", 50_000)), 0o600))
	v.Click(`#files button[data-action="list"]`)
	v.Wait(`document.querySelector('#files button[data-file="report.txt"]')`, "the file in the list")
	var size int
	v.Eval(`streamstack.files.get('report.txt').then((blob) => blob.text()).then((text) => text === 'line\n'.repeat(50_000) ? text.length : -1)`, &size)
	require.Equal(t, 250_000, size)
}

// checkMicrophone records what applications hear of the browser's beeping microphone.
func checkMicrophone(t *testing.T, v viewer, id events.SessionID, state string) {
	t.Helper()
	var d events.DeviceChangedData
	require.NoError(t, v.s.Await(id, events.Streamer, events.DeviceChanged).Decode(&d))
	require.Equal(t, []string{"microphone", "started"}, []string{d.Device, d.State})
	var x struct{ Runtime string }
	text, err := os.ReadFile(state)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &x))
	peak := regexp.MustCompile(`peak=\(GValueArray\)< (-?[0-9.]+)`)
	stack.Eventually(t, liveTime, func() string {
		// The default source, as an application would have it.
		out, err := exec.Command("gst-launch-1.0", "-m", "pulsesrc", "server=unix:"+filepath.Join(x.Runtime, "sound"), "num-buffers=200", "!", "level", "!", "fakesink").CombinedOutput()
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

// checkWatching has a second client of the same page watch the session.
func checkWatching(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	v.Exec(`(async () => {
		const { Stream } = await import('./console/stream.js');
		const answer = await fetch('1.0/sessions/' + streamstack.session + '/join', {method: 'POST',
			headers: {'Content-Type': 'application/json', Authorization: 'macaroon root=' + sessionStorage.getItem('streamstack.token')}, body: JSON.stringify({role: 'viewer'})});
		const ticket = (await answer.json()).metadata;
		const video = Object.assign(document.createElement('video'), {muted: true, playsInline: true});
		document.body.append(video);
		window.watcher = new Stream({url: ticket.url, stunServers: ticket.stun_servers, video, audio: new Audio(), relay: false, codec: '',
			watching: true, devices: {microphone: false, camera: false}});
	})()`)
	stack.Eventually(t, liveTime, func() string {
		var state string
		v.Eval(`window.watcher?.state ?? 'none'`, &state)
		if state != "live" {
			return "the viewer's picture, which is " + state
		}
		return ""
	})
	require.Equal(t, "live", state(v), "the client stays")
	v.Exec(`watcher.send('input::key', {code: 20, pressed: true})`)
	// The key's message is on its way before the farewell, on the same channel.
	v.Exec(`watcher.leave()`)
	var gone events.DisconnectedData
	require.NoError(t, v.s.Await(id, events.Streamer, events.Disconnected).Decode(&gone)) // the viewer's
	require.Equal(t, []any{events.ReasonLeft, true, uint64(1)}, []any{gone.Reason, gone.Connected, gone.InputDropped})
	require.Equal(t, "live", state(v))
	first := v.frame(v.card())
	stack.Eventually(t, 10*time.Second, func() string {
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
