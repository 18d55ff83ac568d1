'use strict';

// Every recording arrives once, whatever the service does meanwhile, and the caller is never held up or broken.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { NotAllowed, Refused, Undelivered, UsageClient } = require('..');
const { numbers, record, setUp, sleep, waiting } = require('./service.js');

test('the example of the founding document', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  const before = Date.now();
  const key = client.record('user123', 'sub456', 'report', 1, { reportId: 'abc123' });
  assert.ok(await client.flush());
  const { timestamp, ...event } = service.accepted.get(key);
  assert.ok(before <= Date.parse(timestamp) && Date.parse(timestamp) <= Date.now());
  assert.deepEqual(event, {
    userId: 'user123',
    subscriptionId: 'sub456',
    usageType: 'report',
    quantity: '1',
    metadata: { reportId: 'abc123' },
    idempotencyKey: key,
  });
  const [{ path: asked, headers }] = service.requests;
  assert.deepEqual([asked, headers['x-api-key']], ['/api/usage/record/batch', 'test-key']);
  assert.equal(headers['content-type'], 'application/json');
});

test('many go in few requests, in order, over one connection', async (t) => {
  const { service, make } = await setUp(t);
  const client = make({ tuning: { linger: 1 } });
  record(client, 2500);
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, numbers(1, 2500));
  assert.deepEqual(service.requests.map(({ count }) => count), [1000, 1000, 500]);
  assert.equal(service.connections, 1);
});

for (const trouble of ['503', '429', '500', '408', 'drop', 'cut', 'hang', 'accept-hang']) {
  test(`it arrives once through ${trouble}`, async (t) => {
    const { service, make } = await setUp(t);
    const client = make({ tuning: { timeout: trouble.includes('hang') ? 0.5 : 10 } });
    service.script.push(trouble, trouble);
    record(client, 10);
    assert.ok(await client.flush());
    assert.deepEqual(service.quantities, numbers(1, 10));
    const { accepted, retried, refused, dropped } = client.stats;
    assert.deepEqual([accepted, retried, refused, dropped], [10, 2, 0, 0]);
  });
}

for (const mode of ['proxy-413', 'proxy-400', 'foreign-400', 'foreign-422', '401', '404', 'html']) {
  test(`nothing is given up while ${mode} is answered`, async (t) => {
    const { service, make, base, logged } = await setUp(t);
    const client = make({ tuning: { linger: 1 } });
    service.mode = mode;
    record(client, 40);
    assert.ok(!(await client.flush(0.3)));
    await service.until(() => waiting(base).length === 40, 'all in the file');
    service.mode = 'ok';
    assert.ok(await client.flush());
    assert.deepEqual([...service.quantities].sort((a, b) => a - b), numbers(1, 40));
    if (mode !== 'proxy-413') assert.deepEqual(service.quantities, numbers(1, 40));
    assert.ok(service.requests.length < 100);
    assert.equal(client.stats.refused, 0);
    assert.ok(logged.length <= (mode === 'proxy-413' ? 2 : 1), 'said once a minute');
    assert.ok(!logged.join().includes('test-key'));
  });
}

test('a proxy that takes small bodies gets them', async (t) => {
  const { service, make } = await setUp(t);
  const client = make({ tuning: { linger: 1 } });
  service.maxBody = 1500;
  record(client, 40);
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, numbers(1, 40));
  assert.deepEqual([client.stats.refused, client.stats.retried], [0, 0]);
});

for (const writeAhead of [false, true]) {
  test(`one that a proxy finds too large holds up no other${writeAhead ? ', written ahead' : ''}`, async (t) => {
    const { service, base, make } = await setUp(t);
    const client = make({ writeAhead });
    service.maxBody = 1500;
    record(client, 10);
    const large = client.record('user123', 'sub456', 'report', 11, { note: 'x'.repeat(2000) });
    record(client, 10, { start: 12 });
    await service.until(() => service.accepted.size === 20, 'the others');
    assert.ok(!(await client.flush(0.3)));
    record(client, 10, { start: 22 });
    await service.until(() => service.accepted.size === 30, 'those after it');
    await service.until(() => client.stats.waiting === 1, 'that one alone waits');
    assert.ok(!service.accepted.has(large));
    service.maxBody = 10_000;
    assert.ok(await client.flush());
    assert.equal([...service.accepted.keys()].at(-1), large);
    assert.deepEqual([client.stats.waiting, client.stats.refused, waiting(base).length], [0, 0, 0]);
  });
}

