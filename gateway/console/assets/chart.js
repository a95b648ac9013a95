/**
 * The live charts under the picture: what the browser measures, and behind it what the streamer sent, by its own samples.
 * @module chart
 */

import { Decisions } from './decisions.js';

/** @typedef {'fps' | 'delay' | 'rtt' | 'kbps'} Figure */
/**
 * @typedef {object} Point
 * @property {number} time in milliseconds since 1970
 * @property {number | null} fps
 * @property {number | null} delay of the picture from the screen that is captured to this one, in milliseconds; as sent, to the encoder's end
 * @property {number | null} rtt in milliseconds
 * @property {number | null} kbps
 */

/** The time that is shown, in milliseconds. */
const WINDOW_MS = 60_000;
/** The size of a chart in its own units; the page stretches it. */
const WIDTH = 240;
const HEIGHT = 40;
const SVG = 'http://www.w3.org/2000/svg';

/** @type {Record<Figure, {least: number, words: (value: number) => string}>} the least that the height stands for, and words for a value */
const FIGURES = {
  fps: { least: 30, words: (value) => `${Math.round(value)} fps` },
  delay: { least: 50, words: (value) => `${Math.round(value)} ms` },
  rtt: { least: 20, words: (value) => (value < 1 ? 'under 1 ms' : `${Math.round(value)} ms`) },
  kbps: { least: 1000, words: (value) => (value < 1000 ? `${Math.round(value)} kbit/s` : `${(value / 1000).toFixed(1)} Mbit/s`) },
};

/** The figure that the streamer decides on: its chart has a mark for each moment. */
const DECIDED = 'kbps';

/** Shows the last minute; each figure is an element with data-figure, in which data-points and data-samples count what is drawn. */
export class QualityChart {
  #root;
  /** @type {Point[]} */
  #own = [];
  /** @type {Point[]} */
  #sent = [];
  #decisions = new Decisions();
  /** @type {import('./decisions.js').Moment[]} */
  #moments = [];
  #bytes = 0;

  /** @param {HTMLElement} root holds an element with data-figure for each figure */
  constructor(root) {
    this.#root = root;
    for (const svg of root.querySelectorAll('svg')) {
      svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
      svg.setAttribute('preserveAspectRatio', 'none');
      for (const line of ['sent', 'own']) svg.append(polyline(line));
    }
    this.clear();
  }

  /** Forgets everything and hides the charts. */
  clear() {
    this.#own = [];
    this.#sent = [];
    this.#decisions.clear();
    this.#moments = [];
    this.#bytes = 0;
    this.#root.hidden = true;
  }

  /**
   * Takes what the browser measured.
   * @param {{fps: number, delay?: number | null, rtt: number | null, bytesReceived?: number}} stats
   * @param {number} [time] in milliseconds since 1970
   */
  measured({ fps, delay = null, rtt, bytesReceived = 0 }, time = Date.now()) {
    const before = this.#own.at(-1);
    const took = before ? time - before.time : 0;
    const kbps = took > 0 && bytesReceived >= this.#bytes ? ((bytesReceived - this.#bytes) * 8) / took : null;
    this.#bytes = bytesReceived;
    // The two ends have two clocks: what each knows of itself is added to half of the way there and back.
    const encode = this.#sent.findLast((sample) => sample.delay !== null)?.delay ?? null;
    const whole = encode !== null && delay !== null && rtt !== null ? encode + rtt / 2 + delay : null;
    this.#own.push({ time, fps, delay: whole, rtt: rtt ?? null, kbps });
    this.#draw(time);
  }

  /**
   * Takes samples of the streamer and its decisions, oldest first.
   * @param {import('./api.js').LogEvent[]} samples
   */
  sampled(samples) {
    this.#moments.push(...this.#decisions.take(samples));
    for (const { time, data } of samples) {
      if (data.list) continue;
      this.#sent.push({ time: Date.parse(time), fps: data.fps, delay: data.encode_ms ?? null, rtt: data.rtt_ms ?? null, kbps: data.video_kbps + data.audio_kbps });
    }
    if (samples.length > 0 && this.#own.length > 0) this.#draw(Date.now());
  }

  /** @param {number} now */
  #draw(now) {
    for (const points of [this.#own, this.#sent, this.#moments]) {
      while (points.length > 0 && points[0].time < now - WINDOW_MS) points.shift();
    }
    for (const figure of /** @type {Figure[]} */ (Object.keys(FIGURES))) {
      const element = /** @type {HTMLElement | null} */ (this.#root.querySelector(`[data-figure="${figure}"]`));
      if (!element) continue;
      const { least, words } = FIGURES[figure];
      const top = Math.max(least, ...[...this.#own, ...this.#sent].map((point) => point[figure] ?? 0));
      const draw = (/** @type {string} */ name, /** @type {Point[]} */ points) => {
        const known = points.filter((point) => point[figure] !== null);
        element.querySelector(`.${name}`)?.setAttribute('points', coordinates(known, figure, top, now));
        return known.length;
      };
      element.dataset.points = String(draw('own', this.#own));
      element.dataset.samples = String(draw('sent', this.#sent));
      const value = this.#own.at(-1)?.[figure] ?? this.#sent.at(-1)?.[figure];
      const label = element.querySelector('output');
      if (label) label.textContent = value === null || value === undefined ? '–' : words(value);
    }
    this.#mark(now);
    this.#root.hidden = false;
  }

  /**
   * Marks the moments at which the streamer decided something, and says the last.
   * @param {number} now
   */
  #mark(now) {
    const svg = this.#root.querySelector(`[data-figure="${DECIDED}"] svg`);
    for (const line of this.#root.querySelectorAll('.moment')) line.remove();
    for (const { time, kind, text } of this.#moments) {
      const x = across(time, now).toFixed(1);
      const line = document.createElementNS(SVG, 'line');
      for (const [name, value] of Object.entries({ x1: x, x2: x, y1: '0', y2: String(HEIGHT), class: 'moment', 'data-kind': kind })) line.setAttribute(name, value);
      line.setAttribute('vector-effect', 'non-scaling-stroke');
      const title = document.createElementNS(SVG, 'title');
      title.textContent = text;
      line.append(title);
      svg?.append(line);
    }
    const said = this.#root.querySelector('.decided');
    const last = this.#moments.at(-1);
    // Said once, not with each drawing: it is read out to those who do not see it.
    if (said && said.textContent !== (last?.text ?? '')) said.textContent = last?.text ?? '';
  }
}

/** @param {string} name */
function polyline(name) {
  const line = document.createElementNS(SVG, 'polyline');
  line.setAttribute('class', name);
  line.setAttribute('vector-effect', 'non-scaling-stroke');
  return line;
}

/**
 * The points of a line: the right edge is now, the top is the greatest value.
 * @param {Point[]} points
 * @param {Figure} figure
 * @param {number} top
 * @param {number} now
 */
export function coordinates(points, figure, top, now) {
  return points.map((point) => {
    const x = across(point.time, now);
    const y = HEIGHT - 1 - (HEIGHT - 2) * ((point[figure] ?? 0) / top);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  }).join(' ');
}

/**
 * Where a time is from left to right; a clock that is ahead stays inside.
 * @param {number} time
 * @param {number} now
 */
function across(time, now) {
  return WIDTH * Math.min(1, 1 - (now - time) / WINDOW_MS);
}
