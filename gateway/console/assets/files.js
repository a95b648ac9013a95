/**
 * Files into the session and out of it, over a data channel of their own (streamer/files has the protocol).
 * @module files
 */

/** The channel's label, which the streamer knows. */
export const FILES_CHANNEL = 'streamstack-files';
/** How much of a file is one message, in bytes: every browser and streamer takes it. */
const CHUNK = 32 * 1024;
/** Above this many bytes in the channel's queue sending waits, until it is down to the second: input shares the way. */
const QUEUE_HIGH = 512 * 1024;
const QUEUE_LOW = 128 * 1024;
/**
 * How many bytes of an upload may be ahead of what the session has written, of which it tells every 1 MiB: less than the 4 MiB that the
 * streamer holds for a channel, so that a slow disk holds up neither the input, which shares the way, nor ends the channel.
 */
const AHEAD = 2 * 1024 * 1024;

/**
 * @typedef {{name: string, size: number, modified: number}} RemoteFile
 * @typedef {{type: string, id?: number, name?: string, size?: number, bytes?: number, sha256?: string, code?: string,
 *   message?: string, files?: RemoteFile[]}} Answer
 * @typedef {{id: number, direction: 'in' | 'out', name: string, size: number, bytes: number, state: 'going' | 'done' | 'error',
 *   message: string}} Transfer
 */

/** Emits `open`, `closed` when files cannot be carried (any more), and `transfer` (CustomEvent with a Transfer) as one goes on. */
export class Files extends EventTarget {
  #channel;
  #id = 0;
  /** Bytes of the upload under way that the session has written, as far as it has told. */
  #written = 0;
  /** @type {Promise<unknown>} uploads go one after the other, and so do downloads */
  #uploads = Promise.resolve();
  /** @type {Promise<unknown>} */
  #downloads = Promise.resolve();
  /** @type {Map<string, (answer: Answer) => void>} who waits for an answer, by type and id */
  #waiting = new Map();
  /** @type {{transfer: Transfer, parts: ArrayBuffer[]} | null} */
  #incoming = null;