test('one that is too large and was left by a dead process waits too', async (t) => {
  const { service, make } = await setUp(t);
  service.mode = '503';
  const first = make();
  record(first, 3);
  first.record('user123', 'sub456', 'report', 4, { note: 'x'.repeat(2000) });
  await first.close();
  Object.assign(service, { mode: 'ok', maxBody: 1500 });
  const client = make();
  await service.until(() => service.accepted.size === 3, 'the others');
  assert.ok(!(await client.flush(0.3)));
  service.maxBody = 10_000;
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, [1, 2, 3, 4]);
});

test('a flush counts what a dead process left while it becomes a recording of this client', async (t) => {
  const { service, make } = await setUp(t);
  service.mode = '503';
  const first = make();
  record(first, 3);
  first.record('user123', 'sub456', 'report', 4, { note: 'x'.repeat(2000) });
  await first.close();
  let turnAway;
  const mayTurnAway = new Promise((resolve) => (turnAway = resolve));
  Object.assign(service, { mode: 'ok', maxBody: 1500, mayTurnAway });
  const client = make({ tuning: { timeout: 10 } });
  await service.until(() => service.accepted.size === 3 && service.tooLargeAlone === 1, 'the others');
  const flushed = client.flush(1);
  await sleep(200);
  turnAway();
  assert.ok(!(await flushed));
  service.maxBody = 10_000;
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, [1, 2, 3, 4]);
});

test('some are refused, the others arrive', async (t) => {
  const { service, make, base } = await setUp(t);
  const told = [];
  const client = make({ onRefused: (event, why) => told.push([event.idempotencyKey, why.errors[0].code]), tuning: { linger: 1 } });
  const good = record(client, 20);
  const bad = record(client, 2, { usageType: 'bad' });
  good.push(...record(client, 20, { start: 100 }));
  assert.ok(await client.flush());
  assert.deepEqual([...service.accepted.keys()], good);
  assert.deepEqual(told, bad.map((key) => [key, 'invalid']));
  assert.equal(service.requests.length, 2);
  const [folder] = fs.readdirSync(base);
  const kept = fs.readFileSync(path.join(base, folder, 'refused.jsonl'), 'utf8').trim().split('\n');
  assert.deepEqual(kept.map((line) => JSON.parse(line).event.idempotencyKey), bad);
});

test('one that spoils its batch without being named is found', async (t) => {
  const { service, make } = await setUp(t);
  const client = make({ onRefused: () => { throw new Error('mistake of the caller'); }, tuning: { linger: 1 } });
  const good = record(client, 60);
  client.record('user123', 'sub456', 'odd');
  good.push(...record(client, 39, { start: 100 }));
  assert.ok(await client.flush());
  assert.deepEqual([...service.accepted.keys()], good);
  assert.ok(service.requests.length < 20);
});

test('the caller is told under which ids recordings were accepted', async (t) => {
  const { make } = await setUp(t);
  const told = [];
  const onAccepted = (event, id) => {
    told.push([event.idempotencyKey, id]);
    throw new Error('mistake of the caller');
  };
  const client = make({ onAccepted });
  const keys = record(client, 3);
  assert.ok(await client.flush());
  assert.deepEqual(told, keys.map((key) => [key, `id-${key}`]));
});

test('Retry-After is waited out', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  Object.assign(service, { retryAfter: '1', script: ['503'] });
  const began = Date.now();
  record(client, 1);
  assert.ok(await client.flush());
  assert.ok(Date.now() - began >= 1000);
});

test('a kept connection that was closed is no failure', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  record(client, 1);
  assert.ok(await client.flush());
  service.closeConnections();
  record(client, 1, { start: 2 });
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, [1, 2]);
  assert.ok(client.stats.retried <= 1);
});

