'use strict';

// The parts without I/O: how a recording is spelled, batches, waits, and what an answer means.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { judgeBatch, judgeSingle, pause, readRetryAfter } = require('../lib/answer.js');
const { fitting, halves, requestBody, splitChunk } = require('../lib/batching.js');
const { encode, spell, spellQuantity, spellTime } = require('../lib/event.js');
const { folderFor, spillBase } = require('../lib/options.js');
const { UsageClient } = require('..');

const metadataOf = (value) => {
  const event = spell({ userId: 'u', subscriptionId: 's', usageType: 't', metadata: { x: value } });
  return JSON.parse(encode(event)).metadata;
};

class Decimal {
  toString() {
    return '0.10';
  }
}

for (const [quantity, text] of [
  [1, '1'],
  [0.1, '0.1'],
  [0.1 + 0.2, '0.30000000000000004'],
  [1e-7, '1e-7'],
  [-0, '0'],
  [10n ** 30n, `1${'0'.repeat(30)}`],
  ['2.50', '2.50'],
  ['1e3', '1e3'],
  [new Decimal(), '0.10'],
]) {
  test(`the quantity ${String(quantity)} is the decimal that is meant`, () => assert.equal(spellQuantity(quantity), text));
}

for (const quantity of [NaN, Infinity, 2 ** 53, '', ' 5', '1_000', '0x1', 'NaN', '01', {}, [], true, undefined, () => 1]) {
  test(`there is no quantity ${typeof quantity} ${String(quantity)}`, () => {
    assert.throws(() => spellQuantity(quantity), /quantity|BigInt/);
  });
}

test('times carry an offset', () => {
  assert.equal(spellTime(new Date(0)), '1970-01-01T00:00:00.000Z');
  assert.equal(spellTime('2026-01-31T14:00:00+02:00'), '2026-01-31T14:00:00+02:00');
  for (const wrong of [new Date(NaN), '2026-01-31T14:00:00', 'yesterday', 5]) assert.throws(() => spellTime(wrong));
});

for (const [value, written] of [
  [new Date(0), '1970-01-01T00:00:00.000Z'],
  [new Date(NaN), 'Invalid Date'],
  [NaN, 'NaN'],
  [-Infinity, '-Infinity'],
  [12n, '12'],
  [new Map([['a', new Set([1, 2n])], [5, NaN]]), { a: [1, '2'], 5: 'NaN' }],
  [Buffer.from('Zoë'), 'Zoë'],
  [new URL('http://x/'), 'http://x/'],
  [new Error('no'), 'Error: no'],
  [[undefined, null], [null, null]],
  [{ a: undefined, b: { c: 1 } }, { b: { c: 1 } }],
  ['\ud800', '\ud800'],
]) {
  test(`metadata with ${Object.prototype.toString.call(value)} ${String(value)} is written as what it is`, () => {
    assert.deepEqual(metadataOf(value), { x: written });
  });
}

const circle = {};
circle.self = [circle, circle];
for (const value of [() => 1, Symbol('x'), Buffer.from([0xff]), circle, 'y'.repeat(300_000), new Map([[1, 1], ['1', 2]])]) {
  test(`metadata with ${typeof value} ${String(value).slice(0, 20)} is refused`, () => {
    assert.throws(() => metadataOf(value), /metadata/);
  });
}

test('a name that objects have anyway is a name like others', () => {
  const metadata = JSON.parse('{"__proto__":{"a":1},"constructor":2}');
  const event = spell({ userId: 'u', subscriptionId: 's', usageType: 't', metadata });
  assert.match(String(encode(event)), /"__proto__":\{"a":1\},"constructor":2/);
});

test('names must be strings', () => {
  for (const wrong of [{ userId: 5 }, { subscriptionId: null }, { usageType: undefined }, { metadata: [] }, { metadata: 'x' }]) {
    const given = { userId: 'u', subscriptionId: 's', usageType: 't', ...wrong };
    assert.throws(() => spell(given), /must be/);
  }
});

