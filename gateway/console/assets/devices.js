/**
 * The user's microphone and camera: offered when the settings say so, opened only when the session asks (control channel contract,
 * section 10), and then the browser asks the user.
 * @module devices
 */

/** @typedef {{microphone: boolean, camera: boolean}} Offered */

/** The devices of one stream. */
export class Devices {
  #offered;
  #say;
  /** @type {Map<string, RTCRtpTransceiver>} by kind of media */
  #lines = new Map();
  /** @type {Map<string, MediaStreamTrack>} that are open */
  #tracks = new Map();

  /**
   * @param {Offered} offered
   * @param {(text: string) => void} say tells the user what goes wrong
   */
  constructor(offered, say) {
    this.#offered = offered;
    this.#say = say;
  }

  /**
   * Takes the lines of the offer that are for the devices; to be called before the answer is made.
   * @param {RTCPeerConnection} pc
   */
  prepare(pc) {
    // The camera's line is the first of its kind: the picture's comes after it.
    for (const [wanted, kind, direction] of /** @type {const} */ ([
      [this.#offered.microphone, 'audio', 'sendrecv'], [this.#offered.camera, 'video', 'sendonly'],
    ])) {
      const line = pc.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
      if (!wanted || !line) continue;
      line.direction = direction;
      this.#lines.set(kind, line);
    }
  }

  /**
   * Listens to what the session asks for.
   * @param {RTCDataChannel} control
   */
  listen(control) {
    control.addEventListener('message', ({ data }) => {
      const { type, wish } = read(data);
      if (type === 'enable-microphone' && this.#offered.microphone) this.#open('audio', { audio: { sampleRate: wish.freq, channelCount: wish.channels } });
      if (type === 'disable-microphone') this.#close('audio');
      if (type === 'open-camera' && this.#offered.camera) {
        const facingMode = wish['facing-mode'] === 'front' ? 'user' : 'environment';
        const { width, height } = wish.resolution ?? {};
        this.#open('video', { video: { facingMode, width, height, frameRate: { max: wish['frame-rate'] || 30 } } });
      }
      if (type === 'close-camera') this.#close('video');
    });
    control.addEventListener('close', () => this.stop());
  }

  /** Ends all recording. */
  stop() {
    for (const kind of [...this.#tracks.keys()]) this.#close(kind);
  }

  /**
   * @param {string} kind
   * @param {MediaStreamConstraints} wish
   */
  async #open(kind, wish) {
    const line = this.#lines.get(kind);
    if (!line || this.#tracks.has(kind)) return;
    try {
      const [track] = (await navigator.mediaDevices.getUserMedia(wish)).getTracks();
      this.#tracks.set(kind, track);
      await line.sender.replaceTrack(track);
    } catch (error) {
      this.#close(kind);
      // Refused, or there is none: the session goes on without.
      this.#say(`The browser does not give the session your ${kind === 'audio' ? 'microphone' : 'camera'}: ${/** @type {Error} */ (error).message}.`);
    }
  }

  /** @param {string} kind */
  #close(kind) {
    this.#tracks.get(kind)?.stop();
    this.#tracks.delete(kind);
    this.#lines.get(kind)?.sender.replaceTrack(null).catch(() => {}); // the connection may be closed
  }
}

/**
 * A message of the control channel; its data is a string of JSON.
 * @param {unknown} data
 * @returns {{type: string, wish: any}}
 */
function read(data) {
  try {
    const message = JSON.parse(String(data));
    return { type: message.type, wish: message.data ? JSON.parse(message.data) : {} };
  } catch {
    return { type: '', wish: {} };
  }
}
