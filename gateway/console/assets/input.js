/**
 * Mouse, wheel, touch and keyboard of one element, as messages of the control channel (contract, sections 3 and 4).
 * A finger works as the mouse's left button: desktop applications know no touch.
 * @module input
 */

import { movement, toPicture } from './geometry.js';
import { belongsToBrowser, keyNumbers } from './keys.js';
import { Wheel } from './wheel.js';

/**
 * The bits of MouseEvent.buttons by the contract's button number, which is MouseEvent.button plus one (W3C Pointer Events:
 * in `buttons` right comes before middle).
 * @type {ReadonlyArray<[number, number]>}
 */
const BUTTON_BITS = [[1, 1], [2, 4], [3, 2], [4, 8], [5, 16]];

/** Takes the input of an element while it exists; `stop` lets go of everything. */
export class Input {
  #video;
  #send;
  #listening = new AbortController();
  #wheel = new Wheel();
  /** @type {{x: number, y: number} | null} last position sent */
  #last = null;
  #carry = { x: 0, y: 0 };
  /** Bits of the buttons that are down for the application. */
  #buttons = 0;
  /** @type {Map<string, number[]>} browser code of each key that is down → what was sent for it */
  #keys = new Map();

  /**
   * @param {HTMLVideoElement} video the element; it must be focusable
   * @param {(type: string, data: object) => void} send
   * @param {() => void} escape called for Ctrl+Alt+Home, the way out of the picture for people without a mouse
   */
  constructor(video, send, escape) {
    this.#video = video;
    this.#send = send;
    const on = this.#on.bind(this);
    on(video, 'pointerdown', (event) => this.#pointer(/** @type {PointerEvent} */ (event)));
    on(video, 'pointermove', (event) => this.#pointer(/** @type {PointerEvent} */ (event)));
    on(video, 'pointerup', (event) => this.#pointer(/** @type {PointerEvent} */ (event)));
    on(video, 'pointercancel', () => this.#releaseButtons());
    on(video, 'wheel', (event) => this.#scroll(/** @type {WheelEvent} */ (event)));
    // Middle click pastes and scrolls, back and forward leave the page, right click opens a menu: all belong to the application.
    for (const type of ['contextmenu', 'auxclick', 'dragstart', 'mousedown', 'mouseup']) {
      on(video, type, (event) => event.preventDefault());
    }
    on(video, 'keydown', (event) => {
      const key = /** @type {KeyboardEvent} */ (event);
      if (key.ctrlKey && key.altKey && key.code === 'Home') {
        key.preventDefault();
        this.release();
        escape();
      } else {
        this.#keyDown(key);
      }
    });
    on(video, 'keyup', (event) => this.#keyUp(/** @type {KeyboardEvent} */ (event)));
    // What is let go elsewhere is never reported here.
    on(video, 'blur', () => this.release());
    on(window, 'blur', () => this.release());
    on(document, 'visibilitychange', () => document.hidden && this.release());
  }

  /** Sends the release of every key and button that is down. */
  release() {
    this.#releaseButtons();
    for (const code of [...this.#keys.keys()]) this.#releaseKey(code);
  }

  /** Releases everything and listens no more. */
  stop() {
    this.release();
    this.#listening.abort();
  }

  /**
   * @param {EventTarget} target
   * @param {string} type
   * @param {(event: Event) => void} listener
   */
  #on(target, type, listener) {
    // Not passive: the wheel must not scroll the page.
    target.addEventListener(type, listener, { signal: this.#listening.signal, passive: false });
  }

  /** @param {PointerEvent} event */
  #pointer(event) {
    if (!event.isPrimary) return;
    event.preventDefault();
    if (event.type === 'pointerdown') {
      this.#video.focus({ preventScroll: true });
      // So that the release arrives although it happens outside of the element.
      capture(this.#video, event.pointerId);
    }
    const position = toPicture(
      { x: event.clientX, y: event.clientY },
      this.#video.getBoundingClientRect(),
      { width: this.#video.videoWidth, height: this.#video.videoHeight },
    );
    const down = buttonsAfter(event, this.#buttons);
    // On the bars beside the picture there is nothing to point at, but what is being dragged goes on to the edge.
    if (!position.inside && this.#buttons === 0) return;
    this.#move(position);
    this.#setButtons(down);
  }

  /** @param {{x: number, y: number}} to */
  #move(to) {
    if (this.#last && this.#last.x === to.x && this.#last.y === to.y) return;
    const { rx, ry, carry } = movement(this.#last ?? to, to, this.#carry);
    this.#carry = carry;
    this.#last = { x: to.x, y: to.y };
    this.#send('input::mouse-move', { rx, ry, x: to.x, y: to.y });
  }

  /** @param {number} down */
  #setButtons(down) {
    for (const [button, bit] of BUTTON_BITS) {
      if ((down & bit) !== (this.#buttons & bit)) {
        this.#send('input::mouse-button', { pressed: (down & bit) !== 0, button });
      }
    }
    this.#buttons = down;
  }

  #releaseButtons() {
    this.#setButtons(0);
  }

  /** @param {WheelEvent} event */
  #scroll(event) {
    event.preventDefault();
    const step = this.#wheel.step(event);
    if (step) this.#send('input::mouse-wheel', step);
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (event.isComposing || belongsToBrowser(event)) return;
    event.preventDefault();
    // Repeats are the application's own business: its keyboard repeats a key that stays down.
    if (event.repeat || this.#keys.has(event.code)) return;
    const numbers = keyNumbers(event);
    if (numbers.length === 0) return;
    for (const number of numbers) {
      if (!this.#isDown(number)) this.#send('input::key', { code: number, pressed: true });
    }
    this.#keys.set(event.code, numbers);
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    if (!this.#keys.has(event.code)) return;
    event.preventDefault();
    this.#releaseKey(event.code);
    // macOS reports no release of keys that go up while Command is held.
    if (event.key === 'Meta') for (const code of [...this.#keys.keys()]) this.#releaseKey(code);
  }

  /** @param {string} code */
  #releaseKey(code) {
    const numbers = this.#keys.get(code) ?? [];
    this.#keys.delete(code);
    for (const number of numbers) {
      if (!this.#isDown(number)) this.#send('input::key', { code: number, pressed: false });
    }
  }

  /**
   * Whether some key holds a number down: left and right Shift, and the pad's plus, share one.
   * @param {number} number
   */
  #isDown(number) {
    return [...this.#keys.values()].some((numbers) => numbers.includes(number));
  }
}

/**
 * Which buttons are down after an event, as bits. A move takes away buttons whose release was lost but adds none: a button
 * that was pressed elsewhere is not meant for the application.
 * @param {{type: string, button: number, buttons: number}} event
 * @param {number} before
 */
export function buttonsAfter(event, before) {
  const changed = BUTTON_BITS.find(([number]) => number === event.button + 1)?.[1] ?? 0;
  if (event.type === 'pointerdown') return before | changed;
  if (event.type === 'pointerup') return before & ~changed;
  // A second button pressed or released while one is down arrives as a move that names the button.
  return (before | changed) & event.buttons;
}

/**
 * @param {Element} element
 * @param {number} pointer
 */
function capture(element, pointer) {
  try {
    element.setPointerCapture(pointer);
  } catch {
    // The pointer is gone already: its release came before we looked.
  }
}
