/**
 * Fingers as the control channel's touches (contract, section 3): for sessions whose display has a touch screen.
 * @module touch
 */

import { toTurnedPicture, turnOf } from './geometry.js';

/** As many as the streamer takes. */
const MOST_FINGERS = 10;

/** The fingers on one element. */
export class Touches {
  #video;
  #send;
  /** @type {Map<number, {id: number, x: number, y: number}>} browser's pointer → number and last place of a finger that is down */
  #down = new Map();

  /**
   * @param {HTMLVideoElement} video
   * @param {(type: string, data: object) => void} send
   */
  constructor(video, send) {
    this.#video = video;
    this.#send = send;
  }

  /**
   * @param {PointerEvent} event of a finger
   */
  handle(event) {
    const place = toTurnedPicture(
      { x: event.clientX, y: event.clientY },
      this.#video.getBoundingClientRect(),
      { width: this.#video.videoWidth, height: this.#video.videoHeight },
      turnOf(this.#video),
    );
    const finger = this.#down.get(event.pointerId);
    switch (event.type) {
      case 'pointerdown':
        // Beside the picture there is nothing to touch.
        if (!finger && place.inside && this.#down.size < MOST_FINGERS) this.#start(event.pointerId, place);
        break;
      case 'pointermove':
        // A finger that leaves the picture goes on at its edge.
        if (finger && (finger.x !== place.x || finger.y !== place.y)) {
          finger.x = place.x;
          finger.y = place.y;
          this.#send('input::touch-move', { id: finger.id, x: place.x, y: place.y });
        }
        break;
      default: // up or cancelled
        this.#end(event.pointerId);
    }
  }

  /** Lifts all fingers. */
  release() {
    for (const pointer of [...this.#down.keys()]) this.#end(pointer);
  }

  /**
   * @param {number} pointer
   * @param {{x: number, y: number}} place
   */
  #start(pointer, { x, y }) {
    const used = new Set([...this.#down.values()].map((finger) => finger.id));
    let id = 0;
    while (used.has(id)) id += 1;
    this.#down.set(pointer, { id, x, y });
    this.#send('input::touch-start', { id, x, y });
  }

  /** @param {number} pointer */
  #end(pointer) {
    const finger = this.#down.get(pointer);
    if (!finger) return;
    this.#down.delete(pointer);
    this.#send('input::touch-end', { id: finger.id, last: this.#down.size === 0 });
  }
}
