/**
 * One stream: signalling, the peer connection with its `control` channel, sound and picture.
 * @module stream
 */

import { Devices } from './devices.js';
import { Files, FILES_CHANNEL } from './files.js';
import { Signalling, parse } from './signalling.js';

/** How long a broken connection may take to come back before it counts as lost, in milliseconds: the SDK's 10 s. */
const LOST_AFTER_MS = 10000;
/** Time for the farewell to leave before the connection is closed under it, in milliseconds. */
const FAREWELL_MS = 50;
/** The code of the error message that says: another client has joined. */
const DISPLACED = 100;
/** The version of the protocol that this client speaks. */
const API_VERSION = 2;

/**
 * @typedef {'waiting' | 'connecting' | 'reconnecting' | 'live' | 'interrupted' | 'ended' | 'error'} StreamState
 * @typedef {object} StreamOptions
 * @property {string} url the socket's address
 * @property {{urls: string[], username?: string, password?: string}[]} stunServers
 * @property {HTMLVideoElement} video
 * @property {HTMLAudioElement} audio
 * @property {boolean} relay media through TURN only
 * @property {string} codec the codec asked for; empty leaves the choice to the streamer
 * @property {boolean} watching the ticket is a viewer's: nothing but picture and sound
 * @property {import('./devices.js').Offered} devices what the session may ask for
 */

/**
 * Emits `state` (CustomEvent with {state, message}) on each change, `blocked` when the browser wants a click before it plays
 * sound, `problem` (CustomEvent with a text) when a device cannot be recorded, `message` (CustomEvent with {type, data}) for each of the streamer's on the control channel. After `ended` or `error` nothing more comes.
 */
export class Stream extends EventTarget {
  /** @type {StreamState} */
  state = 'waiting';
  /** @type {RTCPeerConnection | null} */
  pc = null;
  /** @type {RTCDataChannel | null} */
  control = null;
  /** @type {Files | null} */
  files = null;
  /** @type {Set<string>} what the streamer can do beside the contract, such as "touch" */
  capabilities = new Set();

  #options;
  #signalling;
  /** @type {Promise<void>} the streamer's messages are applied one after the other */
  #work = Promise.resolve();
  #offered = false;
  /** @type {RTCIceCandidateInit[]} found before the answer was sent */
  #ownCandidates = [];
  /** @type {RTCIceCandidateInit[]} received before the offer was applied */
  #theirCandidates = [];
  #answered = false;
  /** @type {Devices | null} */
  #devices = null;
  /** @type {StreamState} what the stream was doing when its socket was lost */
  #before = 'waiting';
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lost;

