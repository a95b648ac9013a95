package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/console/browsertest"
	"streamstack/streamer/testcard"
)

const (
	// liveTime bounds the time from a click to a live picture on a busy machine.
	liveTime = 40 * time.Second
	// seenTime bounds the time in which a live picture shows what has happened; on such a machine it can be seconds behind.
	seenTime = 40 * time.Second
)

// viewer is a browser with the console open.
type viewer struct {
	*browsertest.Browser
	s *stack.Stack
}

// open opens the console; more are further parts of the address's fragment.
func open(t *testing.T, s *stack.Stack, more string) viewer {
	t.Helper()
	v := viewer{browsertest.Open(t), s}
	v.Navigate(s.Console(more))
	return v
}

// of is the same browser in a test within its own.
func (v viewer) of(t *testing.T) viewer {
	t.Helper()
	return viewer{&browsertest.Browser{T: t, Ctx: v.Ctx}, v.s}
}

// at is the same browser with another stack, whose console it has yet to open.
func (v viewer) at(s *stack.Stack) viewer { return viewer{v.Browser, s} }

// again opens the console anew, so that nothing is left of what the page did before.
func (v viewer) again(more string) {
	v.T.Helper()
	v.Navigate("about:blank")
	v.Navigate(v.s.Console(more))
}

// start clicks on an application and waits until it is live.
func (v viewer) start(app string) events.SessionID {
	v.T.Helper()
	v.Wait(`document.querySelector('#applications [data-start="`+app+`"]')`, "the application in the list")
	v.Click(`#applications [data-start="` + app + `"]`)
	v.live()
	return v.session()
}

// live waits for the picture, and for the channel that takes input: on a busy machine it can open later, and what is done in
// between is not for later.
func (v viewer) live() {
	v.T.Helper()
	stack.Eventually(v.T, liveTime, func() string {
		var state struct{ State, Control, Status, Failure string }
		v.Eval(`({State: streamstack.state, Control: streamstack.control?.readyState ?? 'none', Status: document.querySelector('#status').textContent,
			Failure: document.querySelector('#failure')?.textContent ?? ''})`, &state)
		if state.State == "live" && state.Control == "open" {
			return ""
		}
		return fmt.Sprintf("a live picture that takes input: the page is %q, its control channel %q, it says %q %q", state.State, state.Control, state.Status, state.Failure)
	})
}

func (v viewer) session() events.SessionID {
	v.T.Helper()
	var id events.SessionID
	v.Eval(`streamstack.session`, &id)
	return id
}

// stats are the page's own figures.
type stats struct {
	FramesDecoded, FrameWidth, FrameHeight int
	Local, Remote, Codec                   string
}

func (v viewer) stats() (s stats) {
	v.T.Helper()
	v.Eval(`streamstack.stats()`, &s)
	return s
}

// sample reads pixels of the picture as it is shown, by points of the picture.
func (v viewer) sample(points ...image.Point) []color.RGBA {
	v.T.Helper()
	list, err := json.Marshal(points)
	require.NoError(v.T, err)
	var flat [][]uint8
	v.Eval(`(() => {
		const video = streamstack.video, canvas = document.createElement('canvas');
		canvas.width = video.videoWidth; canvas.height = video.videoHeight;
		const context = canvas.getContext('2d', {willReadFrequently: true});
		context.drawImage(video, 0, 0);
		return `+string(list)+`.map((p) => Array.from(context.getImageData(p.X, p.Y, 1, 1).data));
	})()`, &nums{&flat})
	out := make([]color.RGBA, 0, len(flat))
	for _, c := range flat {
		out = append(out, color.RGBA{c[0], c[1], c[2], c[3]})
	}
	return out
}

// nums reads arrays of numbers into bytes, which JSON would take for base64.
type nums struct{ to *[][]uint8 }

func (n *nums) UnmarshalJSON(b []byte) error {
	var wide [][]int
	if err := json.Unmarshal(b, &wide); err != nil {
		return err
	}
	for _, w := range wide {
		row := make([]uint8, 0, len(w))
		for _, x := range w {
			row = append(row, uint8(x))
		}
		*n.to = append(*n.to, row)
	}
	return nil
}

// distance is the largest difference of two colours in a channel.
func distance(a, b color.RGBA) int {
	d := 0
	for _, p := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}} {
		d = max(d, int(p[0])-int(p[1]), int(p[1])-int(p[0]))
	}
	return d
}

// near is how far a channel may be off after two conversions and a lossy codec.
const near = 24

// centre is the middle of a rectangle.
func centre(r image.Rectangle) image.Point { return r.Min.Add(r.Max).Div(2) }

// colourAt waits until the middle of a rectangle has a colour.
func (v viewer) colourAt(r image.Rectangle, want color.RGBA, what string) {
	v.T.Helper()
	stack.Eventually(v.T, seenTime, func() string {
		got := v.sample(centre(r))[0]
		if distance(got, want) <= near {
			return ""
		}
		return fmt.Sprintf("%s: the picture has %v, the application drew %v", what, got, want)
	})
}

// card is the layout of the test card that is shown.
func (v viewer) card() testcard.Card {
	v.T.Helper()
	s := v.stats()
	return testcard.Layout(s.FrameWidth, s.FrameHeight)
}

// tone is the loudest frequency that the page hears, in Hz.
func (v viewer) tone() float64 {
	v.T.Helper()
	var hz float64
	v.Eval(`(async () => {
		const context = new AudioContext({sampleRate: 48000});
		const analyser = new AnalyserNode(context, {fftSize: 16384, smoothingTimeConstant: 0});
		context.createMediaStreamSource(streamstack.audio.srcObject).connect(analyser);
		await context.resume();
		await new Promise((done) => setTimeout(done, 1000));
		const bins = new Float32Array(analyser.frequencyBinCount);
		analyser.getFloatFrequencyData(bins);
		await context.close();
		const loudest = bins.reduce((best, level, i) => level > bins[best] ? i : best, 0);
		return bins[loudest] > -60 ? loudest * 48000 / analyser.fftSize : 0;
	})()`, &hz)
	return hz
}

// picture is the whole picture as it is shown.
func (v viewer) picture() image.Image {
	v.T.Helper()
	var url string
	v.Eval(`(() => {
		const video = streamstack.video, canvas = document.createElement('canvas');
		canvas.width = video.videoWidth; canvas.height = video.videoHeight;
		canvas.getContext('2d').drawImage(video, 0, 0);
		return canvas.toDataURL('image/png').split(',')[1];
	})()`, &url)
	data, err := base64.StdEncoding.DecodeString(url)
	require.NoError(v.T, err)
	p, err := png.Decode(bytes.NewReader(data))
	require.NoError(v.T, err)
	return p
}
