/**
 * The browser's gamepads as messages of the control channel (contract, section 5): what has changed, once per picture of the page.
 * @module gamepads
 */

/** As many as the contract has. */
const MOST_PADS = 4;
const MOST_BUTTONS = 17;
const MOST_AXES = 6;
/** Less than this is a stick's noise. */
const NOISE = 0.005;

/**
 * What has changed of a pad.
 * @param {number} id
 * @param {{buttons: boolean[], axes: number[]}} before
 * @param {{buttons: readonly {pressed: boolean}[], axes: readonly number[]}} now a Gamepad, or as much of it
 * @returns {{messages: [string, object][], state: {buttons: boolean[], axes: number[]}}}
 */
export function changes(id, before, now) {
  /** @type {[string, object][]} */
  const messages = [];
  const buttons = now.buttons.slice(0, MOST_BUTTONS).map(({ pressed }) => pressed);
  buttons.forEach((pressed, index) => {
    if (pressed !== (before.buttons[index] ?? false)) messages.push(['input::gamepad-button', { id, index, pressed }]);
  });
  const axes = now.axes.slice(0, MOST_AXES).map((value, index) => {
    const last = before.axes[index] ?? 0;
    // The ends and the middle are always told.
    if (value === last || (Math.abs(value - last) < NOISE && value !== 0 && Math.abs(value) !== 1)) return last;
    messages.push(['input::gamepad-axes', { id, index, value }]);
    return value;
  });
  return { messages, state: { buttons, axes } };
}

/** Sends the changes of all pads until it is stopped. */
export class Gamepads {
  #send;
  /** @type {Map<number, {buttons: boolean[], axes: number[]}>} */
  #states = new Map();
  #frame = 0;

  /** @param {(type: string, data: object) => void} send */
  constructor(send) {
    this.#send = send;
    this.#poll();
  }

  /** Lets everything go and polls no more. */
  stop() {
    cancelAnimationFrame(this.#frame);
    for (const [id, state] of this.#states) this.#tell(id, state, { buttons: state.buttons.map(() => ({ pressed: false })), axes: state.axes.map(() => 0) });
    this.#states.clear();
  }

  #poll() {
    const pads = navigator.getGamepads?.() ?? [];
    for (let id = 0; id < MOST_PADS; id += 1) {
      const pad = pads[id];
      const before = this.#states.get(id);
      if (pad?.connected) this.#states.set(id, this.#tell(id, before ?? { buttons: [], axes: [] }, pad));
      else if (before) { // pulled out
        this.#tell(id, before, { buttons: before.buttons.map(() => ({ pressed: false })), axes: before.axes.map(() => 0) });
        this.#states.delete(id);
      }
    }
    this.#frame = requestAnimationFrame(() => this.#poll());
  }

  /**
   * @param {number} id
   * @param {{buttons: boolean[], axes: number[]}} before
   * @param {{buttons: readonly {pressed: boolean}[], axes: readonly number[]}} now
   */
  #tell(id, before, now) {
    const { messages, state } = changes(id, before, now);
    for (const [type, data] of messages) this.#send(type, data);
    return state;
  }
}
