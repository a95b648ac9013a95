/**
 * What is known about a running stream: getStats of the browser (W3C webrtc-stats), and the frames that were really shown.
 * @module stats
 */

/** The frame rate is taken over this time, in milliseconds. */
const WINDOW_MS = 1000;

/** Looks at the frames that an element presents (requestVideoFrameCallback, WICG). */
export class FrameCounter {
  /** @type {number[]} when the frames of the last second were presented */
  #times = [];
  /** @type {(number | null)[]} how long before its callback the last packet of each had come, in milliseconds */
  #delays = [];
  #stopped = false;
  #started = performance.now();

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    /**
     * @param {number} now
     * @param {VideoFrameCallbackMetadata} frame
     */
    const count = (now, frame) => {
      if (this.#stopped) return;
      this.#times.push(now);
      this.#delays.push(frame.receiveTime === undefined ? null : performance.now() - frame.receiveTime);
      this.#forget(now);
      video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
  }

  /** Frames a second over the last second. */
  get fps() {
    const now = performance.now();
    this.#forget(now);
    const window = Math.min(WINDOW_MS, now - this.#started);
    return window > 0 ? Math.round((this.#times.length * 1000) / window) : 0;
  }

  /** The median of the time that frames of the last second took in the browser, in milliseconds; null where it does not tell. */
  get delay() {
    const known = /** @type {number[]} */ (this.#delays.filter((ms) => ms !== null)).sort((a, b) => a - b);
    return known.length ? known[known.length >> 1] : null;
  }

  /** The longest time between two frames of the last second, the one that lasts included, in milliseconds. */
  get gap() {
    return this.#times.map((time, i) => (this.#times[i + 1] ?? performance.now()) - time).reduce((a, b) => Math.max(a, b), 0);
  }

  stop() {
    this.#stopped = true;
  }

  /** @param {number} now */
  #forget(now) {
    while (this.#times.length && this.#times[0] <= now - WINDOW_MS) {
      this.#times.shift();
      this.#delays.shift();
    }
  }
}

/**
 * @param {RTCPeerConnection} pc
 * @returns {Promise<object>} see the package comment in doc.go
 */
export async function readStats(pc) {
  const report = await pc.getStats();
  const all = [...report.values()];
  const video = all.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video') ?? {};
  const audio = all.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio') ?? {};
  const transport = all.find(({ type }) => type === 'transport') ?? {};
  const pair = report.get(transport.selectedCandidatePairId) ?? {};
  return {
    rtt: typeof pair.currentRoundTripTime === 'number' ? pair.currentRoundTripTime * 1000 : null,
    framesDecoded: video.framesDecoded ?? 0,
    framesDropped: video.framesDropped ?? 0,
    frameWidth: video.frameWidth ?? 0,
    frameHeight: video.frameHeight ?? 0,
    bytesReceived: (video.bytesReceived ?? 0) + (audio.bytesReceived ?? 0),
    packetsLost: (video.packetsLost ?? 0) + (audio.packetsLost ?? 0),
    codec: report.get(video.codecId)?.mimeType ?? '',
    local: report.get(pair.localCandidateId)?.candidateType ?? '',
    remote: report.get(pair.remoteCandidateId)?.candidateType ?? '',
    audioEnergy: audio.totalAudioEnergy ?? 0,
    audioSamples: audio.totalSamplesReceived ?? 0,
    bufferMs: video.jitterBufferEmittedCount
      ? (video.jitterBufferDelay / video.jitterBufferEmittedCount) * 1000 : 0,
  };
}
