/**
 * The gateway's REST API: one method per call, and errors in words.
 * @module api
 */

/** How long a call may take before the page says that the gateway does not answer, in milliseconds. */
const TIMEOUT_MS = 15000;

/**
 * @typedef {{id: string, app: string, region: string, joinable: boolean, status: string, status_message: string,
 *   viewers?: number}} Session
 * @typedef {{urls: string[], username?: string, password?: string}} StunServer
 * @typedef {{id: string, url: string, stun_servers: StunServer[]}} Ticket what create and join answer
 * @typedef {{type: string, time: string, subject: string, sequence: number, data: any}} LogEvent
 */

/** A call that failed. `message` is meant for people; `status` is the HTTP status, 0 when there was no answer. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/**
 * Says what a failed call means, in words: the envelope's own text if it has one.
 * @param {number} status HTTP status
 * @param {string | undefined} text the envelope's `error`
 */
export function errorInWords(status, text) {
  if (status === 401) return 'The gateway does not accept this token.';
  if (text) return text.charAt(0).toUpperCase() + text.slice(1);
  switch (status) {
    case 403: return 'This is not allowed.';
    case 404: return 'This does not exist (any more).';
    case 429: return 'Too many requests; wait a moment and try again.';
    case 503: return 'The gateway is still starting; try again in a moment.';
    default: return `The gateway answered with status ${status}.`;
  }
}

/** The API with one token. */
export class Api {
  /** @type {string} */
  #token;

  /** @param {string} token */
  constructor(token) {
    this.#token = token;
  }

  /**
   * The names that can be started.
   * @returns {Promise<string[]>}
   */
  async applications() {
    const { metadata } = await this.#call('GET', 'applications');
    return (metadata ?? []).map((/** @type {{name: string}} */ entry) => entry.name);
  }

  /** @returns {Promise<Session[]>} */
  async sessions() {
    const { metadata } = await this.#call('GET', 'sessions?recursion=true');
    return metadata ?? [];
  }

  /**
   * @param {string} id
   * @returns {Promise<Session>}
   */
  async session(id) {
    const { metadata } = await this.#call('GET', `sessions/${encodeURIComponent(id)}`);
    return metadata;
  }

  /**
   * Creates a session; without a screen the application's own size is used.
   * @param {string} app
   * @param {boolean} joinable whether it goes on when its client has left
   * @returns {Promise<Ticket>}
   */
  async create(app, joinable) {
    const { metadata } = await this.#call('POST', 'sessions', { app, joinable });
    return metadata;
  }

  /**
   * A socket to a session that runs; whoever is connected to it is displaced, but for viewers and by a viewer.
   * @param {string} id
   * @param {string} [role] viewer to watch only
   * @returns {Promise<Ticket>}
   */
  async join(id, role = '') {
    const { metadata } = await this.#call('POST', `sessions/${encodeURIComponent(id)}/join`, role ? { role } : {});
    return { ...metadata, id };
  }

  /**
   * Asks for the end of a session; an answer that it is gone already is as good.
   * @param {string} id
   */
  async end(id) {
    try {
      await this.#call('DELETE', `sessions/${encodeURIComponent(id)}`);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }

  /**
   * The events of a session after a sequence; none if the gateway does not know any (yet).
   * @param {string} id
   * @param {number} after
   * @returns {Promise<LogEvent[]>}
   */
  async events(id, after) {
    try {
      const { metadata } = await this.#call('GET', `sessions/${encodeURIComponent(id)}/events?after=${after}&limit=1000`);
      return metadata ?? [];
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  }

  /**
   * The quality samples of a session and its streamer's decisions, after a sequence of theirs; none if the gateway does not know any.
   * @param {string} id
   * @param {number} after
   * @returns {Promise<LogEvent[]>}
   */
  async quality(id, after) {
    try {
      const { metadata } = await this.#call('GET', `sessions/${encodeURIComponent(id)}/quality?kind=all&after=${after}&limit=1000`);
      return metadata ?? [];
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  }

  /**
   * The events of a session after a sequence as a stream that goes on; null if the gateway answers with something else.
   * @param {string} id
   * @param {number} after
   * @param {AbortSignal} signal ends the stream
   * @returns {Promise<Response | null>}
   */
  async stream(id, after, signal) {
    const response = await fetch(new URL(`1.0/sessions/${encodeURIComponent(id)}/events?after=${after}`, document.baseURI), {
      headers: { Authorization: `Macaroon root=${this.#token}`, Accept: 'text/event-stream' },
      cache: 'no-store',
      signal,
    });
    if (!response.ok) throw new ApiError(errorInWords(response.status, undefined), response.status);
    if (response.headers.get('Content-Type')?.startsWith('text/event-stream')) return response;
    await response.body?.cancel();
    return null;
  }

  /**
   * @param {string} method
   * @param {string} path below /1.0/, relative to the page so that a path prefix in front of the gateway works
   * @param {object} [body]
   * @returns {Promise<any>} the envelope
   */
  async #call(method, path, body) {
    /** @type {Response} */
    let response;
    try {
      response = await fetch(new URL(`1.0/${path}`, document.baseURI), {
        method,
        headers: {
          Authorization: `Macaroon root=${this.#token}`,
          ...(body ? { 'Content-Type': 'application/json' } : {}),
        },
        body: body ? JSON.stringify(body) : undefined,
        cache: 'no-store',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new ApiError('The gateway does not answer. Is it still running?', 0);
    }
    const envelope = await response.json().catch(() => ({}));
    if (!response.ok || envelope.status !== 'success') {
      throw new ApiError(errorInWords(response.status, envelope.error), response.status);
    }
    return envelope;
  }
}