test('mistakes are logged and told, and break no caller', async (t) => {
  const { make, logged } = await setUp(t);
  const told = [];
  const client = make({ onError: (error, given) => { told.push(given.usageType); throw error; } });
  const evil = { get x() { throw new Error('evil'); }, toJSON() { throw new Error('evil'); } };
  const wrong = [[5, 's', 't'], ['u', 's', 't', 'many'], ['u', 's', 't', NaN], ['u', 's', 't', 1, evil], ['u', evil, 't']];
  wrong.push(['u', 's', 't', 1, { f: () => 1 }], ['u', 's', 't', 1, {}, { at: new Date() }], [], ['u', 's', 't', 1, {}, 5]);
  for (const given of wrong) assert.equal(client.record(...given), null);
  assert.equal(client.stats.refused, wrong.length);
  assert.equal(told.length, wrong.length);
  assert.equal(logged.filter((text) => text.includes('NOT recorded')).length, wrong.length);
  for (const given of wrong) assert.throws(() => make({ strict: true }).record(...given));
});

test('before it is sent, a recording may be changed or left out', async (t) => {
  const { service, make } = await setUp(t);
  const client = make({
    beforeSend: (event) => (event.usageType === 'internal' ? null : { ...event, metadata: { masked: true } }),
  });
  assert.equal(client.record('u', 's', 'internal'), null);
  client.record('u', 's', 'report', 1, { name: 'Ann' });
  assert.ok(await client.flush());
  assert.deepEqual([...service.accepted.values()].map((event) => event.metadata), [{ masked: true }]);
  assert.equal(make({ beforeSend: () => undefined }).record('u', 's', 't'), null);
});

test('a look before it is sent makes no quantity where the usage type makes it', async (t) => {
  const { service, make } = await setUp(t);
  const client = make({ beforeSend: (event) => event });
  client.record('u', 's', 'tokens', null, { tokens: 7 });
  assert.ok(await client.flush());
  const [sent] = service.accepted.values();
  assert.deepEqual([sent.quantity, sent.metadata], [undefined, { tokens: 7 }]);
});

test('a look before it is sent may say another source, and nothing that no recording has', async (t) => {
  const { service, make } = await setUp(t);
  const client = make({ source: 'shop', beforeSend: (event) => ({ ...event, source: 'desk' }) });
  client.record('u', 's', 't');
  assert.ok(await client.flush());
  assert.deepEqual([...service.accepted.values()].map((event) => event.source), ['desk']);
  assert.equal(make({ beforeSend: (event) => ({ ...event, meta: {} }) }).record('u', 's', 't'), null);
});

test('recordNow returns the id, through trouble', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  service.script.push('503', 'drop', 'cut');
  assert.equal(await client.recordNow('u', 's', 't', 2, {}, { idempotencyKey: 'k1' }), 'id-k1');
  assert.equal(service.accepted.size, 1);
  assert.equal(await client.recordNow('u', 's', 't', 2, undefined, { idempotencyKey: 'k2', timeout: 1 }), 'id-k2');
});

test('recordNow says no', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  await assert.rejects(client.recordNow('u', 's', 'bad'), (error) => error instanceof Refused && error.errors.length === 1);
  await assert.rejects(client.recordNow('u', 's', 't', 'x'), RangeError);
  service.mode = '403';
  await assert.rejects(client.recordNow('u', 's', 't'), (error) => error instanceof NotAllowed && /usage:write/.test(error));
  service.mode = 'proxy-413';
  await assert.rejects(client.recordNow('u', 's', 't'), Undelivered);
  service.mode = 'hang';
  const began = Date.now();
  const options = { idempotencyKey: 'k1', timeout: 0.3 };
  await assert.rejects(client.recordNow('u', 's', 't', 1, {}, options), { name: 'Undelivered', key: 'k1' });
  assert.ok(Date.now() - began < 4000);
});

