/**
 * A session's events as they happen, by Server-Sent Events (WHATWG HTML, section 9.2). Not by EventSource: that one cannot
 * send the token in a header, and an address with a token in it ends up in logs.
 * @module feed
 */

/** @typedef {import('./api.js').LogEvent} LogEvent */

/** How long to wait before connecting again, until the gateway has said how long; in milliseconds. */
const RETRY_MS = 1000;
/** After so long without a sign of life, which the gateway gives every 15 s, a connection is taken to be dead. */
const SILENCE_MS = 40000;

/** Takes the format text/event-stream apart. */
export class StreamParser {
  #rest = '';
  #afterReturn = false;
  #data = /** @type {string[]} */ ([]);
  /** How long the server asks to wait before connecting again, in milliseconds; 0 if it has not. */
  retry = 0;

  /**
   * @param {string} text the next piece of the stream, cut anywhere
   * @returns {string[]} the data of the messages that it completes
   */
  push(text) {
    if (!text) return [];
    // A line may end with CR, LF or both, and the two may come in different pieces.
    if (this.#afterReturn && text.startsWith('\n')) text = text.slice(1);
    this.#afterReturn = text.endsWith('\r');
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? '';
    const messages = [];
    for (const line of lines) {
      if (line) {
        this.#field(line);
      } else if (this.#data.length > 0) {
        messages.push(this.#data.join('\n'));
        this.#data = [];
      }
    }
    return messages;
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/** Follows one session at a time. It connects again whenever the connection ends, after the last event that it handed on. */
export class Feed {
  #take;
  /** @type {AbortController | null} */
  #stop = null;
  #live = false;

  /** @param {(events: LogEvent[]) => void} take is given what has come */
  constructor(take) {
    this.#take = take;
  }

  /** Whether events come by themselves now; if not, they are to be asked for. */
  get live() {
    return this.#live;
  }

  /** Whether a session is followed, be it that the gateway cannot be reached. */
  get open() {
    return this.#stop !== null;
  }

  close() {
    this.#stop?.abort();
    this.#stop = null;
    this.#live = false;
  }

  /**
   * @param {(signal: AbortSignal) => Promise<Response | null>} connect asks for the stream after the last event; null
   *   when the gateway has none to offer
   */
  async follow(connect) {
    this.close();
    const stop = new AbortController();
    this.#stop = stop;
    let wait = RETRY_MS;
    while (!stop.signal.aborted) {
      const connection = new AbortController();
      const end = () => connection.abort();
      stop.signal.addEventListener('abort', end, { once: true });
      try {
        const response = await connect(connection.signal);
        if (!response?.body) return;
        wait = await this.#read(response.body, connection, stop.signal) || wait;
      } catch {
        // Whoever asks for the events meanwhile says what is wrong.
      } finally {
        stop.signal.removeEventListener('abort', end);
        if (!stop.signal.aborted) this.#live = false;
      }
      await new Promise((resolve) => { setTimeout(resolve, wait); });
    }
  }

  /**
   * Reads a connection to its end.
   * @param {ReadableStream<Uint8Array>} body
   * @param {AbortController} connection
   * @param {AbortSignal} stopped
   * @returns {Promise<number>} how long to wait before the next one
   */
  async #read(body, connection, stopped) {
    const parser = new StreamParser();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let silence = setTimeout(() => connection.abort(), SILENCE_MS);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || stopped.aborted) return parser.retry;
        this.#live = true;
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENCE_MS);
        const events = parser.push(value).map((data) => JSON.parse(data));
        if (events.length > 0) this.#take(events);
      }
    } finally {
      clearTimeout(silence);
    }
  }
}
