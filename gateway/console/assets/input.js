/**
 * Mouse, wheel, touch and keyboard of one element, as messages of the control channel (contract, sections 3 and 4).
 * Where the session's display has no touch screen a finger works as the mouse's left button.
 * @module input
 */

import { meaning } from './characters.js';
import { movement, pictureBox, toTurnedPicture, turnBack, turnOf } from './geometry.js';
import { belongsToBrowser, keyNumbers } from './keys.js';
import { Touches } from './touch.js';
import { Wheel } from './wheel.js';

/**
 * After how long a key that is still held is said to be, in milliseconds: the streamer releases what it hears nothing of for 10 s, should
 * this page die or a release be lost.
 */
const HELD_MS = 5000;
/** How often is looked for such keys, in milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How long a key that pastes waits for the browser to bring what is pasted, in milliseconds. */
const PASTE_MS = 100;

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
  /** @type {Map<string, number>} browser code of each key that is down → when that was said last */
  #said = new Map();
  #touches;
  #can;
  #held;
  /** @type {(() => void) | null} sends the key that pastes, which waits for the text */
  #pasting = null;
  #escape;
  /** What takes the keys' focus when the picture is clicked. @type {HTMLElement} */
  keys;
  /** Types a character that no key of the session's keyboard has. @type {((text: string) => void) | null} */
  onCharacter = null;
  /** Called for a key that begins a character of several keys, which only a field for text can take. @type {(() => void) | null} */
  onCompose = null;
  /** Takes what is pasted, before the key that pastes it. @type {((text: string) => void) | null} */
  onPaste = null;

  /**
   * @param {HTMLVideoElement} video the element; it must be focusable
   * @param {(type: string, data: object) => void} send
   * @param {() => void} escape called for Ctrl+Alt+Home, the way out of the picture for people without a mouse
   * @param {ReadonlySet<string>} [can] the streamer's capabilities
   */
  constructor(video, send, escape, can = new Set()) {
    this.#can = can;
    this.#touches = can.has('touch') ? new Touches(video, send) : null;
    this.#escape = escape;
    this.keys = video;
    this.#video = video;
    this.#send = send;
    const on = this.#on.bind(this);
    on(video, 'pointerdown', (event) => this.#pointer(/** @type {PointerEvent} */ (event)));
    on(video, 'pointermove', (event) => this.#pointer(/** @type {PointerEvent} */ (event)));
    on(video, 'pointerup', (event) => this.#pointer(/** @type {PointerEvent} */ (event)));
    on(video, 'pointercancel', (event) => {
      if (!this.#touched(/** @type {PointerEvent} */ (event))) this.#releaseButtons();
    });
    on(video, 'wheel', (event) => this.#scroll(/** @type {WheelEvent} */ (event)));
    // Middle click pastes and scrolls, back and forward leave the page, right click opens a menu: all belong to the application.
    for (const type of ['contextmenu', 'auxclick', 'dragstart', 'mousedown', 'mouseup']) {
      on(video, type, (event) => event.preventDefault());
    }
    this.listenToKeys(video);
    on(document, 'paste', (event) => this.#pasted(/** @type {ClipboardEvent} */ (event)));
    this.#held = setInterval(() => this.#hold(performance.now()), LOOK_EVERY_MS);
    on(window, 'blur', () => this.release());
    on(document, 'visibilitychange', () => document.hidden && this.release());
  }

  /**
   * Takes the keys of one more element.
   * @param {HTMLElement} element
   * @param {boolean} [text] whether the element takes what no key means: an input method's text
   */
  listenToKeys(element, text = false) {
    this.#on(element, 'keydown', (event) => {
      const key = /** @type {KeyboardEvent} */ (event);
      if (key.ctrlKey && key.altKey && key.code === 'Home') {
        key.preventDefault();
        this.release();
        this.#escape();
      } else if (!text && this.onCompose && ['Process', 'Dead'].includes(key.key)) {
        this.onCompose(); // the field gets this key
      } else if (!text || (!key.isComposing && !['Process', 'Unidentified', 'Dead'].includes(key.key))) {
        this.#keyDown(key);
      }
    });
    this.#on(element, 'keyup', (event) => this.#keyUp(/** @type {KeyboardEvent} */ (event)));
    // What is let go elsewhere is never reported here.
    this.#on(element, 'blur', () => this.release());
  }

  /** Sends the release of every key, button and finger that is down. */
  release() {
    this.#pasting?.();
    this.#touches?.release();
    this.#releaseButtons();
    for (const code of [...this.#keys.keys()]) this.#releaseKey(code);
  }

  /** Releases everything and listens no more. */
  stop() {
    this.release();
    clearInterval(this.#held);
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
    if (this.#touched(event) || !event.isPrimary) return;
    event.preventDefault();
    if (document.pointerLockElement === this.#video) {
      this.#locked(event);
      return;
    }
    if (event.type === 'pointerdown') {
      this.keys.focus({ preventScroll: true });
      // So that the release arrives although it happens outside of the element.
      capture(this.#video, event.pointerId);
    }
    const position = toTurnedPicture(
      { x: event.clientX, y: event.clientY },
      this.#video.getBoundingClientRect(),
      { width: this.#video.videoWidth, height: this.#video.videoHeight },
      turnOf(this.#video),
    );
    const down = buttonsAfter(event, this.#buttons);
    // On the bars beside the picture there is nothing to point at, but what is being dragged goes on to the edge.
    if (!position.inside && this.#buttons === 0) return;
    this.#move(position);
    this.#setButtons(down);
  }

  /**
   * Takes a finger's event; false for other events, and where fingers are the mouse.
   * @param {PointerEvent} event
   */
  #touched(event) {
    if (!this.#touches || event.pointerType !== 'touch') return false;
    event.preventDefault();
    if (event.type === 'pointerdown') {
      this.keys.focus({ preventScroll: true });
      capture(this.#video, event.pointerId);
    }
    this.#touches.handle(event);
    return true;
  }

  /**
   * A mouse that is locked has movement only, in CSS pixels.
   * @param {PointerEvent} event
   */
  #locked(event) {
    const turn = turnOf(this.#video);
    const across = turn % 2 ? this.#video.videoHeight : this.#video.videoWidth;
    const down = turn % 2 ? this.#video.videoWidth : this.#video.videoHeight;
    const { width } = pictureBox(this.#video.getBoundingClientRect(), { width: across, height: down });
    const scale = width > 0 ? across / width : 1;
    const by = turnBack({ x: event.movementX * scale, y: event.movementY * scale }, turn);
    const { rx, ry, carry } = movement({ x: 0, y: 0 }, by, this.#carry);
    this.#carry = carry;
    this.#last = null;
    if (rx !== 0 || ry !== 0) this.#send('input::mouse-move', { rx, ry });
    this.#setButtons(buttonsAfter(event, this.#buttons));
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
    if (this.#can.has('smooth-scroll')) {
      const way = Wheel.way(event);
      if (way) this.#send('input::mouse-scroll', way);
      return;
    }
    const step = this.#wheel.step(event);
    if (step) this.#send('input::mouse-wheel', step);
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (event.isComposing || belongsToBrowser(event)) return;
    const means = this.onCharacter ? meaning(event) : { code: event.code };
    if ('text' in means) {
      event.preventDefault();
      this.onCharacter?.(means.text); // repeated as the browser repeats it
      return;
    }
    const pastes = this.onPaste && ((event.code === 'Insert' && event.shiftKey) || (means.code === 'KeyV' && (event.ctrlKey || event.metaKey)));
    if (!pastes) event.preventDefault(); // else the browser pastes, and tells what
    // Repeats are the application's own business: its keyboard repeats a key that stays down.
    if (event.repeat || this.#keys.has(event.code)) return;
    const numbers = keyNumbers({ code: means.code, key: event.key });
    if (numbers.length === 0) return;
    if (!pastes) {
      this.#press(event.code, numbers);
      return;
    }
    const timer = setTimeout(() => this.#pasting?.(), PASTE_MS);
    this.#pasting = () => {
      clearTimeout(timer);
      this.#pasting = null;
      this.#press(event.code, numbers);
    };
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    if (!this.#pasting) return;
    event.preventDefault();
    const text = event.clipboardData?.getData('text/plain');
    if (text) this.onPaste?.(text);
    this.#pasting();
  }

  /** Says again of the keys that are held for long that they are. @param {number} now */
  #hold(now) {
    for (const [code, numbers] of this.#keys) {
      if (now - (this.#said.get(code) ?? now) < HELD_MS) continue;
      this.#said.set(code, now);
      for (const number of numbers) this.#send('input::key', { code: number, pressed: true });
    }
  }

  /**
   * @param {string} code
   * @param {number[]} numbers
   */
  #press(code, numbers) {
    for (const number of numbers) {
      if (!this.#isDown(number)) this.#send('input::key', { code: number, pressed: true });
    }
    this.#keys.set(code, numbers);
    this.#said.set(code, performance.now());
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    this.#pasting?.();
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
    this.#said.delete(code);
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
