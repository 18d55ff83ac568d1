'use strict';

// Asking the service now, and waiting for its answer.

const { judgeBatch, judgeLookUp, judgeSingle, pause, refusalFields } = require('./answer.js');
const { requestBody } = require('./batching.js');
const { NotAllowed, Refused, Undelivered } = require('./errors.js');

const RECORD_PATH = '/api/usage/record';
const DENIED = new Set([401, 403]);

class Immediate {
  constructor(transport, tuning) {
    Object.assign(this, { _transport: transport, _tuning: tuning });
  }

  /** Record one line; resolves with the id that the service gave it. */
  async record(line, { key, timeout }) {
    const request = { method: 'POST', path: RECORD_PATH, body: line };
    return (await this._insist(request, { judge: judgeSingle, keys: [key], timeout })).id;
  }

  /** Record lines, all or none; resolves with their ids. */
  async recordBatch(lines, { keys, timeout }) {
    const request = { method: 'POST', path: `${RECORD_PATH}/batch`, body: requestBody(lines) };
    return (await this._insist(request, { judge: (answer) => judgeBatch(answer, lines.length), keys, timeout })).ids;
  }

  /** Ask for what stands at a path; resolves with the JSON object of the answer. */
  async lookUp(path, { timeout }) {
    return this._insist({ method: 'GET', path }, { judge: judgeLookUp, keys: [], timeout });
  }

  /**
   * Ask until the service says yes or no, for `timeout` seconds; resolves with the body of the answer. Rejects with
   * Refused, NotAllowed or Undelivered. Keeps the process alive meanwhile.
   */
  async _insist({ method, path, body }, { judge, keys, timeout }) {
    const alive = setTimeout(() => {}, timeout * 1000 + 1000);
    const deadline = performance.now() + timeout * 1000;
    let reason = 'no time to send it';
    let wait = 0;
    try {
      for (let failures = 1; ; failures += 1) {
        const left = (deadline - performance.now()) / 1000 - wait;
        if (left <= 0) throw new Undelivered(`no answer within ${timeout} seconds: ${reason}`, { keys });
        await new Promise((resolve) => setTimeout(resolve, wait * 1000));
        const verdict = await this._ask(method, path, { body, judge, timeout: Math.min(left, this._tuning.timeout) });
        if (verdict.kind === 'accepted') return verdict.body;
        if (verdict.kind !== 'later') throw errorOf(verdict, keys);
        reason = verdict.reason;
        const { backoffBase: base, backoffCap: cap } = this._tuning;
        wait = pause(failures, { base, cap, retryAfter: verdict.retryAfter });
      }
    } finally {
      clearTimeout(alive);
    }
  }

  async _ask(method, path, { body, judge, timeout }) {
    try {
      return judge(await this._transport.ask(method, path, { body, timeout }));
    } catch (error) {
      return { kind: 'later', reason: error.message };
    }
  }
}

function errorOf(verdict, keys) {
  if (DENIED.has(verdict.status)) return new NotAllowed(verdict.reason);
  if (verdict.refused === undefined) return new Undelivered(verdict.reason, { keys });
  const { code, detail, errors } = refusalFields(verdict.body);
  return new Refused(detail, { status: verdict.status, code, errors });
}

module.exports = { Immediate };
