'use strict';

// `UsageClient`: what a service calls when something billable happened.

const { Engine } = require('./engine.js');
const { Refused } = require('./errors.js');
const { encode, spell } = require('./event.js');
const lifecycle = require('./lifecycle.js');
const { readKey, readOptions } = require('./options.js');
const { Notices, newTally } = require('./reporting.js');

const OPTIONS_OF_ONE = ['timestamp', 'idempotencyKey'];
const RECORDING = ['userId', 'subscriptionId', 'usageType', 'quantity', 'metadata', ...OPTIONS_OF_ONE];
const ASKED = ['subscriptionId', 'userId', 'from', 'to', 'cursor', 'limit', 'timeout'];

/** Records usage in the background. Make one for the whole process. */
class UsageClient {
  /** Throws TypeError for an address, a key or an option that cannot be one. */
  constructor(url, options) {
    this._setup = readOptions(url, options);
    this._tally = newTally();
    this._notices = new Notices(this._setup.logger);
    this._closing = undefined;
    /** With `mode: 'memory'`: what was recorded, as it would have been sent. */
    this.recorded = [];
    if (this._setup.mode !== 'live') return;
    this._engine = new Engine(this._setup, { tally: this._tally, notices: this._notices });
    lifecycle.track(this);
  }

  /**
   * Record usage, without waiting for the service. Returns its idempotency key; null if it was not taken, which the log
   * and `onError` say. Throws nothing, except that a `strict` client throws for what it cannot write down.
   */
  record(userId, subscriptionId, usageType, quantity = 1, metadata = undefined, options = {}) {
    const given = { userId, subscriptionId, usageType, quantity, metadata };
    try {
      const event = this._made(given, options, OPTIONS_OF_ONE);
      if (event === null) return null;
      if (this._setup.mode !== 'live') return this._keep(event);
      const line = encode(event);
      this._tally.recorded += 1;
      if (this._engine.sender.put(line)) return event.idempotencyKey;
      this._tell(new Error('the recording is lost: no room in memory, and no file to keep it in'), given);
      return null;
    } catch (error) {
      if (this._setup.strict) throw error;
      this._tally.refused += 1;
      this._notices.log('error', `usage NOT recorded: ${textOf(error)} (${textOf(subscriptionId)}, ${textOf(usageType)})`);
      this._tell(error, given);
      return null;
    }
  }

  /**
   * Record usage and wait for the service; resolves with the id under which it can be looked up. Rejects with Refused,
   * NotAllowed, or after `timeout` seconds (10) Undelivered; with TypeError or RangeError for what cannot be written.
   */
  async recordNow(userId, subscriptionId, usageType, quantity = 1, metadata = undefined, options = {}) {
    const { timeout = 10, ...rest } = options;
    const given = { userId, subscriptionId, usageType, quantity, metadata };
    const event = this._made(given, rest, OPTIONS_OF_ONE);
    if (event === null) return null;
    if (this._setup.mode !== 'live') return this._keep(event);
    return this._engine.immediate.record(encode(event), { key: event.idempotencyKey, timeout });
  }

  /**
   * Record up to `maxEvents` (1,000) objects `{userId, subscriptionId, usageType, quantity, ...}` in one request and wait:
   * all are accepted or none. Resolves with an id for each, in order, null for one that `beforeSend` leaves out; rejects
   * as `recordNow` does. The pointers `/events/N` of a refusal count the recordings that were given.
   */
  async recordBatch(recordings, { timeout = 10 } = {}) {
    const most = this._setup.tuning.maxEvents;
    const made = Array.from(recordings, (given) => this._made(given, {}, []));
    const events = made.filter((event) => event !== null);
    if (events.length > most) throw new RangeError(`at most ${most} recordings go into one batch`);
    const ids = events.length ? await this._sent(events, { timeout, places: placesOf(made) }) : [];
    const next = ids.values();
    return made.map((event) => (event === null ? null : next.next().value));
  }

  async _sent(events, { timeout, places }) {
    if (this._setup.mode !== 'live') return events.map((event) => this._keep(event));
    const keys = events.map((event) => event.idempotencyKey);
    try {
      return await this._engine.immediate.recordBatch(events.map(encode), { keys, timeout });
    } catch (error) {
      if (error instanceof Refused) error.errors = error.errors.map((one) => inPlace(one, places));
      throw error;
    }
  }

  /** What became of a recording, by the id that `recordNow` gave: its `status` is `quarantined` if it is not counted. */
  async recording(id, { timeout = 10 } = {}) {
    return this._lookUp(`/api/usage/records/${encodeURIComponent(id)}`, timeout);
  }

