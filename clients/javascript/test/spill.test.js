'use strict';

// What cannot be sent waits in files: in order, whole, for the next process, and is gone once acknowledged.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { STALE_SECONDS, Segment } = require('../lib/segment.js');
const { Spill } = require('../lib/spill.js');
const { Service, numbers, record, setUp, sleep, waiting } = require('./service.js');

const quantitiesIn = (base) => waiting(base).map((event) => Number(event.quantity));
const files = (base) => fs.readdirSync(base).flatMap((name) => fs.readdirSync(path.join(base, name)));

test('away for a while', async (t) => {
  const { service, base, make } = await setUp(t);
  const client = make();
  service.mode = '503';
  record(client, 50);
  await service.until(() => client.stats.spilled === 50, 'the file');
  record(client, 50, { start: 51 });
  assert.deepEqual(quantitiesIn(base), numbers(1, 100));
  service.mode = 'ok';
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, numbers(1, 100));
  assert.deepEqual([service.copies, client.stats.spilled, files(base).length], [0, 100, 0]);
  record(client, 1, { start: 101 });
  assert.ok(await client.flush());
  assert.equal(client.stats.spilled, 100, 'back in memory once the file is empty');
});

test('nothing listens at all', async (t) => {
  const { make, base } = await setUp(t);
  const gone = await new Service().start();
  const { url, port } = gone;
  await gone.stop();
  const client = make({ url });
  record(client, 10);
  assert.ok(!(await client.flush(0.3)));
  assert.deepEqual(quantitiesIn(base), numbers(1, 10));
  const back = await new Service().start(port);
  t.after(() => back.stop());
  assert.ok(await client.flush());
  assert.deepEqual(back.quantities, numbers(1, 10));
});

test('more than memory takes', async (t) => {
  const { service, base, make } = await setUp(t);
  const client = make({ tuning: { maxWaiting: 100, maxEvents: 50, timeout: 5, segmentBytes: 10_000 } });
  service.script.push('hang');
  record(client, 1);
  await service.until(() => service.requests.length === 1, 'the first request');
  record(client, 500, { start: 2 });
  assert.equal(client.stats.spilled, 500);
  assert.ok(files(base).length > 1);
  service.closeConnections();
  assert.ok(await client.flush());
  assert.deepEqual([...service.quantities].sort((a, b) => a - b), numbers(1, 501));
  assert.equal(files(base).length, 0);
});

test('bounded on disk too', async (t) => {
  const { service, make, logged } = await setUp(t);
  const told = [];
  const client = make({ tuning: { maxWaiting: 10, spillBytes: 20_000 }, onError: (error) => told.push(error.message) });
  service.mode = '503';
  const keys = record(client, 1000);
  const { dropped } = client.stats;
  assert.ok(dropped > 500);
  assert.equal(keys.filter((key) => key === null).length, dropped);
  assert.equal(told.length, dropped);
  assert.ok(logged.join().includes('LOST') && logged.length < 10);
  service.mode = 'ok';
  assert.ok(await client.flush());
  assert.deepEqual(new Set(service.accepted.keys()), new Set(keys.filter(Boolean)));
});

test('no folder to be had', async (t) => {
  const { service, base, make, logged } = await setUp(t);
  fs.writeFileSync(path.join(base, 'file'), 'in the way');
  const client = make({ spill: path.join(base, 'file', 'spill') });
  assert.ok(logged.join().includes('no folder'));
  service.mode = '503';
  record(client, 5);
  await service.until(() => service.requests.length > 5, 'six tries');
  service.mode = 'ok';
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, numbers(1, 5));
  fs.unlinkSync(path.join(base, 'file'));
});

test('a folder that others can write is not used, and files are private', async (t) => {
  const { base, make, logged } = await setUp(t);
  await make({ writeAhead: true }).close();
  const [name] = fs.readdirSync(base);
  record(make({ writeAhead: true, tuning: { linger: 30 } }), 1);
  assert.equal(fs.statSync(path.join(base, name)).mode & 0o077, 0);
  const [file] = fs.readdirSync(path.join(base, name));
  assert.equal(fs.statSync(path.join(base, name, file)).mode & 0o077, 0);
  fs.chmodSync(path.join(base, name), 0o777);
  make();
  assert.ok(logged.join().includes('another user'));
  fs.chmodSync(path.join(base, name), 0o700);
});

for (const fsync of [false, true]) {
  test(`written ahead${fsync ? ' and to the disk' : ''} when record returns`, async (t) => {
    const { service, base, make } = await setUp(t);
    const client = make({ writeAhead: true, fsync, tuning: { linger: 30 } });
    record(client, 20);
    assert.deepEqual(quantitiesIn(base), numbers(1, 20));
    assert.ok(await client.flush());
    assert.deepEqual(service.quantities, numbers(1, 20));
    assert.deepEqual([files(base).length, service.requests.length], [0, 1]);
  });
}

test('the next client sends what the last one left, and not with another key', async (t) => {
  const { service, base, make } = await setUp(t);
  service.mode = '503';
  const first = make();
  record(first, 30);
  await first.close();
  assert.deepEqual(quantitiesIn(base), numbers(1, 30));
  service.mode = 'ok';
  const other = make({ apiKey: 'other-key' });
  record(other, 1, { start: 100 });
  assert.ok(await other.flush());
  assert.deepEqual(service.quantities, [100]);
  const second = make();
  assert.ok(await second.flush());
  assert.deepEqual(service.quantities, [100, ...numbers(1, 30)]);
  assert.deepEqual([second.stats.accepted, files(base).length], [30, 0]);
});

