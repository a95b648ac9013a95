/**
 * Who watches a session, by its events.
 * @module viewers
 */

import { provenance, routeInWords } from './words.js';

/** @typedef {import('./api.js').LogEvent} LogEvent */
/** @typedef {{peer: string, account: string, since: string, codec: string, route: string}} Viewer */

/** What ends all streams of a session's launch; a new streamer tells viewers to join again. */
const ALL_GONE = ['ready', 'claimed', 'terminated', 'failed', 'expired', 'agent_lost'];

/**
 * The viewers that are connected after some events, in the order in which they came.
 * @param {ReadonlyArray<LogEvent>} events all of a session's, in order
 * @returns {Viewer[]}
 */
export function viewersAfter(events) {
  /** @type {Map<string, string>} the accounts of those who may watch, by peer */
  const invited = new Map();
  /** @type {Map<string, Viewer>} */
  const watching = new Map();
  for (const event of events) {
    const { name } = provenance(event);
    const data = event.data ?? {};
    if (name === 'joined' && data.role === 'viewer') invited.set(data.peer, data.account ?? '');
    else if (name === 'connected' && invited.has(data.peer)) {
      watching.set(data.peer, {
        peer: data.peer, account: invited.get(data.peer) ?? '', since: event.time, codec: data.codec ?? '', route: routeInWords(data),
      });
    } else if (name === 'disconnected') watching.delete(data.peer);
    else if (ALL_GONE.includes(name)) watching.clear();
  }
  return [...watching.values()];
}

/**
 * Shows them; nothing while there are none.
 * @param {HTMLDetailsElement} panel
 * @param {Viewer[]} viewers
 */
export function showViewers(panel, viewers) {
  panel.hidden = viewers.length === 0;
  const [summary, list] = [panel.querySelector('summary'), panel.querySelector('ul')];
  if (!summary || !list) return;
  summary.textContent = `${viewers.length} watching`;
  list.replaceChildren(...viewers.map(({ peer, account, since, codec, route }) => {
    const item = document.createElement('li');
    item.dataset.viewer = peer;
    item.title = peer;
    item.textContent = [account || 'somebody', `since ${new Date(since).toLocaleTimeString()}`, codec, route].filter(Boolean).join(', ');
    return item;
  }));
}