  /** @param {RTCDataChannel} channel */
  constructor(channel) {
    super();
    this.#channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = QUEUE_LOW;
    channel.addEventListener('message', ({ data }) => this.#received(data));
    channel.addEventListener('open', () => this.dispatchEvent(new Event('open')));
    channel.addEventListener('close', () => this.#closed());
  }

  get open() { return this.#channel.readyState === 'open'; }

  /**
   * Sends a file; resolves with the name that it got.
   * @param {File} file
   * @returns {Promise<string>}
   */
  put(file) {
    const going = this.#uploads.then(() => this.#put(file));
    this.#uploads = going.catch(() => {});
    return going;
  }

  /**
   * Fetches a file of the session's outbox.
   * @param {string} name
   * @returns {Promise<Blob>}
   */
  get(name) {
    const going = this.#downloads.then(() => this.#get(name));
    this.#downloads = going.catch(() => {});
    return going;
  }

  /** @returns {Promise<RemoteFile[]>} */
  async list() {
    const answer = this.#answer(['list'], 0);
    this.#say({ type: 'list' });
    return (await answer).files ?? [];
  }

  /** @param {File} file */
  async #put(file) {
    const id = this.#id += 1;
    /** @type {Transfer} */
    const transfer = { id, direction: 'in', name: file.name, size: file.size, bytes: 0, state: 'going', message: '' };
    try {
      const go = this.#answer(['go'], id);
      this.#say({ type: 'put', id, name: file.name, size: file.size });
      const done = this.#answer(['done'], id);
      done.catch(() => {}); // it is awaited below, if the first goes well
      await go;
      this.#written = 0;
      this.#tell(transfer);
      for (let at = 0; at < file.size; at += CHUNK) {
        const part = await file.slice(at, at + CHUNK).arrayBuffer();
        await this.#drained();
        while (at + part.byteLength - this.#written > AHEAD && this.#waiting.has(`done ${id}`)) {
          await this.#answer(['progress'], id).catch(() => {}); // and then it is not waiting any more
        }
        if (!this.#waiting.has(`done ${id}`)) break; // it has failed
        this.#channel.send(part);
        this.#tell(Object.assign(transfer, { bytes: at + part.byteLength }));
      }
      const { name } = await done;
      this.#tell(Object.assign(transfer, { bytes: file.size, state: 'done', name: name ?? file.name }));
      return transfer.name;
    } catch (error) {
      this.#tell(Object.assign(transfer, { state: 'error', message: /** @type {Error} */ (error).message }));
      throw error;
    }
  }

  /** @param {string} name */
  async #get(name) {
    const id = this.#id += 1;
    /** @type {Transfer} */
    const transfer = { id, direction: 'out', name, size: 0, bytes: 0, state: 'going', message: '' };
    this.#incoming = { transfer, parts: [] };
    const { parts } = this.#incoming;
    try {
      const begin = this.#answer(['file'], id);
      const done = this.#answer(['done'], id);
      done.catch(() => {}); // likewise
      this.#say({ type: 'get', id, name });
      transfer.size = (await begin).size ?? 0;
      this.#tell(transfer);
      await done;
      const blob = new Blob(parts);
      if (blob.size !== transfer.size) throw new Error('The file did not come whole.');
      this.#tell(Object.assign(transfer, { state: 'done' }));
      return blob;
    } catch (error) {
      this.#tell(Object.assign(transfer, { state: 'error', message: /** @type {Error} */ (error).message }));
      throw error;
    } finally {
      this.#incoming = null;
    }
  }

  /**
   * Waits for an answer of one of the types to a transfer, or its error.
   * @param {string[]} types
   * @param {number} id
   * @returns {Promise<Answer>}
   */
  #answer(types, id) {
    return new Promise((resolve, reject) => {
      for (const type of types) {
        this.#waiting.set(`${type} ${id}`, (answer) => {
          if (answer.type === 'error') reject(new Error(answer.message || 'The file could not be carried.'));
          else resolve(answer);
        });
      }
    });
  }

  /** @param {unknown} data */
  #received(data) {
    if (typeof data !== 'string') {
      if (!this.#incoming || !(data instanceof ArrayBuffer)) return;
      const { transfer, parts } = this.#incoming;
      parts.push(data);
      this.#tell(Object.assign(transfer, { bytes: transfer.bytes + data.byteLength }));
      return;
    }
    /** @type {Answer} */
    let answer;
    try {
      answer = JSON.parse(data);
    } catch {
      return;
    }
    const id = answer.id ?? 0;
    if (answer.type === 'progress') this.#written = answer.bytes ?? 0;
    if (answer.type !== 'error') {
      this.#waiting.get(`${answer.type} ${id}`)?.(answer);
      this.#waiting.delete(`${answer.type} ${id}`);
      return;
    }
    for (const [key, resolve] of [...this.#waiting]) {
      if (!key.endsWith(` ${id}`)) continue;
      this.#waiting.delete(key);
      resolve(answer);
    }
  }

  #closed() {
    for (const [, resolve] of this.#waiting) resolve({ type: 'error', message: 'The connection to the session has ended.' });
    this.#waiting.clear();
    this.dispatchEvent(new Event('closed'));
  }

  /** @param {object} request */
  #say(request) {
    if (!this.open) throw new Error('This session takes no files.');
    this.#channel.send(JSON.stringify(request));
  }

  /** Waits until the channel's queue is short. */
  async #drained() {
    while (this.#channel.bufferedAmount > QUEUE_HIGH) {
      await new Promise((resolve) => {
        this.#channel.addEventListener('bufferedamountlow', resolve, { once: true });
        this.#channel.addEventListener('close', resolve, { once: true });
      });
    }
    if (!this.open) throw new Error('The connection to the session has ended.');
  }

  /** @param {Transfer} transfer */
  #tell(transfer) {
    this.dispatchEvent(new CustomEvent('transfer', { detail: { ...transfer } }));
  }
}
