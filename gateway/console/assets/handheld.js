/**
 * The device that a session takes the user's for: which way up it is held, and where it is (control channel contract, sections 7 and 9).
 * Most browsers stand on a desk; here both are said by hand, the place also by the browser where the user lets it.
 * @module handheld
 */

import { page } from './page.js';

/** What a device at rest measures, in m/s² along x and y, by quarter turns clockwise: the contract's table. */
const GRAVITY = [[0, 9.81], [-9.81, 0], [0, -9.81], [9.81, 0]];
/** How long the browser may look for its place, and how old a place may be that it knows already, in milliseconds. */
const PLACE_TIMEOUT_MS = 20000;
const PLACE_AGE_MS = 60000;

/** What turns and places the device of one stream. */
export class Handheld {
  #send;
  #turn = 0;
  #listening = new AbortController();

  /** @param {(type: string, data: object) => void} send */
  constructor(send) {
    this.#send = send;
    const options = { signal: this.#listening.signal };
    page.rotate.addEventListener('click', () => this.#rotate(), options);
    page.placeForm.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#place({ latitude: page.latitude.valueAsNumber, longitude: page.longitude.valueAsNumber });
    }, options);
    page.placeHere.addEventListener('click', () => this.#findPlace(), options);
    page.placeHere.disabled = !navigator.geolocation;
    page.handheldNote.textContent = '';
    page.handheld.hidden = false;
  }

  /** Puts the picture upright and takes nothing more. */
  stop() {
    this.#listening.abort();
    delete page.video.dataset.turn;
    page.handheld.hidden = true;
    page.handheld.open = false;
  }

  /** The picture keeps its size: the session draws sideways into it, and it is turned upright here. */
  #rotate() {
    this.#turn = (this.#turn + 1) % GRAVITY.length;
    page.video.dataset.turn = String(this.#turn);
    const [x, y] = GRAVITY[this.#turn];
    this.#send('sensor:event', { sensor: 'acceleration', x, y, z: 0 });
    page.handheldNote.textContent = `Turned by ${this.#turn * 90} degrees.`;
  }

  #findPlace() {
    page.handheldNote.textContent = 'Asking the browser…';
    navigator.geolocation.getCurrentPosition(({ coords }) => {
      if (this.#listening.signal.aborted) return;
      page.latitude.value = String(coords.latitude);
      page.longitude.value = String(coords.longitude);
      this.#place(coords);
    }, ({ message }) => {
      page.handheldNote.textContent = `The browser does not tell where you are: ${message || 'no reason given'}.`;
    }, { timeout: PLACE_TIMEOUT_MS, maximumAge: PLACE_AGE_MS, enableHighAccuracy: true });
  }

  /** @param {{latitude: number, longitude: number, altitude?: number | null, speed?: number | null, heading?: number | null, accuracy?: number}} at */
  #place({ latitude, longitude, altitude, speed, heading, accuracy }) {
    this.#send('location::update-position', {
      format: 'wgs84', time: Date.now(), latitude, longitude, altitude: altitude ?? 0, speed: speed ?? 0,
      bearing: heading || 0, // NaN while the device stands still
      ...(accuracy === undefined ? {} : { horizontal_accuracy: accuracy }),
    });
    page.handheldNote.textContent = `The session was told ${latitude.toFixed(5)}, ${longitude.toFixed(5)}.`;
  }
}
