/**
 * The sensors of the browser's device, as far as the session asks for them (contract, section 8).
 * @module deviceSensors
 */

/** The least time between two readings of a sensor, in milliseconds: the SDK's default. */
const EVERY_MS = 16;

/** Sends the readings of the sensors that are active. */
export class DeviceSensors {
  #send;
  /** @type {Map<string, AbortController>} sensor → what ends its listening */
  #active = new Map();

  /** @param {(type: string, data: object) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** @param {unknown} sensor as in activate-sensor; others than the contract's are ignored */
  activate(sensor) {
    if (typeof sensor !== 'string' || this.#active.has(sensor)) return;
    switch (sensor) {
      case 'acceleration':
        this.#listen(sensor, 'devicemotion', ({ accelerationIncludingGravity: g, acceleration: a }) => {
          const { x = null, y = null, z = null } = g ?? a ?? {};
          return { x, y, z };
        });
        break;
      case 'gyroscope':
        this.#listen(sensor, 'devicemotion', ({ rotationRate }) => {
          const { beta = null, gamma = null, alpha = null } = rotationRate ?? {};
          return { x: beta, y: gamma, z: alpha };
        });
        break;
      case 'orientation':
        this.#listen(sensor, 'deviceorientation', ({ beta, gamma, alpha }) => ({ roll: beta, pitch: gamma, azimuth: alpha }));
        break;
      default:
    }
  }

  /** @param {unknown} sensor */
  deactivate(sensor) {
    this.#active.get(/** @type {string} */ (sensor))?.abort();
    this.#active.delete(/** @type {string} */ (sensor));
  }

  /** Ends all. */
  stop() {
    for (const sensor of [...this.#active.keys()]) this.deactivate(sensor);
  }

  /**
   * @param {string} sensor
   * @param {string} type
   * @param {(event: any) => object} read
   */
  #listen(sensor, type, read) {
    const listening = new AbortController();
    this.#active.set(sensor, listening);
    let last = -EVERY_MS;
    window.addEventListener(type, (event) => {
      if (event.timeStamp - last < EVERY_MS) return;
      const reading = read(event);
      // A browser without the sensor says so by one event with no value in it (W3C Device Orientation, section 4): no reading, and
      // one that would undo a rotation made by hand.
      if (Object.values(reading).every((v) => v == null)) return;
      last = event.timeStamp;
      this.#send('sensor:event', { sensor, ...reading });
    }, { signal: listening.signal });
  }
}
