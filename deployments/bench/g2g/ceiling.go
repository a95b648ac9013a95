package g2g

import (
	"fmt"
	"time"
)

// ceiling draws a picture into a canvas with each refresh of the page, plays it in a video element and counts what the element calls back: no
// network, no codec, nobody else's clock.
const ceiling = `(async (ms) => {
	const canvas = document.createElement('canvas'), video = document.createElement('video');
	canvas.width = 320; canvas.height = 180;
	video.muted = true; video.style = 'position: fixed; right: 0; bottom: 0; width: 160px';
	document.body.append(video);
	const draw = canvas.getContext('2d');
	let on = true, n = 0, shown = 0, from = 0, to = 0;
	const paint = () => { draw.fillStyle = n++ & 1 ? '#fff' : '#000'; draw.fillRect(0, 0, 320, 180); if (on) requestAnimationFrame(paint); };
	requestAnimationFrame(paint);
	video.srcObject = canvas.captureStream();
	await video.play();
	const count = () => { to = performance.now(); if (from) shown++; else from = to; if (on) video.requestVideoFrameCallback(count); };
	video.requestVideoFrameCallback(count);
	await new Promise((done) => { setTimeout(done, ms); });
	on = false;
	video.srcObject = null;
	video.remove();
	return to > from ? 1000 * shown / (to - from) : 0;
})`

// Ceiling is how many pictures a second this browser shows of what its own page draws with each of its refreshes, beside the stream: more than
// that it shows of nothing.
func (v *Viewer) Ceiling(d time.Duration) (rate float64) {
	v.T.Helper()
	v.Eval(fmt.Sprintf("%s(%d)", ceiling, d.Milliseconds()), &rate)
	return rate
}
