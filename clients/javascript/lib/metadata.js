'use strict';

// How metadata is written that JSON has no form for, or drops without a word: as the text that a person would write.
//
// Usage is not lost for the form of its metadata. What has no plain form, such as a function or bytes that are no
// text, is refused with a TypeError. `undefined` members are left out, as JSON does.

const DEEPEST = 500;
const TEXT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `value` made of what JSON has; throws TypeError or RangeError for what has no plain form. */
function plain(value, within = []) {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return String(value);
    case 'function':
    case 'symbol':
      throw new TypeError(`metadata cannot hold a ${typeof value}`);
    case 'object':
      return value === null ? null : plainObject(value, within);
    default:
      return value;
  }
}

function plainObject(value, within) {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return plain(value.valueOf());
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return textOf(value);
  if (value instanceof Error || value instanceof RegExp) return String(value);
  if (within.includes(value)) throw new TypeError('metadata cannot hold itself');
  if (within.length >= DEEPEST) throw new RangeError('metadata is nested too deep');
  within.push(value);
  const found = plainMembers(value, within);
  within.pop();
  return found;
}

function plainMembers(value, within) {
  if (typeof value.toJSON === 'function') return plain(value.toJSON(), within);
  if (value instanceof Map) return members(value, within);
  if (Array.isArray(value) || value instanceof Set) {
    return Array.from(value, (member) => plain(member === undefined ? null : member, within));
  }
  return members(Object.entries(value), within);
}

function members(entries, within) {
  const found = Object.create(null);
  for (const [name, value] of entries) {
    if (value === undefined) continue;
    const text = typeof name === 'string' ? name : String(plain(name, within));
    if (text in found) throw new TypeError('two names of the metadata are written alike');
    found[text] = plain(value, within);
  }
  return found;
}

function textOf(bytes) {
  try {
    return TEXT.decode(bytes);
  } catch {
    throw new TypeError("metadata cannot hold bytes that are no UTF-8 text; give them as text, such as toString('hex')");
  }
}

module.exports = { plain };
