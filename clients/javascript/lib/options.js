'use strict';

// What a client is made with: the address, the key, where to keep what cannot be sent, and the fine tuning. What is not
// understood is refused.

const os = require('node:os');
const path = require('node:path');
const { createHash } = require('node:crypto');
const { readAddress } = require('./transport.js');

/**
 * Numbers that seldom need a change. Seconds and bytes.
 *
 * `linger`: how long a recording waits for others to fill its request. `patience`: failures in a row after which the
 * service counts as away and recordings go to the file. `maxWaiting` and `maxWaitingBytes` bound what is held in memory,
 * `spillBytes` what one client keeps in files.
 */
const TUNING = {
  linger: 0.2,
  maxEvents: 1000,
  maxRequestBytes: 1_000_000, // just below the megabyte that many a gateway allows
  maxWaiting: 10_000,
  maxWaitingBytes: 16 * 1024 * 1024,
  timeout: 10,
  backoffBase: 0.2,
  backoffCap: 30,
  patience: 4,
  misconfiguredPause: 30,
  spillBytes: 256 * 1024 * 1024,
  segmentBytes: 4 * 1024 * 1024,
  adoptEvery: 15,
  exitTimeout: 5,
};

const OPTIONS = {
  apiKey: 'string',
  mode: 'string',
  spill: 'boolean or string',
  writeAhead: 'boolean',
  fsync: 'boolean',
  source: 'string',
  strict: 'boolean',
  onAccepted: 'function',
  onRefused: 'function',
  onError: 'function',
  beforeSend: 'function',
  logger: 'object',
  tls: 'object',
  tuning: 'object',
};
const MODES = ['live', 'memory', 'off'];
const UNDER_TEST = ['NODE_TEST_CONTEXT', 'VITEST', 'JEST_WORKER_ID'];

/** Everything that a client is made with, checked; throws TypeError for what cannot be. */
function readOptions(url, options = {}) {
  for (const [name, value] of Object.entries(options)) {
    const kinds = OPTIONS[name];
    if (kinds === undefined) throw new TypeError(`there is no option '${name}'`);
    if (value !== undefined && !kinds.split(' or ').includes(typeof value)) {
      throw new TypeError(`${name} must be a ${kinds}`);
    }
  }
  const { mode = 'live', spill = true, source = '', writeAhead = false } = options;
  if (!MODES.includes(mode)) throw new TypeError(`mode must be one of ${MODES.join(', ')}`);
  if (writeAhead && spill === false) throw new TypeError('writeAhead needs a folder: spill must not be false');
  const address = mode === 'live' ? readAddress(url) : undefined;
  const apiKey = mode === 'live' ? readKey(options.apiKey) : '';
  return {
    ...options,
    address,
    apiKey,
    mode,
    source,
    writeAhead,
    base: mode === 'live' ? spillBase(spill) : undefined,
    logger: options.logger ?? console,
    tuning: readTuning(options.tuning),
  };
}

/** The key without the line break that files end with; throws TypeError for one that cannot be a key. */
function readKey(apiKey) {
  const key = typeof apiKey === 'string' ? apiKey.trim() : '';
  if (!/^[\x21-\x7e]+$/.test(key)) throw new TypeError('the apiKey is empty or holds characters that no key has');
  return key;
}

function readTuning(tuning = {}) {
  for (const [name, value] of Object.entries(tuning)) {
    if (!(name in TUNING)) throw new TypeError(`there is no tuning '${name}'`);
    if (typeof value !== 'number' || !(value > 0)) throw new TypeError(`${name} must be a number more than 0`);
  }
  return { ...TUNING, ...tuning };
}

/** The headers of each request. */
function headersFor(apiKey) {
  return {
    'Content-Type': 'application/json',
    Accept: 'application/json',
    'User-Agent': 'usage-billing-client-javascript',
    'x-api-key': apiKey,
  };
}

/**
 * The folder of the clients with this address, key and source below `base`; undefined for nowhere. A recording then never
 * goes out with another key than the one it was made with.
 */
function folderFor({ base, address, apiKey, source }) {
  if (base === undefined) return undefined;
  const sender = JSON.stringify([address, apiKey, source]);
  return path.join(path.resolve(base), `js-${createHash('sha256').update(sender).digest('hex').slice(0, 16)}`);
}

/**
 * What folders lie below: `spill` itself; with true `USAGE_BILLING_SPILL` or the user's state folder, but nothing if that
 * says `off`, or under a test runner: tests leave nothing that a service could find later.
 */
function spillBase(spill, environment = process.env) {
  if (spill === false) return undefined;
  if (spill !== true) return spill;
  const named = environment.USAGE_BILLING_SPILL;
  if (named) return named === 'off' ? undefined : named;
  if (UNDER_TEST.some((name) => name in environment)) return undefined;
  const state = environment.XDG_STATE_HOME || (os.homedir() && path.join(os.homedir(), '.local', 'state'));
  return state ? path.join(state, 'usage-billing-client') : undefined;
}

module.exports = { folderFor, headersFor, readKey, readOptions, spillBase };