test('what is left out of a batch has its place', async (t) => {
  const { make } = await setUp(t);
  const beforeSend = (event) => (event.usageType === 'draft' ? null : event);
  const client = make({ beforeSend });
  const one = (usageType, idempotencyKey) => ({ userId: 'u', subscriptionId: 's', usageType, idempotencyKey });
  const given = [one('draft'), one('t', 'a'), one('draft'), one('t', 'b')];
  assert.deepEqual(await client.recordBatch(given), [null, 'id-a', null, 'id-b']);
  assert.deepEqual(await client.recordBatch([one('draft')]), [null]);
  await assert.rejects(client.recordBatch([one('draft'), one('t', 'c'), one('bad')]), (error) => {
    return error instanceof Refused && error.errors[0].pointer === '/events/2/usageType';
  });
  const kept = await make({ mode: 'memory', beforeSend }).recordBatch(given);
  assert.deepEqual(kept.map((id) => id !== null), [false, true, false, true]);
});

test('a batch is waited for: all or none', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  const one = { userId: 'u', subscriptionId: 's', usageType: 't' };
  const ids = await client.recordBatch([{ ...one, idempotencyKey: 'a' }, { ...one, idempotencyKey: 'b', quantity: null }]);
  assert.deepEqual(ids, ['id-a', 'id-b']);
  assert.equal(service.requests.length, 1);
  await assert.rejects(client.recordBatch([one, { ...one, usageType: 'bad' }]), (error) => {
    return error instanceof Refused && error.errors[0].pointer === '/events/1/usageType';
  });
  await assert.rejects(client.recordBatch([{ ...one, usagetype: 't' }]), /usagetype/);
  await assert.rejects(client.recordBatch(Array(1001).fill(one)), RangeError);
  service.mode = 'proxy-413';
  await assert.rejects(client.recordBatch([one, one]), (error) => error instanceof Undelivered && error.keys.length === 2);
  assert.equal(service.accepted.size, 2);
});

test('what became of a recording, and what was used, can be looked up', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  assert.deepEqual(await client.recording('a/b'), { asked: '/api/usage/records/a%2Fb', status: 'quarantined' });
  const { asked } = await client.usage({ subscriptionId: 'sub456', from: new Date(0) });
  assert.equal(asked, '/api/usage/subscription/sub456?from=1970-01-01T00%3A00%3A00.000Z');
  assert.equal((await client.usage({ userId: 'user123' })).asked, '/api/usage/user/user123');
  await assert.rejects(client.usage({ userId: 'u', subscriptionId: 's' }), TypeError);
  await assert.rejects(client.usage({ userId: 'u', period: 5 }), /period/);
  service.mode = '404';
  await assert.rejects(client.recording('x'), { name: 'Refused', status: 404 });
  service.mode = 'proxy-404';
  await assert.rejects(client.recording('x'), Undelivered);
});

test('a key is changed without another client', async (t) => {
  const { service, make, base } = await setUp(t);
  const client = make({ tuning: { misconfiguredPause: 30 } });
  service.mode = '401';
  record(client, 5);
  await service.until(() => client.stats.spilled === 5, 'the file');
  service.mode = 'ok';
  client.useKey('new-key\n');
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, numbers(1, 5));
  assert.equal(service.requests.at(-1).headers['x-api-key'], 'new-key');
  assert.throws(() => client.useKey(''), /apiKey/);
  assert.equal(waiting(base).length, 0);
});

test('for tests: in memory, and off', async () => {
  const memory = new UsageClient('', { mode: 'memory' });
  const key = memory.record('u', 's', 't', 2, { at: new Date(0) });
  await memory.recordNow('u', 's', 't');
  assert.equal(memory.recorded.length, 2);
  assert.deepEqual(memory.recorded[0].metadata, { at: '1970-01-01T00:00:00.000Z' });
  assert.equal(memory.recorded[0].idempotencyKey, key);
  assert.ok(await memory.flush());
  await memory.close();
  const off = new UsageClient(undefined, { mode: 'off' });
  assert.match(off.record('u', 's', 't'), /^[0-9a-f]{32}$/);
  assert.equal(off.record('u', 's', 5), null);
  assert.deepEqual(off.recorded, []);
  await assert.rejects(off.recording('x'), TypeError);
});

test('recording costs the caller no waiting', async (t) => {
  const { service, make } = await setUp(t);
  service.mode = 'hang';
  const client = make({ tuning: { timeout: 5 } });
  const began = Date.now();
  record(client, 3000);
  assert.ok(Date.now() - began < 2000);
  await sleep(50);
  assert.equal(client.stats.recorded, 3000);
  await client.close(0.1);
});
