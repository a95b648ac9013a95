/**
 * The stage: one session at a time, its stream, its state in words, its sound and its buttons.
 * @module stage
 */

import { Drop } from './drop.js';
import { Extras } from './extras.js';
import { Input } from './input.js';
import { page } from './page.js';
import { FrameCounter, readStats } from './stats.js';
import { Stream } from './stream.js';

/** How often the status line is renewed while live, in milliseconds. */
const STATUS_EVERY_MS = 1000;

/** What each state reads like in the status line. */
const STATE_WORDS = {
  idle: 'No session open',
  creating: 'Creating the session',
  waiting: 'Waiting for the instance',
  connecting: 'Connecting',
  reconnecting: 'Connection to the gateway lost, opening it again',
  live: 'Live',
  interrupted: 'Connection interrupted, trying to get it back',
  ended: 'Session ended',
  error: 'Session failed',
};

/** @typedef {keyof typeof STATE_WORDS} StageState */

/**
 * Emits `state` on each change, `measured` (CustomEvent with the stats) each second while live, `problem` (CustomEvent with a text) of
 * what goes wrong beside the stream, and `over` (CustomEvent with {state, message}) when a stream ended by itself.
 */
export class Stage extends EventTarget {
  /** @type {StageState} */
  state = 'idle';
  /** @type {Stream | null} */
  stream = null;
  /** @type {Input | null} */
  #input = null;
  /** Whether the session is only watched. */
  #watching = false;
  #drop = new Drop(page.stage);
  /** @type {Extras | null} */
  #extras = null;
  /** @type {FrameCounter | null} */
  #frames = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticker;