test('what comes after the end goes to the file', async (t) => {
  const { service, make } = await setUp(t);
  const client = make();
  await client.close();
  record(client, 20);
  assert.ok(!(await client.flush(0.1)));
  assert.ok(await make().flush());
  assert.deepEqual(service.quantities, numbers(1, 20));
});

test('a half line and rubbish hold nothing up', async (t) => {
  const { service, base, make } = await setUp(t);
  service.mode = '503';
  const first = make();
  record(first, 3);
  await first.close();
  const [name] = fs.readdirSync(base);
  const [file] = fs.readdirSync(path.join(base, name));
  const place = path.join(base, name, file);
  const good = fs.readFileSync(place);
  fs.writeFileSync(place, Buffer.concat([Buffer.from('{"a":\0\0\xff\n[]\n'), good, Buffer.from('{"userId":"us')]));
  service.mode = 'ok';
  assert.ok(await make().flush());
  assert.deepEqual(service.quantities, numbers(1, 3));
  const refused = fs.readFileSync(path.join(base, name, 'refused.jsonl'), 'utf8').trim().split('\n');
  assert.deepEqual(refused.map((line) => JSON.parse(line).code), Array(3).fill('unreadable'));
});

test('a file that was cut is set aside', async (t) => {
  const { service, base, make, logged } = await setUp(t);
  service.mode = '503';
  const client = make({ writeAhead: true });
  record(client, 3);
  await service.until(() => service.requests.length > 1, 'two tries');
  const [name] = fs.readdirSync(base);
  fs.truncateSync(path.join(base, name, fs.readdirSync(path.join(base, name))[0]));
  service.mode = 'ok';
  assert.ok(await client.flush());
  record(client, 2, { start: 10 });
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities.slice(-2), [10, 11]);
  assert.ok(logged.length > 0);
});

test('links are not followed', async (t) => {
  const { service, base, make } = await setUp(t);
  await make().close();
  const [name] = fs.readdirSync(base);
  fs.writeFileSync(path.join(base, 'elsewhere'), '{"a":1}\n');
  fs.symlinkSync('../elsewhere', path.join(base, name, `spill-${'0'.repeat(16)}-01234567-0-01234567.jsonl`));
  const client = make();
  record(client, 1);
  assert.ok(await client.flush());
  assert.deepEqual(service.quantities, [1]);
  assert.ok(fs.existsSync(path.join(base, 'elsewhere')));
  fs.unlinkSync(path.join(base, 'elsewhere'));
});

test('two clients share a folder', async (t) => {
  const { service, base, make } = await setUp(t);
  service.mode = '503';
  const clients = [make(), make()];
  clients.forEach((client, number) => record(client, 100, { start: 1 + number * 100 }));
  await service.until(() => clients.every((client) => client.stats.spilled === 100), 'the files');
  assert.equal(files(base).length, 2);
  service.mode = 'ok';
  for (const client of clients) assert.ok(await client.flush());
  assert.deepEqual([...service.quantities].sort((a, b) => a - b), numbers(1, 200));
  assert.equal(service.copies, 0);
});

test('a file that is taken over by mistake loses no line', async (t) => {
  const { base } = await setUp(t);
  const folder = path.join(base, 'folder');
  const options = { maxBytes: 1e9, segmentBytes: 1e9, adoptEvery: 1 };
  const [owner, other] = [new Spill(folder, options), new Spill(folder, options)];
  owner.append([Buffer.from('{"a":1}')]);
  assert.equal(other.leftBehind(), undefined, 'its owner lives');
  const old = Date.now() / 1000 - STALE_SECONDS - 1;
  fs.utimesSync(owner.own[0].path, old, old);
  const taken = other.leftBehind({ now: true });
  assert.equal(String(taken.head(1000, 1000)), '{"a":1}\n');
  owner.append([Buffer.from('{"a":2}')]);
  assert.equal(owner.own.length, 2);
  assert.equal(String(owner.own[1].head(1000, 1000)), '{"a":2}\n');
  assert.ok(!owner.own[0].isOurs && owner.own[1].isOurs);
  other.settle(taken, taken.size, 0);
  owner.letGo(owner.own[0]);
  assert.equal(fs.readdirSync(folder).length, 1);
  owner.release();
});

test('a file has one holder, and one whose owner renews it is not stale', async (t) => {
  const { base } = await setUp(t);
  const folder = path.join(base, 'folder');
  const spill = new Spill(folder, { maxBytes: 1e9, segmentBytes: 1e9, adoptEvery: 1 });
  spill.append([Buffer.from('{}')]);
  const [name] = fs.readdirSync(folder);
  assert.equal(Segment.adopt(folder, name), undefined);
  assert.equal(Segment.adopt(folder, name, Date.now() + STALE_SECONDS * 900), undefined);
  spill.release();
  const [left] = fs.readdirSync(folder);
  const adopted = Segment.adopt(folder, left);
  assert.ok(adopted.adopted);
  assert.equal(Segment.adopt(folder, left), undefined);
  adopted.remove();
  await sleep(1);
  assert.deepEqual(fs.readdirSync(folder), []);
});