test('batches are bounded by count and size', () => {
  const lines = Array.from({ length: 50 }, () => Buffer.from('x'.repeat(100)));
  assert.equal(fitting(lines, { maxEvents: 10, maxBytes: 100_000 }), 10);
  const count = fitting(lines, { maxEvents: 1000, maxBytes: 1000 });
  assert.ok(requestBody(lines.slice(0, count)).length <= 1000);
  assert.ok(requestBody(lines.slice(0, count + 1)).length > 1000);
  assert.equal(fitting([Buffer.alloc(5000)], { maxEvents: 10, maxBytes: 1000 }), 1);
  assert.deepEqual(halves([1, 2, 3]), [[1, 2], [3]]);
});

test('a chunk ends where a line ends', () => {
  const split = (text, maxEvents = 10) => {
    const chunk = splitChunk(Buffer.from(text, 'latin1'), { maxEvents, maxBytes: 1000 });
    return [chunk.lines.map(String), chunk.broken.map((line) => line.toString('latin1')), chunk.length];
  };
  assert.deepEqual(split('{"a":1}\n{"a":2}\n{"a":'), [['{"a":1}', '{"a":2}'], [], 16]);
  assert.deepEqual(split('{"a":1}\n{"a":2}\n', 1), [['{"a":1}'], [], 8]);
  assert.deepEqual(split('{"a":1}\n\0\0\xff\n\n[]\n{"a":2}\n'), [['{"a":1}', '{"a":2}'], ['\0\0\xff', '[]'], 24]);
  assert.deepEqual(split('{"a":'), [[], ['{"a":'], 5]);
});

const PROBLEM = { code: 'invalid_request', detail: 'no', requestId: '0123456789abcdef' };
const PROBLEM_TYPE = { 'content-type': 'application/problem+json; charset=utf-8' };
const answer = (status, body = '', headers = PROBLEM_TYPE) => {
  const isProblem = body.code !== undefined && body.status === undefined;
  return { status, headers, body: typeof body === 'string' ? body : JSON.stringify(isProblem ? { ...body, status } : body) };
};

for (const [given, kind] of [
  [answer(202, { accepted: 3, ids: ['a', 'b', 'c'] }), 'accepted'],
  [answer(202, { accepted: 3, ids: [] }), 'keep'],
  [answer(202, { accepted: 2, ids: [] }), 'keep'],
  [answer(200, '<html>'), 'keep'],
  [answer(204), 'keep'],
  [answer(302), 'keep'],
  [answer(400, 'plain HTTP to an HTTPS port'), 'keep'],
  [answer(404, PROBLEM), 'keep'],
  [answer(413, 'nginx'), 'divide'],
  [answer(400, PROBLEM), 'divide'],
  [answer(400, PROBLEM, { 'content-type': 'application/json' }), 'keep'],
  [answer(400, { code: 'INVALID' }), 'keep'],
  [answer(400, { ...PROBLEM, status: 422 }), 'keep'],
  [answer(422, { ...PROBLEM, errors: [{ pointer: '/events/2/quantity' }] }), 'refused'],
  [answer(422, { ...PROBLEM, errors: [{ pointer: '/events/3/quantity' }] }), 'divide'],
  [answer(422, { ...PROBLEM, errors: [{ pointer: '/events/2/quantity' }, { pointer: '' }] }), 'divide'],
  [answer(422, { ...PROBLEM, errors: ['x', 5, null] }), 'divide'],
  [answer(401, PROBLEM), 'keep'],
  [answer(429, PROBLEM), 'later'],
  [answer(502, '<html>'), 'later'],
]) {
  test(`an answer ${given.status} ${given.body} means ${kind}`, () => assert.equal(judgeBatch(given, 3).kind, kind));
}

test('what an answer to one means', () => {
  assert.equal(judgeSingle(answer(202, { id: 'x' })).kind, 'accepted');
  assert.equal(judgeSingle(answer(202, { status: 'accepted' })).kind, 'keep');
  assert.equal(judgeSingle(answer(413, 'nginx')).kind, 'keep');
  assert.equal(judgeSingle(answer(413, PROBLEM)).kind, 'divide');
  assert.equal(judgeBatch(answer(503, '', { 'retry-after': '5' }), 1).retryAfter, 5);
});

