/**
 * The client's websocket, protocol version 2 (signalling contract, section 3): it survives drops until the stream is up.
 *
 * The gateway numbers what it sends (`sequence`) when the address has `after`, and sends again what came later than that.
 * What we sent and nobody confirmed is sent again; receivers ignore duplicates.
 * @module signalling
 */

/** All of signalling must be done in this time, like in the SDK, in milliseconds. */
export const SIGNALLING_TIMEOUT_MS = 5 * 60 * 1000;
/**
 * The pause before the first and the longest pause before a later attempt to reconnect, in milliseconds. Half of it is drawn:
 * the clients of a gateway that died do not come back all at once.
 */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;
/**
 * The close codes after which there is nothing to come back to: the session or negotiation is over, the same client has
 * another socket, another client has joined. Any other end of a socket is an accident.
 */
const OVER_CODES = [4000, 4001, 4002];
/** The code of the error message that says: not now. The socket is closed after it, and opened again. */
const UNREADY = 103;

/**
 * @typedef {{type: string, sequence?: number, sdp?: string, candidate?: string, sdpMid?: string, sdpMLineIndex?: number,
 *   message?: string, code?: number, max_api_version?: number, fps?: number, capabilities?: string[]}} Message
 */

/**
 * Emits `message` (CustomEvent with a Message), `drop` when the socket was lost, `back` when it is open again, `over`
 * (CustomEvent with {code, reason}) when the gateway closed it for good, `timeout` when time is up.
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
  #dropped = false;
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
      if (this.#dropped) this.dispatchEvent(new Event('back'));
      for (const message of this.#unconfirmed) socket.send(JSON.stringify(message));
    };
    socket.onmessage = (event) => this.#received(event.data);
    // An error is always followed by a close.
    socket.onclose = ({ code, reason }) => {
      if (this.#closed || socket !== this.#socket) return;
      if (OVER_CODES.includes(code)) {
        this.close();
        this.dispatchEvent(new CustomEvent('over', { detail: { code, reason } }));
        return;
      }
      this.#dropped = true;
      this.dispatchEvent(new Event('drop'));
      this.#retry = setTimeout(() => this.#connect(), this.#pause * (0.5 + Math.random() / 2));
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    };
  }

  /** @param {unknown} data */
  #received(data) {
    const message = parse(data);
    if (!message || this.#closed) return;
    if (message.type === 'error' && message.code === UNREADY) return; // the close follows
    this.#pause = FIRST_PAUSE_MS; // not when it opens: a gateway may open a socket that it cannot serve
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
