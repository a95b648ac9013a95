/**
 * The client's websocket, protocol version 2 (signalling contract, section 3): it survives drops until the stream is up.
 *
 * The gateway numbers what it sends (`sequence`) when the address has `after`, and sends again what came later than that.
 * What we sent and nobody confirmed is sent again; receivers ignore duplicates.
 * @module signalling
 */

/** All of signalling must be done in this time, like in the SDK, in milliseconds. */
export const SIGNALLING_TIMEOUT_MS = 5 * 60 * 1000;
/** The pause before the first and the longest pause before a later attempt to reconnect, in milliseconds. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/**
 * @typedef {{type: string, sequence?: number, sdp?: string, candidate?: string, sdpMid?: string, sdpMLineIndex?: number,
 *   message?: string, code?: number, max_api_version?: number, fps?: number}} Message
 */

/**
 * Emits `message` (CustomEvent with a Message), `drop` when the socket was lost, `timeout` when time is up.
 */
export class Signalling extends EventTarget {
  #url;
  /** @type {WebSocket | null} */
  #socket = null;
  /** The highest sequence seen. */
  #after = 0;
  /** @type {object[]} what nobody has confirmed yet, in order */
  #unconfirmed = [{ type: 'discover' }];
  #pause = FIRST_PAUSE_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #deadline;
  #closed = false;

  /** @param {string} url from create or join, opaque */
  constructor(url) {
    super();
    this.#url = url;
    this.#deadline = setTimeout(() => this.dispatchEvent(new Event('timeout')), SIGNALLING_TIMEOUT_MS);
    this.#connect();
  }

  /**
   * Sends a message now, or when the socket is back.
   * @param {object} message
   */
  send(message) {
    this.#unconfirmed.push(message);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Ends the socket for good: the stream is up, or given up. */
  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#deadline);
    this.#socket?.close(1000);
  }

  #connect() {
    const socket = new WebSocket(withAfter(this.#url, this.#after));
    this.#socket = socket;
    socket.onopen = () => {
      this.#pause = FIRST_PAUSE_MS;
      for (const message of this.#unconfirmed) socket.send(JSON.stringify(message));
    };
    socket.onmessage = (event) => this.#received(event.data);
    // An error is always followed by a close.
    socket.onclose = () => {
      if (this.#closed || socket !== this.#socket) return;
      this.dispatchEvent(new Event('drop'));
      this.#retry = setTimeout(() => this.#connect(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    };
  }

  /** @param {unknown} data */
  #received(data) {
    const message = parse(data);
    if (!message || this.#closed) return;
    if (typeof message.sequence === 'number') {
      if (message.sequence <= this.#after) return;
      this.#after = message.sequence;
    }
    // Each of the streamer's steps confirms ours that led to it.
    if (message.type === 'resp:discover') this.#confirm('discover');
    if (message.type === 'offer') this.#confirm('settings');
    this.dispatchEvent(new CustomEvent('message', { detail: message }));
  }

  /** @param {string} type */
  #confirm(type) {
    this.#unconfirmed = this.#unconfirmed.filter((message) => /** @type {Message} */ (message).type !== type);
  }

  /** Forgets what belongs to a negotiation that starts anew. */
  restart() {
    this.#unconfirmed = [];
  }
}

/**
 * The socket's address with the sequence to go on after. Text is appended, since a credential must stay as it is.
 * @param {string} url
 * @param {number} after
 */
export function withAfter(url, after) {
  return `${url}${url.includes('?') ? '&' : '?'}after=${after}`;
}

/**
 * A frame as a message, or null for what is none: such frames are ignored.
 * @param {unknown} data
 * @returns {Message | null}
 */
export function parse(data) {
  if (typeof data !== 'string') return null;
  try {
    const message = JSON.parse(data);
    return typeof message?.type === 'string' ? message : null;
  } catch {
    return null;
  }
}