test('waits double up to a cap and are spread', () => {
  for (const failures of [1, 5, 30, 10_000]) {
    const waits = Array.from({ length: 200 }, () => pause(failures, { base: 0.2, cap: 30 }));
    const top = Math.min(30, 0.2 * 2 ** Math.min(failures - 1, 20));
    assert.ok(Math.min(...waits) < top * 0.2 && Math.max(...waits) > top * 0.8 && Math.max(...waits) <= top);
  }
  assert.ok(pause(1, { base: 0.2, cap: 30, retryAfter: 7 }) >= 7);
  assert.ok(pause(1, { base: 0.2, cap: 30, retryAfter: 1e9 }) <= 301);
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  const read = (text) => readRetryAfter(text, now);
  assert.deepEqual(['7', ' 0 ', 'Sat, 31 Jan 2026 12:00:30 GMT', 'Sat, 31 Jan 2026 11:00:00 GMT'].map(read), [7, 0, 30, 0]);
  assert.deepEqual([undefined, 'soon', '-1', ''].map(read), [undefined, undefined, undefined, undefined]);
});

test('a client that cannot be is refused at once', () => {
  const make = (url, options) => () => new UsageClient(url, { spill: false, ...options });
  for (const url of ['payment-service:5003', 'ftp://x', 'http://', 'http://u:p@x', 'http://x?a=1', '', undefined]) {
    assert.throws(make(url, { apiKey: 'key' }), /address/);
  }
  for (const apiKey of ['', ' ', 'a\nb', 'schlüssel', undefined]) assert.throws(make('http://x', { apiKey }), /apiKey/);
  assert.throws(make('http://x', { apiKey: 'key', retries: 3 }), /retries/);
  assert.throws(make('http://x', { apiKey: 'key', tuning: { linger: 0 } }), /linger/);
  assert.throws(make('http://x', { apiKey: 'key', tuning: { lingers: 1 } }), /lingers/);
  assert.throws(make('http://x', { apiKey: 'key', writeAhead: true }), /writeAhead/);
  assert.throws(make('http://x', { apiKey: 'key', mode: 'dry' }), /mode/);
});

test('each address and key has a folder of its own, and tests have none', () => {
  const folder = (more) => folderFor({ base: '/b', address: 'http://x', apiKey: 'k', source: '', ...more });
  const folders = [folder({}), folder({ apiKey: 'k2' }), folder({ address: 'http://y' }), folder({ source: 's' })];
  assert.equal(new Set(folders).size, 4);
  assert.equal(spillBase(true, { XDG_STATE_HOME: '/state' }), '/state/usage-billing-client');
  assert.equal(spillBase(true, { XDG_STATE_HOME: '/state', NODE_TEST_CONTEXT: 'child' }), undefined);
  assert.equal(spillBase(true, { USAGE_BILLING_SPILL: 'off' }), undefined);
  assert.equal(spillBase(true, { USAGE_BILLING_SPILL: '/x', VITEST: 'true' }), '/x');
});

test('the package needs nothing but Node, and its modules are short', () => {
  const folder = path.join(__dirname, '..', 'lib');
  for (const name of fs.readdirSync(folder)) {
    const text = fs.readFileSync(path.join(folder, name), 'utf8');
    for (const [, wanted] of text.matchAll(/^[^/]*require\('([^']+)'\)/gm)) assert.match(wanted, /^(node:|\.\/)/, name);
    assert.ok(text.split('\n').length <= 250, name);
  }
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(__dirname, '..', 'package.json'), 'utf8'));
  assert.equal(dependencies, undefined);
});

test('import and require have the same names', async () => {
  const { default: absent, ...names } = await import('../index.mjs');
  assert.deepEqual(names, { ...require('..') });
  assert.equal(absent, undefined);
});