  constructor() {
    super();
    page.sound.addEventListener('click', () => this.#toggleSound());
    page.fullscreen.addEventListener('click', () => toggleFullscreen());
    window.addEventListener('pagehide', () => this.stream?.leave({ now: true }));
    this.#show('idle');
  }

  /** Whether there is a stream whose devices the session may ask for. */
  get asks() {
    return this.stream !== null && !this.#watching;
  }

  /** Shows that a session is being created. */
  creating() {
    this.leave();
    this.#show('creating');
  }

  /** Shows nothing. */
  clear() {
    this.leave();
    this.#show('idle');
  }

  /**
   * Shows how a session ended.
   * @param {'ended' | 'error'} state
   * @param {string} title
   * @param {string} message
   */
  fail(state, title, message) {
    this.leave();
    page.failureTitle.textContent = title;
    page.failureMessage.textContent = message;
    this.#show(state);
  }

  /**
   * Opens a stream.
   * @param {import('./api.js').Ticket} ticket
   * @param {{relay: boolean, codec: string, watching: boolean, devices: import('./devices.js').Offered}} options
   */
  open(ticket, { relay, codec, watching, devices }) {
    this.leave();
    page.audio.muted = false;
    const stream = new Stream({
      url: ticket.url, stunServers: ticket.stun_servers ?? [], video: page.video, audio: page.audio, relay, codec, watching,
      devices: watching ? { microphone: false, camera: false } : devices,
    });
    this.stream = stream;
    this.#watching = watching;
    this.#drop.serve(null);
    stream.addEventListener('files', () => stream === this.stream && this.#drop.serve(stream.files));
    stream.addEventListener('blocked', () => this.#showSound());
    stream.addEventListener('problem', (event) => {
      if (stream === this.stream) this.dispatchEvent(new CustomEvent('problem', { detail: /** @type {CustomEvent} */ (event).detail }));
    });
    stream.addEventListener('state', (event) => {
      if (stream === this.stream) this.#changed(/** @type {CustomEvent} */ (event).detail);
    });
    this.#show('waiting');
    this.#showSound();
  }

  /** Leaves the stream, if there is one. */
  leave() {
    const stream = this.stream;
    this.stream = null;
    this.#drop.serve(null);
    this.#stopLive();
    stream?.leave();
  }

  /** @returns {Promise<object>} see the package comment in doc.go */
  async stats() {
    const pc = this.stream?.pc;
    const frames = this.#frames;
    return { fps: frames?.fps ?? 0, delay: frames?.delay ?? null, gap: frames?.gap ?? 0, ...(pc ? await readStats(pc) : {}) };
  }

  /** @param {{state: import('./stream.js').StreamState, message: string}} change */
  #changed({ state, message }) {
    if (state === 'ended' || state === 'error') {
      this.#stopLive();
      this.dispatchEvent(new CustomEvent('over', { detail: { state, message } }));
      return;
    }
    this.#show(state);
    if (state === 'live' && !this.#frames) this.#startLive();
  }

  #startLive() {
    const { stream } = this;
    this.#frames = new FrameCounter(page.video);
    if (!this.#watching) {
      this.#input = new Input(page.video, (type, data) => stream?.send(type, data), () => page.leave.focus(), stream?.capabilities);
      if (stream) this.#extras = new Extras(stream, this.#input);
    }
    this.#ticker = setInterval(() => this.#tick(), STATUS_EVERY_MS);
    page.video.focus({ preventScroll: true });
    this.#showSound();
  }

  #stopLive() {
    clearInterval(this.#ticker);
    this.#extras?.stop();
    this.#input?.stop();
    this.#frames?.stop();
    this.#input = null;
    this.#extras = null;
    this.#frames = null;
  }

  async #tick() {
    const stats = /** @type {{fps: number, rtt: number | null}} */ (await this.stats());
    if (this.state !== 'live') return;
    const { fps, rtt } = stats;
    this.dispatchEvent(new CustomEvent('measured', { detail: stats }));
    page.status.textContent = `${this.#watching ? 'Watching' : 'Live'} ${fps} fps${roundTripInWords(rtt)}`;
    this.#showSound();
  }

  /** @param {StageState} state */
  #show(state) {
    this.state = state;
    page.status.textContent = STATE_WORDS[state];
    page.status.dataset.state = state;
    page.stage.dataset.state = state;
    page.progressText.textContent = `${STATE_WORDS[state]}…`;
    page.welcome.hidden = state !== 'idle';
    page.progress.hidden = !['creating', 'waiting', 'connecting', 'reconnecting', 'interrupted'].includes(state);
    page.failure.hidden = state !== 'ended' && state !== 'error';
    page.video.hidden = !['live', 'interrupted', 'connecting', 'reconnecting'].includes(state);
    const open = !['idle', 'ended', 'error'].includes(state);
    for (const button of [page.leave, page.end, page.fullscreen, page.sound]) button.disabled = !open;
    // Numbers that change every second are not for being read out; words are.
    page.status.setAttribute('aria-live', 'polite');
    if (state === 'live') setTimeout(() => page.status.setAttribute('aria-live', 'off'), STATUS_EVERY_MS / 2);
    this.dispatchEvent(new Event('state'));
  }

  #showSound() {
    const blocked = Boolean(page.audio.srcObject) && page.audio.paused;
    const on = !blocked && !page.audio.muted;
    page.sound.dataset.sound = blocked ? 'blocked' : String(on);
    page.sound.setAttribute('aria-pressed', String(on));
    const label = page.sound.querySelector('span');
    if (label) label.textContent = blocked ? 'Enable sound' : on ? 'Sound on' : 'Sound off';
  }

  #toggleSound() {
    if (page.audio.paused) {
      page.audio.muted = false;
      page.audio.play().catch(() => {}).finally(() => this.#showSound());
    } else {
      page.audio.muted = !page.audio.muted;
    }
    this.#showSound();
  }
}

/** @param {number | null | undefined} rtt in milliseconds, if it is known yet */
function roundTripInWords(rtt) {
  if (rtt === null || rtt === undefined) return '';
  return rtt < 1 ? ', under 1 ms rtt' : `, ${Math.round(rtt)} ms rtt`;
}

/** Fills the screen with the picture; where the browser can, Escape and Alt+Tab go to the application too. */
async function toggleFullscreen() {
  if (document.fullscreenElement) {
    await document.exitFullscreen();
    return;
  }
  try {
    await page.stage.requestFullscreen({ navigationUI: 'hide' });
    await /** @type {any} */ (navigator).keyboard?.lock?.();
  } catch {
    // Refused by the browser: the picture stays in the page.
  }
  page.video.focus({ preventScroll: true });
}
