// Reads clockcode's pattern from each frame that a video element shows. It is evaluated in a page that plays already, with
// the settings of the measurement, and leaves window.g2g.
(settings) => {
  const COLUMNS = 17, ROWS = 5, MARKER = 8, EVENT_GRID = 9;
  const state = { on: false, rows: [], inputs: [], clock: [], error: '' };

  const crc8 = (bytes) => {
    let c = 0xA5;
    for (const v of bytes) {
      c ^= v;
      for (let i = 0; i < 8; i++) c = c & 0x80 ? ((c << 1) ^ 0x07) & 0xFF : (c << 1) & 0xFF;
    }
    return c;
  };

  // decode reads through bit(column, row), which gives 0, 1 or NaN. null stands for what is not clean.
  const decode = (bit) => {
    const word = (first) => {
      const bytes = [];
      for (let row = 0; row < ROWS; row++) {
        let v = 0;
        for (let i = 0; i < 8; i++) v = v * 2 + bit(first + i, row);
        bytes.push(v);
      }
      if (bytes.some(Number.isNaN) || crc8(bytes.slice(0, 4)) !== bytes[4]) return null;
      return ((bytes[0] * 256 + bytes[1]) * 256 + bytes[2]) * 256 + bytes[3];
    };
    const m = [0, 1, 2, 3, 4].map((row) => bit(MARKER, row));
    const clean = !m.some(Number.isNaN) && m[4] === 1 && (m[0] ^ m[1] ^ m[2]) === m[3];
    return { painted: word(0), count: clean ? m[0] * 4 + m[1] * 2 + m[2] : null, pressed: word(EVENT_GRID) };
  };

  // The luma of the frame itself, the code's rectangle only: some 0.2 ms. Reading a canvas back takes 5 to 50 ms without
  // a GPU and would delay what it measures.
  let spare = null;
  const read = async (frame) => {
    try {
      const v = frame.visibleRect, kx = v.width / settings.width, ky = v.height / settings.height;
      const even = (n) => Math.floor(n / 2) * 2;
      const x = even(settings.x * kx), y = even(settings.y * ky);
      const rect = {
        x: v.x + x, y: v.y + y,
        width: Math.min(even(COLUMNS * settings.block * kx + 1), even(v.width - x)),
        height: Math.min(even(ROWS * settings.block * ky + 1), even(v.height - y)),
      };
      const size = frame.allocationSize({ rect });
      const bytes = spare && spare.length >= size ? spare : new Uint8Array(size);
      spare = null; // two readings at once must not share it
      const [{ offset, stride }] = await frame.copyTo(bytes, { rect });
      const bit = (column, row) => { // the mean of nine pixels around the middle of the block
        const cx = Math.round(((column + 0.5) * settings.block + settings.x) * kx - x);
        const cy = Math.round(((row + 0.5) * settings.block + settings.y) * ky - y);
        let sum = 0;
        for (let j = -2; j <= 2; j += 2) for (let i = -2; i <= 2; i += 2) sum += bytes[offset + (cy + j) * stride + cx + i];
        return sum > 9 * 160 ? 1 : sum < 9 * 96 ? 0 : NaN;
      };
      const code = decode(bit);
      spare = bytes;
      return code;
    } finally {
      frame.close();
    }
  };

  const grab = (video) => {
    try {
      const frame = new VideoFrame(video);
      if (frame.format === 'I420' || frame.format === 'NV12') return frame;
      state.error = `frames of the format ${frame.format} cannot be read`;
      frame.close();
    } catch (error) {
      state.error = String(error);
    }
    return null;
  };

  // The time at which an input reaches the page, before the page's own listeners.
  for (const type of ['pointerdown', 'keydown']) {
    window.addEventListener(type, (event) => {
      if (state.on && event.isTrusted) state.inputs.push(performance.now());
    }, { capture: true, passive: true });
  }

  const video = settings.video();
  const look = (tick, data) => {
    const now = performance.now();
    if (!state.on) return;
    video.requestVideoFrameCallback(look);
    state.clock.push(Date.now() - now);
    const frame = grab(video);
    if (!frame) return;
    // Whether the next picture had replaced the one that the callback is about: its own callback is still to come.
    const replaced = Math.abs(frame.timestamp - data.mediaTime * 1e6) > 2000;
    const cost = performance.now() - now, row = { shown: now, replaced, cost,
      tick, ready: data.presentationTime, expected: data.expectedDisplayTime, presented: data.presentedFrames, received: data.receiveTime ?? null, captured: data.captureTime ?? null,
      decodeMs: data.processingDuration === undefined ? null : data.processingDuration * 1000 };
    state.rows.push(row); // in the order of the callbacks
    read(frame).then((code) => Object.assign(row, code), (error) => { state.error = String(error); });
  };

  window.g2g = {
    start: () => {
      Object.assign(state, { on: true, rows: [], inputs: [], clock: [], error: '' });
      video.requestVideoFrameCallback(look);
    },
    stop: async () => {
      state.on = false;
      await new Promise((done) => { setTimeout(done, 300); }); // readings that are under way
      // Date.now() is cut to whole milliseconds: on average it is half of one low.
      const clock = state.clock.sort((a, b) => a - b);
      return { rows: state.rows.filter((row) => 'painted' in row), inputs: state.inputs, error: state.error,
        offset: clock.length ? clock[clock.length >> 1] + 0.5 : 0 };
    },
  };
}