  /** @param {StreamOptions} options */
  constructor(options) {
    super();
    this.#options = options;
    this.#signalling = new Signalling(options.url);
    this.#signalling.addEventListener('message', (event) => {
      const message = /** @type {CustomEvent} */ (event).detail;
      this.#work = this.#work.then(() => this.#handle(message)).catch((error) => {
        this.#finish('error', `The browser cannot take what the streamer offers: ${error.message}`);
      });
    });
    this.#signalling.addEventListener('drop', () => this.#dropped());
    this.#signalling.addEventListener('back', () => {
      if (this.state === 'reconnecting') this.#setState(this.#before);
    });
    this.#signalling.addEventListener('over', (event) => {
      const { code, reason } = /** @type {CustomEvent} */ (event).detail;
      // Behind what was said before the close.
      this.#work = this.#work.then(() => this.#finish('ended', reason || `The gateway closed the connection (${code}).`));
    });
    this.#signalling.addEventListener('timeout', () => {
      this.#finish('error', 'The session did not answer within five minutes.');
    });
  }

  /**
   * Sends a message on the control channel; dropped while the channel is not open, since late input is wrong input.
   * @param {string} type
   * @param {object} data
   */
  send(type, data) {
    if (this.control?.readyState === 'open') this.control.send(JSON.stringify({ type, data }));
  }

  /**
   * Leaves: the streamer is told, then everything is closed.
   * @param {{now?: boolean}} [options] `now` when the page goes and nothing can be waited for
   */
  async leave({ now = false } = {}) {
    this.send('stream::disconnect', {});
    const pc = this.pc;
    this.#finish('ended', '', { keepPeer: true });
    if (!now) await new Promise((done) => { setTimeout(done, FAREWELL_MS); });
    pc?.close();
  }

  /** @param {import('./signalling.js').Message} message */
  async #handle(message) {
    if (this.#over) return;
    switch (message.type) {
      case 'resp:discover': return this.#discovered(message);
      case 'offer': return this.#answer(message);
      case 'candidate': return this.#addCandidate(message);
      case 'error': return this.#finish(message.code === DISPLACED ? 'ended' : 'error', message.message || 'The session reported an error without a word.');
      default: return undefined; // the contract: unknown types are ignored
    }
  }

  /** @param {import('./signalling.js').Message} message */
  #discovered(message) {
    if ((message.max_api_version ?? API_VERSION) < API_VERSION) {
      this.#finish('error', 'The streamer speaks an older protocol than this page.');
      return;
    }
    this.capabilities = new Set(message.capabilities ?? []);
    // A streamer that introduces itself again after an offer is a new one: the instance was started anew.
    if (this.pc && !this.#offered) return;
    if (this.#offered) this.#signalling.restart();
    this.#createPeer();
    this.#setState('connecting');
    this.#signalling.send({
      type: 'settings',
      api_version: API_VERSION,
      data_channels: this.#options.watching ? [] : [FILES_CHANNEL],
      enable_speaker: true,
      enable_microphone: this.#options.devices.microphone,
      enable_video: true,
      enable_camera: this.#options.devices.camera,
      ...(this.#options.codec ? { video: { preferred_decoder_codecs: [this.#options.codec] } } : {}),
    });
  }

  /** The socket is only needed until the stream is up: its loss is shown while that is awaited. */
  #dropped() {
    if (this.state !== 'waiting' && this.state !== 'connecting') return;
    this.#before = this.state;
    this.#setState('reconnecting');
  }

  #createPeer() {
    this.pc?.close();
    this.#offered = false;
    this.#answered = false;
    this.#ownCandidates = [];
    this.#theirCandidates = [];
    const pc = new RTCPeerConnection({
      iceServers: this.#options.stunServers.filter(({ urls }) => urls?.length)
        .map(({ urls, username, password }) => ({ urls, username, credential: password })),
      iceTransportPolicy: this.#options.relay ? 'relay' : 'all',
    });
    this.pc = pc;
    // Made first and by us: the streamer uses the channels it receives.
    this.control = pc.createDataChannel('control');
    this.control.onmessage = ({ data }) => this.#controlled(data);
    this.control.onclose = () => this.#controlClosed(pc);
    this.control.onerror = () => this.#controlClosed(pc);
    this.#devices = new Devices(this.#options.devices, (text) => this.dispatchEvent(new CustomEvent('problem', { detail: text })));
    this.#devices.listen(this.control);
    if (!this.#options.watching) {
      this.files = new Files(pc.createDataChannel(FILES_CHANNEL));
      this.dispatchEvent(new Event('files'));
    }
    pc.ontrack = (event) => this.#play(event);
    pc.onicecandidate = ({ candidate }) => candidate?.candidate && this.#found(candidate);
    pc.oniceconnectionstatechange = () => this.#iceChanged(pc);
  }

  /** @param {RTCTrackEvent} event */
  #play({ track, receiver }) {
    // Nothing is held back for smoothness: the newest picture counts.
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    const element = track.kind === 'video' ? this.#options.video : this.#options.audio;
    // A stream of its own for each: the browser would delay the picture to keep it in step with the sound.
    element.srcObject = new MediaStream([track]);
    element.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.dispatchEvent(new Event('blocked'));
    });
    if (track.kind === 'video') this.#whenFirstFrame(this.#options.video);
  }

  /** @param {HTMLVideoElement} video */
  #whenFirstFrame(video) {
    const pc = this.pc;
    video.requestVideoFrameCallback(() => {
      if (pc === this.pc && !this.#over) this.#setState('live');
    });
  }

  /** @param {import('./signalling.js').Message} message */
  async #answer({ sdp }) {
    const pc = this.pc;
    if (!pc || this.#offered) return; // before our settings, or a duplicate
    this.#offered = true;
    await pc.setRemoteDescription({ type: 'offer', sdp: atob(sdp ?? '') });
    for (const candidate of this.#theirCandidates.splice(0)) await addCandidate(pc, candidate);
    this.#devices?.prepare(pc);
    await pc.setLocalDescription(await pc.createAnswer());
    this.#signalling.send({ type: 'answer', sdp: btoa(pc.localDescription?.sdp ?? '') });
    this.#answered = true;
    for (const candidate of this.#ownCandidates.splice(0)) this.#sendCandidate(candidate);
  }

  /** @param {import('./signalling.js').Message} message */
  async #addCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    const init = { candidate: atob(candidate ?? ''), sdpMid, sdpMLineIndex };
    if (this.pc?.remoteDescription) await addCandidate(this.pc, init);
    else this.#theirCandidates.push(init);
  }

  /** @param {RTCIceCandidate} candidate */
  #found(candidate) {
    if (this.#answered) this.#sendCandidate(candidate);
    else this.#ownCandidates.push(candidate);
  }

  /** @param {RTCIceCandidateInit} candidate */
  #sendCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    this.#signalling.send({ type: 'candidate', candidate: btoa(candidate ?? ''), sdpMid, sdpMLineIndex });
  }

  /** @param {RTCPeerConnection} pc */
  #iceChanged(pc) {
    if (pc !== this.pc || this.#over) return;
    switch (pc.iceConnectionState) {
      case 'connected':
      case 'completed':
        clearTimeout(this.#lost);
        this.#signalling.close();
        if (this.state === 'interrupted') this.#setState('live');
        break;
      case 'disconnected':
        this.#setState('interrupted');
        clearTimeout(this.#lost);
        this.#lost = setTimeout(() => this.#finish('error', 'The connection to the session was lost.'), LOST_AFTER_MS);
        break;
      case 'failed':
        this.#finish('error', this.state === 'connecting' || this.state === 'reconnecting'
          ? 'No way through the network to the session was found. A firewall may block UDP; the operator can check TURN.'
          : 'The connection to the session was lost.');
        break;
      default:
    }
  }

  /**
   * The streamer's abort, or its orderly close: the session ends, or another client has taken over.
   * @param {RTCPeerConnection} pc
   */
  #controlClosed(pc) {
    if (pc === this.pc) this.#finish('ended', 'The session ended, or was opened somewhere else.');
  }

  /** @param {unknown} data a message of the streamer, which goes to whoever listens */
  #controlled(data) {
    const message = parse(data);
    if (message) this.dispatchEvent(new CustomEvent('message', { detail: message }));
  }

  get #over() {
    return this.state === 'ended' || this.state === 'error';
  }

  /**
   * @param {StreamState} state
   * @param {string} [message]
   */
  #setState(state, message = '') {
    this.state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: { state, message } }));
  }

  /**
   * @param {'ended' | 'error'} state
   * @param {string} message
   * @param {{keepPeer?: boolean}} [options]
   */
  #finish(state, message, { keepPeer = false } = {}) {
    if (this.#over) return;
    clearTimeout(this.#lost);
    this.#devices?.stop();
    this.#signalling.close();
    if (!keepPeer) this.pc?.close();
    this.#options.video.srcObject = null;
    this.#options.audio.srcObject = null;
    this.#setState(state, message);
  }
}

/**
 * A candidate that the browser does not understand is no reason to give up: others may lead through.
 * @param {RTCPeerConnection} pc
 * @param {RTCIceCandidateInit} candidate
 */
async function addCandidate(pc, candidate) {
  try {
    await pc.addIceCandidate(candidate);
  } catch (error) {
    console.warn('ignored a candidate', error);
  }
}
