/**
 * What a live stream has beside mouse and keyboard: text input, locked mouse, gamepads, clipboard, sensors, the way the device is held and
 * where it is. One object for the stage.
 * @module extras
 */

import { SharedClipboard } from './clipboard.js';
import { DeviceSensors } from './deviceSensors.js';
import { Gamepads } from './gamepads.js';
import { Handheld } from './handheld.js';
import { page } from './page.js';
import { Rhythm } from './rhythm.js';
import { TextInput } from './text.js';

/** What a live stream has beside mouse and keyboard. */
export class Extras {
  #stream;
  #input;
  #listening = new AbortController();
  #text;
  #clipboard;
  #sensors;
  #handheld;
  /** @type {Gamepads | null} */
  #gamepads = null;
  /** @type {Rhythm | null} */
  #rhythm = null;

  /**
   * @param {import('./stream.js').Stream} stream
   * @param {import('./input.js').Input} input
   */
  constructor(stream, input) {
    this.#stream = stream;
    this.#input = input;
    const send = stream.send.bind(stream);
    const can = stream.capabilities;
    this.#text = new TextInput(page.text, send);
    this.#clipboard = new SharedClipboard(send);
    this.#sensors = new DeviceSensors(send);
    this.#handheld = new Handheld(send);
    if (can.has('display-rhythm')) this.#rhythm = new Rhythm(page.video, send);
    if (can.has('gamepad')) this.#gamepads = new Gamepads(send);
    input.listenToKeys(page.text, true);
    if (can.has('text')) {
      input.onCharacter = (text) => this.#text.type(text);
      input.onCompose = () => this.#text.enter();
    }
    if (can.has('clipboard-in')) input.onPaste = (text) => page.clipboard.checked && this.#clipboard.paste(text);

    const options = { signal: this.#listening.signal };
    page.textButton.hidden = !can.has('text');
    page.lock.hidden = !('requestPointerLock' in page.video);
    page.textButton.addEventListener('mousedown', (event) => event.preventDefault(), options); // the field keeps its focus for the click to see
    page.textButton.addEventListener('click', () => this.#toggleText(), options);
    page.lock.addEventListener('click', () => lock(page.video), options);
    this.#text.addEventListener('change', () => this.#textChanged(), options);
    stream.addEventListener('message', (event) => this.#message(/** @type {CustomEvent} */ (event).detail), options);
  }

  /** Ends all. */
  stop() {
    this.#listening.abort();
    this.#text.stop();
    this.#clipboard.stop();
    this.#sensors.stop();
    this.#handheld.stop();
    this.#gamepads?.stop();
    this.#rhythm?.stop();
    page.textButton.hidden = true;
    page.lock.hidden = true;
    if (document.pointerLockElement === page.video) document.exitPointerLock();
  }

  #toggleText() {
    if (this.#text.active) page.video.focus({ preventScroll: true });
    else this.#text.enter();
  }

  #textChanged() {
    page.textButton.setAttribute('aria-pressed', String(this.#text.active));
    // While text input is on, a click into the picture leaves it on.
    this.#input.keys = this.#text.active ? page.text : page.video;
  }

  /** @param {{type: string, data: unknown}} message of the streamer */
  #message({ type, data }) {
    const fields = /** @type {Record<string, unknown>} */ (parsed(data));
    switch (type) {
      case 'clipboard::text':
        if (page.clipboard.checked) this.#clipboard.receive(fields);
        break;
      case 'activate-sensor':
        this.#sensors.activate(fields.type);
        break;
      case 'deactivate-sensor':
        this.#sensors.deactivate(fields.type);
        break;
      case 'show-ime':
        // With a keyboard of its own nobody needs one on the screen.
        if (this.#stream.capabilities.has('text') && matchMedia('(pointer: coarse)').matches) this.#text.enter();
        break;
      case 'hide-ime':
        if (this.#text.active) page.video.focus({ preventScroll: true });
        break;
      default:
    }
  }
}

/**
 * Locks the mouse into the picture, for games; Escape lets it out.
 * @param {HTMLVideoElement} video
 */
async function lock(video) {
  video.focus({ preventScroll: true });
  try {
    await /** @type {any} */ (video).requestPointerLock({ unadjustedMovement: true });
  } catch {
    try {
      await video.requestPointerLock(); // not every system knows movement as the mouse has it
    } catch {
      // Refused by the browser: the mouse stays free.
    }
  }
}

/**
 * The streamer's data is a text that holds JSON; nothing for what is none.
 * @param {unknown} data
 * @returns {object}
 */
function parsed(data) {
  if (typeof data !== 'string') return {};
  try {
    return Object(JSON.parse(data));
  } catch {
    return {};
  }
}
