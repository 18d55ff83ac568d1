'use strict';

// Delivers recordings: tries, waits, halves a refused request, and tells when the service is away.

const { judgeBatch, pause, refusalFields } = require('./answer.js');
const { halves, requestBody } = require('./batching.js');

const TOO_LARGE = 413;
/** So many recordings are found too large one by one before it waits, if no other gets through. */
const MOST_HELD = 8;
const BATCH_PATH = '/api/usage/record/batch';
/** Recordings that are only in memory wait no longer than this for another try; then they go to the file. */
const LONG_SECONDS = 2;

class Delivery {
  constructor(transport, tuning, { refusals, tally, notices, onAccepted }) {
    Object.assign(this, { _transport: transport, _tuning: tuning, _refusals: refusals, _tally: tally });
    Object.assign(this, { _notices: notices, _onAccepted: onAccepted });
    this._failures = 0;
    this._notBefore = 0;
    this._stopped = false;
    this._wake = () => {};
  }

  /** Whether the service has not taken anything for several tries. */
  get away() {
    return this._failures >= this._tuning.patience;
  }

  /** End `deliver` soon. */
  stop() {
    this._stopped = true;
    this._wake();
    this._transport.close();
  }

  /** Try at once what waits for a person to mend the configuration. */
  hurry() {
    this._notBefore = 0;
    this._wake();
  }

  /**
   * Send `lines`; resolves with those that are neither accepted nor refused: none, unless it was stopped, the service is
   * away and `patient` is false, or something between finds single recordings too large. Those hold up no others.
   */
  async deliver(lines, { patient }) {
    const parts = lines.length ? [lines] : []; // the next one last
    let held = [];
    let isJudged = false;
    while (parts.length) {
      await this._waitForTurn();
      if (this._stopped) break;
      const part = parts.pop();
      const verdict = await this._post(part);
      if (verdict?.status === TOO_LARGE && verdict.kind === 'keep') {
        held.push(...part);
        this._notices.say('large', 'error', `a recording is kept and not sent: ${verdict.reason}`);
        if (held.length < lines.length && (isJudged || held.length < MOST_HELD)) continue;
        this._fail(verdict); // nothing gets through, or nothing else is here: it would be sent again and again
        if (!patient || !parts.length) break;
        parts.unshift(held);
        held = [];
        continue;
      }
      if (verdict === undefined || verdict.kind === 'later' || verdict.kind === 'keep') {
        parts.push(part);
        this._fail(verdict);
        const isLong = this._notBefore > performance.now() + LONG_SECONDS * 1000;
        if (!patient && (this.away || isLong)) break;
        continue;
      }
      this._failures = 0;
      isJudged ||= verdict.kind !== 'divide' || part.length === 1;
      parts.push(...this._judged(part, verdict));
    }
    return [...parts.reverse().flat(), ...held];
  }

  async _waitForTurn() {
    const left = this._notBefore - performance.now();
    if (left <= 0 || this._stopped) return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, left).unref();
      this._wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async _post(part) {
    try {
      const answer = await this._transport.ask('POST', BATCH_PATH, {
        body: requestBody(part),
        timeout: this._tuning.timeout,
      });
      return judgeBatch(answer, part.length);
    } catch (error) {
      const text = `usage could not be sent, and will be again: ${error.message}`;
      if (!this._stopped) this._notices.say('away', 'warn', text);
      return undefined;
    }
  }

  /** Note what became of the recordings of a part; returns what is still to be sent, the next one last. */
  _judged(part, verdict) {
    const { status } = verdict;
    if (verdict.kind === 'accepted') {
      this._tally.accepted += part.length;
      if (this._onAccepted) part.forEach((line, index) => this._told(line, verdict.body.ids[index]));
      return [];
    }
    const fields = refusalFields(verdict.body);
    if (verdict.kind === 'refused') {
      for (const [index, errors] of [...verdict.refused].sort(([a], [b]) => a - b)) {
        this._refusals.add(part[index], { status, ...fields, errors });
      }
      const good = part.filter((_, index) => !verdict.refused.has(index));
      return good.length ? [good] : [];
    }
    if (part.length === 1) {
      this._refusals.add(part[0], { status, ...fields });
      return [];
    }
    return halves(part).reverse();
  }

  /** Tell the caller of an accepted recording. */
  _told(line, id) {
    try {
      this._onAccepted(JSON.parse(line), id);
    } catch (error) {
      this._notices.log('error', `onAccepted failed for ${id}: ${error}`);
    }
  }

  /** Count a failure, and set when to try again. */
  _fail(verdict) {
    const { backoffBase: base, backoffCap: cap, patience, misconfiguredPause } = this._tuning;
    this._tally.retried += 1;
    this._failures += 1;
    let wait = pause(this._failures, { base, cap, retryAfter: verdict?.retryAfter });
    if (verdict?.kind === 'keep') {
      // A person has to mend the configuration. Until then all is kept: another try would get the same answer.
      this._failures = Math.max(this._failures, patience);
      wait = misconfiguredPause + Math.min(wait, 1);
      this._notices.say('keep', 'error', `usage is kept and not sent: ${verdict.reason}`);
    } else if (verdict) {
      this._notices.say('later', 'warn', `usage will be sent again: ${verdict.reason}`);
    }
    this._notBefore = performance.now() + wait * 1000;
  }
}

module.exports = { Delivery };
