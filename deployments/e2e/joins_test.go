package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

const (
	// joins is how often the session is taken over in TestManyJoins; after warmUp of them nothing may grow any more.
	joins, warmUp = 50, 15
	// spareFiles and spareThreads are what a process may have more at one moment than at another: a socket or a thread that is just about
	// to end. A leak would show as one for each join, at least.
	spareFiles, spareThreads = 8, 12
	// spareMemory is by how much the resident memory may differ, as a part: garbage that is not collected yet. One picture that is kept by
	// each join would be more than all of it.
	spareMemory = 0.2
)

// visits is the console's own stream in a page, several times one after the other: visit() joins, and each is looked at while it is live and
// when it has been displaced.
const visits = `(async () => {
	const {Stream} = await import(new URL('console/stream.js', document.baseURI));
	window.visits = [];
	window.visit = (url, stunServers) => {
		const video = document.createElement('video'), audio = document.createElement('audio');
		video.muted = audio.muted = true;
		const v = {state: '', message: '', cause: 0, width: 0, height: 0, first: ''};
		const stream = new Stream({url, stunServers, video, audio, relay: false, codec: '', devices: {microphone: false, camera: false}});
		stream.addEventListener('state', ({detail}) => {
			v.state = detail.state; v.message = detail.message;
			if (detail.state === 'connecting') stream.control.addEventListener('error', (e) => { v.cause = e.error.sctpCauseCode; });
			if (detail.state === 'live') { v.first = video.videoWidth + 'x' + video.videoHeight; }
		});
		visits.push(v);
		return visits.length - 1;
	};
	return true;
})()`

// visit is what the page knows of one of its streams.
type visit struct {
	State, Message, First string
	Cause                 int
}

func (v viewer) visit(n int) (out visit) {
	v.T.Helper()
	v.Eval(fmt.Sprintf("visits[%d]", n), &out)
	return out
}

// streamerOf finds the process of a session's streamer.
func streamerOf(t *testing.T, s *stack.Stack, id events.SessionID) int {
	t.Helper()
	for _, line := range stack.Left(s.Data) {
		number, args, _ := strings.Cut(line, " ")
		if strings.Contains(args, " streamer") {
			env, _ := os.ReadFile("/proc/" + number + "/environ") // it may have ended
			if bytes.Contains(env, []byte(id)) {
				pid, err := strconv.Atoi(number)
				require.NoError(t, err)
				return pid
			}
		}
	}
	require.Fail(t, "the session has no streamer")
	return 0
}

// usage is what a process holds.
type usage struct{ files, threads, kib int }

func usageOf(t *testing.T, pid int) (u usage) {
	t.Helper()
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	files, err := os.ReadDir(filepath.Join(folder, "fd"))
	require.NoError(t, err)
	threads, err := os.ReadDir(filepath.Join(folder, "task"))
	require.NoError(t, err)
	status, err := os.ReadFile(filepath.Join(folder, "status"))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "RssAnon:"); found {
			u.kib, err = strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			require.NoError(t, err)
		}
	}
	u.files, u.threads = len(files), len(threads)
	return u
}

// TestManyJoins: fifty clients in a row, each with another screen. The one before is told by an SCTP abort with cause 12 (RFC 9260, section
// 3.3.10.12), the new one's first picture has the size it asked for, and the streamer holds no more at the end than after the first few.
func TestManyJoins(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	g := s.Create(client.CreateRequest{App: "testcard", Joinable: true})
	s.Await(g.ID, events.Streamer, events.Ready)
	pid := streamerOf(t, s, g.ID)
	v := open(t, s, "")
	var loaded bool
	v.Eval(visits, &loaded)

	sizes := []image.Point{{X: 1280, Y: 720}, {X: 1082, Y: 1440}, {X: 640, Y: 360}, {X: 720, Y: 1280}, {X: 800, Y: 600}}
	var warm usage
	var longest time.Duration
	for n := range joins {
		size := sizes[(n+1)%len(sizes)]
		begin := time.Now()
		grant, err := s.Client.Join(t.Context(), g.ID, &client.Screen{Width: size.X, Height: size.Y})
		require.NoError(t, err)
		stun, err := json.Marshal(grant.STUN)
		require.NoError(t, err)
		var number int
		v.Eval(fmt.Sprintf("visit(%q, %s)", grant.URL, stun), &number)
		require.Equal(t, n, number)
		stack.Eventually(t, liveTime, func() string {
			if got := v.visit(n); got.State != "live" {
				return fmt.Sprintf("a picture for client %d: %+v", n, got)
			}
			return ""
		})
		longest = max(longest, time.Since(begin))
		require.Equal(t, fmt.Sprintf("%dx%d", size.X, size.Y), v.visit(n).First, "the first picture of client %d", n)
		if n > 0 {
			stack.Eventually(t, liveTime, func() string {
				if got := v.visit(n - 1); got.State != "ended" || got.Cause != 12 {
					return fmt.Sprintf("the SCTP abort at client %d: %+v", n-1, got)
				}
				return ""
			})
		}
		if n == warmUp {
			warm = usageOf(t, pid)
		}
	}
	var now usage
	stack.Eventually(t, liveTime, func() string {
		now = usageOf(t, pid)
		if now.files > warm.files+spareFiles || now.threads > warm.threads+spareThreads || float64(now.kib) > (1+spareMemory)*float64(warm.kib) {
			return fmt.Sprintf("the end of what %d joins left behind: %+v, after %d it was %+v", joins, now, warmUp, warm)
		}
		return ""
	})
	t.Logf("%d joins, the longest took %s; files, threads and KiB of memory after %d: %+v, after all: %+v", joins, longest.Round(time.Millisecond), warmUp, warm, now)

	// The window fills the screen as it is now, and a join that names none leaves it so.
	v.again("")
	v.join(g.ID)
	size := sizes[joins%len(sizes)]
	require.Equal(t, size, image.Pt(v.stats().FrameWidth, v.stats().FrameHeight))
	checkPicture(t, v)
	counts := map[events.Name]int{}
	for _, e := range s.History(g.ID) {
		if e.Actor == events.Streamer {
			counts[e.Name]++
		}
	}
	require.Equal(t, joins, counts[events.Resized])
	require.Equal(t, joins+1, counts[events.Connected])
	s.Verify()
}
