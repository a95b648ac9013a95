/**
 * The clipboard, both ways. What is pasted into the picture goes to the session before the key that pastes it; what is copied there is put
 * into the browser's clipboard as soon as the browser allows it. No permission to read the clipboard is ever asked for: the browser's own
 * paste brings the text.
 * @module clipboard
 */

/** How much text one message carries: with every character escaped it is below the 64 KiB that the streamer takes. */
const PART = 8192;
/** What is longer is not shared, as in the streamer. */
const MOST = 512 * 1024;
const TYPE = 'clipboard::text';

/**
 * A text cut into parts, none of which ends within a character.
 * @param {string} text
 * @returns {string[]} at least one
 */
export function parts(text) {
  const list = [];
  let from = 0;
  do {
    let to = Math.min(from + PART, text.length);
    if (to < text.length && /[\ud800-\udbff]/.test(text[to - 1])) to -= 1;
    list.push(text.slice(from, to));
    from = to;
  } while (from < text.length);
  return list;
}

/** The clipboard of one stream. */
export class SharedClipboard {
  #send;
  #listening = new AbortController();
  /** What came of a text so far. */
  #coming = '';
  /** @type {string | null} copied in the session, not yet in the browser's clipboard */
  #copied = null;

  /** @param {(type: string, data: object) => void} send */
  constructor(send) {
    this.#send = send;
    // A browser that wants a gesture before it lets a page write gets the next one.
    for (const type of ['pointerup', 'keydown', 'focus']) {
      window.addEventListener(type, () => this.#write(), { signal: this.#listening.signal, capture: true });
    }
  }

  /** Hands a text of the browser's clipboard to the session. @param {string} text */
  paste(text) {
    if (text.length > MOST) return;
    const list = parts(text.replaceAll('\r\n', '\n'));
    list.forEach((part, i) => this.#send(TYPE, { text: part, ...(i < list.length - 1 ? { more: true } : {}) }));
  }

  /**
   * Takes a part of what was copied in the session.
   * @param {{text?: unknown, more?: unknown}} part
   */
  receive({ text, more }) {
    if (typeof text !== 'string' || this.#coming.length > MOST) return;
    this.#coming += text;
    if (more) return;
    this.#copied = this.#coming;
    this.#coming = '';
    this.#write();
  }

  /** Takes nothing more. */
  stop() {
    this.#listening.abort();
    this.#copied = null;
  }

  async #write() {
    const text = this.#copied;
    if (text === null) return;
    try {
      await navigator.clipboard?.writeText(text);
      if (this.#copied === text) this.#copied = null;
    } catch {
      // Not now: with the next gesture.
    }
  }
}
