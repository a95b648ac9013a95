/**
 * From the browser's wheel events to the contract's steps. No DOM.
 * @module wheel
 */

/**
 * A notch of a wheel is 100 to 120 CSS pixels, but a touchpad sends a stream of small deltas, and a step for each would
 * race through a page. Deltas below this many pixels are collected until they make it up.
 */
const STEP_PIXELS = 40;

/** WheelEvent.DOM_DELTA_PIXEL, which is what Chromium and Safari send. */
const DELTA_PIXEL = 0;

/** Parts of a notch, and what a notch is in pixels and in lines (WheelEvent.DOM_DELTA_LINE; a page is one notch). */
const NOTCH = 120;
const NOTCH_PIXELS = 100;
const NOTCH_LINES = 3;
/** The most that the streamer takes at once. */
const MOST = 100 * NOTCH;

/**
 * Turns wheel deltas into steps of -1, 0 or 1. The sign is the contract's: the opposite of the browser's, so `y: 1` is away
 * from the user (scroll up) and `x: 1` is to the left. One step at most per browser event and axis.
 */
export class Wheel {
  #x = 0;
  #y = 0;

  /**
   * @param {{deltaX: number, deltaY: number, deltaMode: number}} event
   * @returns {{x: number, y: number} | null} null while the deltas do not make up a step
   */
  step(event) {
    const x = event.deltaMode === DELTA_PIXEL ? this.#collectX(event.deltaX) : Math.sign(event.deltaX);
    const y = event.deltaMode === DELTA_PIXEL ? this.#collectY(event.deltaY) : Math.sign(event.deltaY);
    return x === 0 && y === 0 ? null : { x: 0 - x, y: 0 - y };
  }

  /**
   * The same in parts of a notch, 120 each, for sessions whose wheel turns smoothly; positive to the right and towards the user.
   * @param {{deltaX: number, deltaY: number, deltaMode: number}} event
   * @returns {{x: number, y: number} | null} null for no way at all
   */
  static way({ deltaX, deltaY, deltaMode }) {
    const scale = NOTCH / [NOTCH_PIXELS, NOTCH_LINES, 1][deltaMode];
    const x = limited(deltaX * scale);
    const y = limited(deltaY * scale);
    return x === 0 && y === 0 ? null : { x, y };
  }

  /** @param {number} delta */
  #collectX(delta) {
    const { step, rest } = collect(this.#x, delta);
    this.#x = rest;
    return step;
  }

  /** @param {number} delta */
  #collectY(delta) {
    const { step, rest } = collect(this.#y, delta);
    this.#y = rest;
    return step;
  }
}

/** @param {number} way */
function limited(way) {
  return Math.min(Math.max(Math.round(way * 100) / 100, -MOST), MOST);
}

/**
 * @param {number} rest collected so far
 * @param {number} delta
 * @returns {{step: number, rest: number}}
 */
function collect(rest, delta) {
  if (delta === 0) return { step: 0, rest };
  // A change of direction starts anew, else the first move back would be swallowed.
  const sum = Math.sign(rest) === -Math.sign(delta) ? delta : rest + delta;
  if (Math.abs(sum) < STEP_PIXELS) return { step: 0, rest: sum };
  const step = Math.sign(sum);
  // A notch counts as one step whatever its size; what a touchpad has left over is kept.
  return { step, rest: Math.abs(delta) >= STEP_PIXELS ? 0 : sum - step * STEP_PIXELS };
}
