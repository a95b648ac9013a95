/**
 * What the streamer decided, in words, as far as somebody who watches sees it.
 * @module decisions
 */

/** A target below this part of the one before is worth a word; the others are steps. The gateway's history has the same rule. */
const FALL_SHARE = 0.75;

/** Why a target fell. @type {Record<string, string>} */
const CAUSES = {
  delay: 'packets queue up on the way',
  drained: 'packets queued up on the way',
  loss: 'packets are lost on the way',
  probe: 'the network carries less than was tried',
};

/**
 * @typedef {object} Moment
 * @property {number} time in milliseconds since 1970
 * @property {string} kind as in the decision
 * @property {string} text one line
 */

/** Picks the moments out of decisions; a target is compared with that of the same client before it. */
export class Decisions {
  /** @type {Map<string, number>} client → its last target in kbit/s */
  #targets = new Map();

  clear() {
    this.#targets.clear();
  }

  /**
   * @param {import('./api.js').LogEvent[]} events of the quality stream, oldest first; samples are passed over
   * @returns {Moment[]}
   */
  take(events) {
    return events.flatMap(({ data }) => (data.list ?? []).flatMap((/** @type {any} */ decision) => {
      const text = this.#inWords(String(data.peer), decision);
      return text ? [{ time: decision.unix_ms, kind: decision.kind, text }] : [];
    }));
  }

  /**
   * @param {string} peer
   * @param {any} decision
   */
  #inWords(peer, { kind, cause, target_kbps: kbps, pictures = 0, from, to }) {
    const dropped = pictures > 0 ? `, ${pictures} ${pictures === 1 ? 'picture' : 'pictures'} dropped` : '';
    switch (kind) {
      case 'target': {
        const before = this.#targets.get(peer) ?? 0;
        this.#targets.set(peer, kbps);
        if (kbps >= FALL_SHARE * before) return '';
        return `Bitrate lowered from ${before} to ${kbps} kbit/s: ${CAUSES[cause] ?? cause}`;
      }
      case 'drop': return `Faster than the network carries it${dropped}`;
      case 'outage': return `Nothing is heard of this browser: nothing is sent${dropped}`;
      case 'resume': return 'This browser is heard again';
      case 'fallback': return `Encoder ${from} failed: ${to} took over`;
      default: return '';
    }
  }
}
