/**
 * A session's events in words. Pure functions; tolerant of events and members that this page does not know.
 * @module words
 */

/** @typedef {import('./api.js').LogEvent} LogEvent */

/** How a step reads; names that are missing here are shown as they are. */
const STEPS = new Map(Object.entries({
  created: 'Session created',
  extra_data: 'Extra data stored',
  joined: 'Socket address handed out',
  terminating: 'Asked to end',
  requeued: 'Put back into the queue',
  expired: 'Expired',
  agent_lost: 'The agent was lost',
  claimed: 'Claimed by an agent',
  pulling: 'Image fetched',
  launched: 'Instance launched',
  attempt_failed: 'Attempt failed',
  terminated: 'Instance stopped',
  failed: 'Failed',
  ready: 'Streamer ready',
  connected: 'Connected',
  resized: 'Screen resized',
  encoder_changed: 'Encoder changed',
  disconnected: 'Client disconnected',
  file_transferred: 'File',
  device_changed: 'Device of the client',
  attached: 'Socket opened',
  detached: 'Socket closed',
  settings: 'Settings',
  offer: 'Offer',
  answer: 'Answer',
  candidate: 'Network candidate',
  message: 'Other message',
}));

/** Why a client went, by the reason of the streamer's event. */
const DISCONNECT_REASONS = new Map(Object.entries({
  left: 'it left',
  lost: 'its connection was lost',
  displaced: 'another client took over',
  refused: 'the negotiation failed',
  ended: 'the instance is going down',
}));

/** The events that end a session's launch, and how that reads. */
const ENDINGS = new Map(Object.entries({
  terminated: 'The session ended',
  failed: 'The session failed',
  expired: 'The session expired',
  agent_lost: 'The session was lost with its agent',
}));

/**
 * Who appended an event and which: the two last tokens of `sessions.<region>.<id>.<actor>.<event>`.
 * @param {LogEvent} event
 * @returns {{actor: string, name: string}}
 */
export function provenance(event) {
  const [actor = '', name = ''] = event.subject.split('.').slice(3);
  return { actor, name };
}

/**
 * @param {LogEvent} event
 * @returns {string}
 */
export function stepInWords(event) {
  const { name } = provenance(event);
  return STEPS.get(name) ?? name;
}

/**
 * What is worth knowing about a step besides its name; often nothing.
 * @param {LogEvent} event
 * @returns {string}
 */
export function detailInWords(event) {
  const data = event.data ?? {};
  switch (provenance(event).name) {
    case 'created': return [data.app, screen(data.screen)].filter(Boolean).join(', ');
    case 'claimed': return data.attempt > 1 ? `attempt ${data.attempt}` : '';
    case 'ready': return (data.codecs ?? []).join(', ');
    case 'connected': return [data.codec, routeInWords(data)].filter(Boolean).join(', ');
    case 'resized': return screen(data.screen);
    case 'encoder_changed': return [`${data.from} → ${data.to}`, data.reason].filter(Boolean).join(': ');
    case 'file_transferred':
      return [`${data.direction === 'in' ? 'to' : 'from'} the session, ${data.name}, ${data.bytes} bytes`, data.result === 'done' ? '' : data.result, data.reason]
        .filter(Boolean).join(': ');
    case 'device_changed': return [`${data.device} ${data.state}`, data.reason].filter(Boolean).join(': ');
    case 'disconnected': return data.message || (DISCONNECT_REASONS.get(data.reason) ?? data.reason ?? '');
    // 1000 and 1001 are the ordinary closes of RFC 6455.
    case 'detached': return data.code > 1001 ? `closed with ${data.code}` : '';
    default: return data.reason ?? data.message?.toString() ?? '';
  }
}

/**
 * What became of the session and why, or the empty string while it goes on. A claim after an ending opens it anew.
 * @param {LogEvent[]} events in order
 * @returns {string}
 */
export function endingInWords(events) {
  let ending = '';
  for (const event of events) {
    const { name } = provenance(event);
    if (name === 'claimed') ending = '';
    const words = ENDINGS.get(name);
    if (words) ending = event.data?.reason ? `${words}: ${event.data.reason}` : `${words}.`;
  }
  return ending;
}

/**
 * The time between two steps.
 * @param {number} ms
 */
export function durationInWords(ms) {
  if (ms < 1000) return `+${Math.round(ms)} ms`;
  if (ms < 60000) return `+${(ms / 1000).toFixed(1)} s`;
  return `+${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
}

/** @param {{width?: number, height?: number, fps?: number} | undefined} size */
function screen(size) {
  return size?.width ? `${size.width} × ${size.height}` : '';
}

/**
 * How a client's packets go.
 * @param {{pair?: {local?: {kind?: string}, remote?: {kind?: string}, protocol?: string}}} data of the event connected
 */
export function routeInWords({ pair }) {
  const kinds = [pair?.local?.kind, pair?.remote?.kind];
  if (!kinds.some(Boolean)) return '';
  return `${kinds.includes('relay') ? 'through TURN' : 'directly'}${pair?.protocol === 'tcp' ? ' over TCP' : ''}`;
}

/**
 * What of the client's devices cannot be served in its present stream, and why; the empty string where nothing is wrong.
 * @param {ReadonlyArray<LogEvent>} events in order
 */
export function deviceProblem(events) {
  let peer = '';
  /** @type {Map<string, string>} */
  const problems = new Map();
  for (const event of events) {
    const { name } = provenance(event);
    const data = event.data ?? {};
    if (name === 'attached' && data.role !== 'viewer' && data.peer !== peer) {
      peer = data.peer;
      problems.clear();
    }
    if (name === 'device_changed' && data.peer === peer && data.state === 'unavailable') problems.set(data.device, data.reason || 'no reason is known');
  }
  return [...problems].map(([device, reason]) => `The session cannot take your ${device}: ${reason}`).join(' ');
}
