/**
 * The timeline of one session: its events as a list that grows.
 * @module timeline
 */

import { detailInWords, durationInWords, endingInWords, provenance, stepInWords } from './words.js';

/** @typedef {import('./api.js').LogEvent} LogEvent */

/** Candidates come in bursts: one line for each run of the same step by the same actor. */
const COLLAPSED = 'candidate';

/** Shows events; `after` says where the next reading begins. */
export class Timeline {
  #list;
  #end;
  /** @type {LogEvent[]} */
  #events = [];

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} end where the ending is said
   */
  constructor(list, end) {
    this.#list = list;
    this.#end = end;
  }

  /** The sequence of the last event shown. */
  get after() {
    return this.#events.at(-1)?.sequence ?? 0;
  }

  /** The ending in words, or the empty string. */
  get ending() {
    return endingInWords(this.#events);
  }

  /** All events, in order. @returns {ReadonlyArray<LogEvent>} */
  get events() {
    return this.#events;
  }

  clear() {
    this.#events = [];
    this.#list.replaceChildren();
    this.#end.hidden = true;
  }

  /**
   * Adds events in order; those that are shown already are passed over.
   * @param {LogEvent[]} events
   */
  add(events) {
    const fresh = events.filter(({ sequence }) => sequence > this.after);
    if (fresh.length === 0) return;
    const atBottom = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
    for (const event of fresh) {
      if (!this.#collapse(event)) this.#list.append(line(event, this.#events.at(-1)));
      this.#events.push(event);
    }
    this.#end.textContent = this.ending;
    this.#end.hidden = !this.ending;
    if (atBottom) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /**
   * Counts a candidate in the last line if that is one of the same side.
   * @param {LogEvent} event
   */
  #collapse(event) {
    const last = /** @type {HTMLElement | null} */ (this.#list.lastElementChild);
    const { actor, name } = provenance(event);
    if (name !== COLLAPSED || last?.dataset.event !== name || last.dataset.actor !== actor) return false;
    const count = Number(last.dataset.count) + 1;
    last.dataset.count = String(count);
    const step = last.querySelector('.step');
    if (step) step.textContent = `${count} network candidates`;
    return true;
  }
}

/**
 * @param {LogEvent} event
 * @param {LogEvent | undefined} previous
 */
function line(event, previous) {
  const { actor, name } = provenance(event);
  const item = document.createElement('li');
  Object.assign(item.dataset, { event: name, actor, sequence: String(event.sequence), count: '1' });
  item.title = `${event.subject}\n${event.time}, sequence ${event.sequence}`;
  const since = previous ? durationInWords(Date.parse(event.time) - Date.parse(previous.time)) : '';
  item.append(
    span('since', since),
    span('actor', actor),
    span('step', stepInWords(event)),
    span('detail', detailInWords(event)),
  );
  return item;
}

/**
 * @param {string} className
 * @param {string} text
 */
function span(className, text) {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}