  /** What a subscription or a user used: an answer of `/api/usage/subscription/:id` or `/api/usage/user/:id`. */
  async usage(asked) {
    const { subscriptionId, userId, timeout = 10, ...query } = refuseOthers(asked, ASKED);
    if ((subscriptionId === undefined) === (userId === undefined)) {
      throw new TypeError('usage needs a subscriptionId or a userId, and not both');
    }
    const [kind, id] = userId === undefined ? ['subscription', subscriptionId] : ['user', userId];
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(given.map(([name, value]) => [name, spelled(value)])).toString();
    return this._lookUp(`/api/usage/${kind}/${encodeURIComponent(id)}${text && `?${text}`}`, timeout);
  }

  /**
   * Wait until the service has judged all that was recorded; false if not within `seconds`. That is all of this client,
   * and what processes that are dead left in the folder. What other living processes have not sent is not counted.
   */
  async flush(seconds = 5) {
    return this._engine === undefined || this._engine.sender.wait(seconds);
  }

  /**
   * Send what waits, within `seconds` (5); the rest is kept in the file. Happens by itself when the process has nothing
   * else to do; `process.exit()` writes all to the file. What is recorded later goes to the file at once.
   */
  close(seconds = this._setup.tuning.exitTimeout) {
    this._closing ??= (async () => {
      await this._engine?.close(seconds);
      lifecycle.untrack(this);
    })();
    return this._closing;
  }

  /** Go on with another key; what waits is sent with it. Throws TypeError for one that cannot be a key. */
  useKey(apiKey) {
    const key = readKey(apiKey);
    this._engine?.useKey(key);
  }

  /** How many recordings went which way. */
  get stats() {
    return { ...this._tally, waiting: this._engine?.sender.count ?? 0 };
  }

  _end() {
    this._engine.end();
    lifecycle.untrack(this);
  }

  /** The event of a recording, after `beforeSend`; null if that leaves it out. */
  _made(given, options, known) {
    const named = refuseOthers(options ?? {}, known);
    const { source, beforeSend } = this._setup;
    const event = spell({ ...(known.length ? given : refuseOthers(given, RECORDING)), ...named }, source);
    if (beforeSend === undefined) return event;
    const left = beforeSend(event);
    if (left === null) return null;
    if (typeof left !== 'object') throw new TypeError('beforeSend must return the recording, or null to leave it out');
    refuseOthers(left, [...RECORDING, 'source']);
    // Without a quantity the usage type makes it.
    return spell({ ...left, quantity: left.quantity ?? null }, left.source ?? source);
  }

  _keep(event) {
    this._tally.recorded += 1;
    if (this._setup.mode === 'memory') this.recorded.push(JSON.parse(encode(event)));
    return event.idempotencyKey;
  }

  _tell(error, given) {
    try {
      this._setup.onError?.(error, given);
    } catch (failure) {
      this._notices.log('error', `onError failed: ${textOf(failure)}`);
    }
  }

  _lookUp(path, timeout) {
    if (this._engine === undefined) throw new TypeError(`a client in mode '${this._setup.mode}' looks nothing up`);
    return this._engine.immediate.lookUp(path, { timeout });
  }
}

function refuseOthers(given, known) {
  if (typeof given !== 'object' || given === null) throw new TypeError('an object is needed here');
  const other = Object.keys(given).find((name) => !known.includes(name));
  if (other !== undefined) throw new TypeError(`there is no '${other}' here; known are ${known.join(', ')}`);
  return given;
}

/** Where the events that are sent stand among those that were given: what is left out is null there. */
function placesOf(made) {
  return made.flatMap((event, place) => (event === null ? [] : [place]));
}

/** An error whose pointer `/events/N` counts what was sent, counting what was given. */
function inPlace(error, places) {
  const found = /^\/events\/([0-9]{1,9})(?=\/|$)/.exec(error?.pointer);
  const place = found === null ? undefined : places[Number(found[1])];
  return place === undefined ? error : { ...error, pointer: `/events/${place}${error.pointer.slice(found[0].length)}` };
}

function spelled(value) {
  return value instanceof Date ? value.toISOString() : String(value);
}

/** The text of a value for the log, also of an object that fails to print itself. */
function textOf(value) {
  try {
    return value instanceof Error ? value.message : String(JSON.stringify(value)).slice(0, 200);
  } catch {
    return `<${typeof value}>`;
  }
}

module.exports = { UsageClient };
