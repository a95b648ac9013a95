/**
 * Text that is not typed key by key: input methods, dead keys, emoji, and the keyboards on screens (contract, section 6). It comes from a
 * field that nobody sees, which has the focus in place of the picture while text input is on.
 * @module text
 */

/** Something for an on-screen keyboard's BackSpace to delete: it sends nothing from an empty field. */
const FILLING = '  ';
/** KEYCODE_DEL of Android, which is what the contract calls BackSpace. */
const DELETE = 67;
/** Less of the screen than this is no keyboard but the browser's bar, as a part of its height. */
const LEAST_KEYBOARD = 0.15;

const TEXT = 1;
const KEY = 2;
const ACTION = 3;
const COMPOSING = 4;

/** Emits `change` when text input is switched on or off. */
export class TextInput extends EventTarget {
  #field;
  #send;
  #listening = new AbortController();
  #composing = false;
  #shown = false;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {(type: string, data: object) => void} send
   */
  constructor(field, send) {
    super();
    this.#field = field;
    this.#send = send;
    const options = { signal: this.#listening.signal };
    field.addEventListener('compositionstart', () => { this.#composing = true; }, options);
    field.addEventListener('compositionupdate', ({ data }) => this.#ime(COMPOSING, { text: data }), options);
    field.addEventListener('compositionend', ({ data }) => {
      this.#composing = false;
      this.#ime(TEXT, { text: data }); // in place of what was composed
      this.#empty();
    }, options);
    field.addEventListener('input', (event) => this.#input(/** @type {InputEvent} */ (event)), options);
    field.addEventListener('focus', () => this.dispatchEvent(new Event('change')), options);
    field.addEventListener('blur', () => this.#left(), options);
    window.visualViewport?.addEventListener('resize', () => this.#resized(), options);
    this.#empty();
  }

  /** Whether text input is on. */
  get active() {
    return document.activeElement === this.#field;
  }

  /** Switches text input on; a phone then shows its keyboard. */
  enter() {
    this.#field.focus({ preventScroll: true });
  }

  /** Types a text. @param {string} text */
  type(text) {
    this.#ime(TEXT, { text });
  }

  /** Listens no more. */
  stop() {
    this.#listening.abort();
    this.#field.blur();
  }

  /** @param {InputEvent} event what the field would show now */
  #input({ inputType, data }) {
    if (this.#composing) return;
    if (inputType === 'deleteContentBackward') this.#ime(KEY, { code: DELETE, times: 1 });
    else if (inputType === 'insertLineBreak' || inputType === 'insertParagraph') this.type('\n');
    else if (data) this.type(data);
    this.#empty();
  }

  #empty() {
    this.#field.value = FILLING;
    this.#field.setSelectionRange(FILLING.length, FILLING.length);
  }

  #left() {
    if (this.#composing) this.#ime(COMPOSING, { text: '' }); // nobody will commit it
    this.#composing = false;
    this.#empty();
    this.#tellKeyboard(0);
    this.dispatchEvent(new Event('change'));
  }

  #resized() {
    const height = window.visualViewport?.height ?? window.innerHeight;
    this.#tellKeyboard(this.active ? 1 - height / window.innerHeight : 0);
  }

  /** @param {number} ratio how much of the screen's height the keyboard covers */
  #tellKeyboard(ratio) {
    const shown = ratio >= LEAST_KEYBOARD;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#ime(ACTION, shown ? { name: 'show', params: `height-ratio=${ratio.toFixed(2)}` } : { name: 'hide', params: '' });
  }

  /**
   * @param {number} type
   * @param {object} data
   */
  #ime(type, data) {
    this.#send('input::ime-event', { type, data });
  }
}
