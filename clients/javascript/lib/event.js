'use strict';

// A recording as it goes over the wire and into files: one line of JSON.
//
// It is made when the usage happens, and has its own idempotency key and time. So it may be sent any number of times,
// from memory or from a file, today or after a restart: it still counts once, at the time when it happened. The service
// judges the values; this module refuses only what it cannot write at all.

const { randomUUID } = require('node:crypto');
const { plain } = require('./metadata.js');

/** Far more bytes than the service takes; it keeps a mistaken recording from filling the queue. */
const MAX_EVENT_BYTES = 256 * 1024;

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** An idempotency key: 32 random hexadecimal digits. */
function newKey() {
  return randomUUID().replaceAll('-', '');
}

/**
 * One recording as an object, all of it spelled. `quantity` undefined means 1, null that the usage type makes it from
 * the metadata. Throws TypeError or RangeError for what cannot be written.
 */
function spell({ userId, subscriptionId, usageType, quantity = 1, metadata, timestamp, idempotencyKey }, source) {
  const event = { userId, subscriptionId, usageType, idempotencyKey: idempotencyKey ?? newKey() };
  if (source) event.source = source;
  for (const [name, value] of Object.entries(event)) {
    if (typeof value !== 'string') throw new TypeError(`${name} must be a string, not ${kindOf(value)}`);
  }
  event.timestamp = spellTime(timestamp);
  if (quantity !== null) event.quantity = spellQuantity(quantity);
  if (metadata !== undefined && metadata !== null) {
    const isObject = typeof metadata === 'object' && !Array.isArray(metadata);
    const spelled = isObject ? plain(metadata) : metadata;
    if (typeof spelled !== 'object' || Array.isArray(spelled)) {
      throw new TypeError(`metadata must be an object, not ${kindOf(metadata)}`);
    }
    event.metadata = spelled;
  }
  return event;
}

/** The line of a recording, without its end, as bytes. Throws RangeError for one that is too long. */
function encode(event) {
  const line = Buffer.from(JSON.stringify(event));
  if (line.length > MAX_EVENT_BYTES) {
    throw new RangeError(`the recording has ${line.length} bytes, more than ${MAX_EVENT_BYTES}; send less metadata`);
  }
  return line;
}

/** The decimal that is meant, as text. A number counts as JavaScript prints it: `0.1` is one tenth. */
function spellQuantity(quantity) {
  if (typeof quantity === 'number') {
    if (!Number.isFinite(quantity)) throw new RangeError('quantity must be finite');
    if (Math.abs(quantity) > Number.MAX_SAFE_INTEGER) {
      throw new RangeError('a number beyond 2^53 has lost digits already: give the quantity as a BigInt or a string');
    }
    return Object.is(quantity, -0) ? '0' : String(quantity);
  }
  if (typeof quantity === 'bigint') return String(quantity);
  // An object is a decimal of a library, such as big.js or decimal.js, which prints itself.
  const text = typeof quantity === 'string' || isPrinted(quantity) ? String(quantity) : undefined;
  if (text === undefined) throw new TypeError(`quantity must be a number, a BigInt or a string, not ${kindOf(quantity)}`);
  if (!NUMBER.test(text)) throw new RangeError(`quantity must be a decimal number, not '${text.slice(0, 40)}'`);
  return text;
}

function isPrinted(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && value.toString !== Object.prototype.toString;
}

/** RFC 3339 in UTC; now, if `instant` is undefined. A string must be one with an offset. */
function spellTime(instant) {
  if (instant === undefined || instant === null) return new Date().toISOString();
  if (instant instanceof Date) {
    if (Number.isNaN(instant.getTime())) throw new RangeError('timestamp must be a valid Date');
    return instant.toISOString();
  }
  if (typeof instant !== 'string') throw new TypeError(`timestamp must be a Date or a string, not ${kindOf(instant)}`);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(instant)) {
    throw new RangeError('timestamp must be a time with an offset, such as 2026-01-31T14:00:00+02:00');
  }
  return instant;
}

function kindOf(value) {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}

module.exports = { MAX_EVENT_BYTES, encode, newKey, spell, spellQuantity, spellTime };
