/**
 * How the pictures of a stream meet the refreshes of the display: a streamer that knows takes them in step with it. Pictures that come at the
 * display's rate, but in a rhythm of their own, fall two into one refresh and none into the next now and then; one of the two is never seen.
 * @module rhythm
 */

/** How often the streamer is told, in milliseconds. */
const EVERY_MS = 500;
/** Of how many pictures something can be said. */
const FEWEST = 15;
/** How far a time between refreshes may be from a whole number of periods, in periods; the part of them that may be further. */
const UNEVEN = 0.1;
const UNEVEN_PART = 0.1;

/** @typedef {{tick: number, ready: number}} Shown a refresh, and when the picture that is first seen in it was there; milliseconds */

/**
 * @param {Shown[]} shown in the order of time
 * @returns {{period: number, lead: number, spread: number} | null} milliseconds: the time between two refreshes, how long before one a
 * picture is ready on the mean, and the standard deviation of that, both around the period; null where there is no rhythm to tell, as with
 * a display whose refreshes are not in a whole ratio to the pictures.
 */
export function rhythmOf(shown) {
  if (shown.length < FEWEST) return null;
  const gaps = shown.slice(1).map(({ tick }, i) => tick - shown[i].tick);
  const usual = [...gaps].sort((a, b) => a - b)[gaps.length >> 1];
  if (!(usual > 0)) return null;
  const counts = gaps.map((gap) => Math.round(gap / usual));
  const uneven = gaps.filter((gap, i) => Math.abs(gap / usual - counts[i]) > UNEVEN).length;
  const ticks = counts.reduce((a, b) => a + b, 0);
  if (uneven > UNEVEN_PART * gaps.length || ticks === 0) return null;
  const period = (shown[shown.length - 1].tick - shown[0].tick) / ticks;
  // Times around a period are angles: the mean of one just before a refresh and one just behind it is at the refresh.
  const turn = (2 * Math.PI) / period;
  const mean = (/** @type {(angle: number) => number} */ of) => shown.reduce((sum, { tick, ready }) => sum + of((tick - ready) * turn), 0) / shown.length;
  const x = mean(Math.cos), y = mean(Math.sin);
  const lead = (Math.atan2(y, x) / turn + period) % period;
  const spread = Math.sqrt(Math.max(0, -2 * Math.log(Math.min(1, Math.hypot(x, y))))) / turn;
  return Number.isFinite(spread) ? { period, lead, spread } : null;
}

/** Tells the streamer of the rhythm while it lives (requestVideoFrameCallback, WICG). */
export class Rhythm {
  #stopped = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {(type: string, data: object) => void} send
   */
  constructor(video, send) {
    /** @type {Shown[]} */
    let shown = [];
    /**
     * @param {number} tick
     * @param {VideoFrameCallbackMetadata} frame
     */
    const look = (tick, frame) => {
      if (this.#stopped) return;
      video.requestVideoFrameCallback(look);
      shown.push({ tick, ready: frame.presentationTime });
      if (tick - shown[0].tick < EVERY_MS) return;
      const rhythm = rhythmOf(shown);
      if (rhythm) send('display::rhythm', rhythm);
      shown = [];
    };
    video.requestVideoFrameCallback(look);
  }

  stop() {
    this.#stopped = true;
  }
}
