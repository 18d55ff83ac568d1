'use strict';

// Real processes: that end, are killed, and share a folder.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { test } = require('node:test');
const { numbers, record, setUp, sleep, waiting } = require('./service.js');

const START = `
const { UsageClient } = require(${JSON.stringify(path.join(__dirname, '..'))});
const [url, spill] = process.argv.slice(-2);
const make = ({ tuning, ...options } = {}) => new UsageClient(url, {
  apiKey: 'test-key', spill, logger: { warn() {}, error() {} }, ...options,
  tuning: { linger: 0.02, timeout: 5, backoffBase: 0.01, backoffCap: 0.05, adoptEvery: 0.1, exitTimeout: 1, ...tuning },
});
const record = (client, amount, start = 1) => {
  for (let n = start; n < start + amount; n++) client.record('user123', 'sub456', 'report', n);
};
const later = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const say = (text) => console.log(text);
`;

/** Start a process that runs `script`; `ended` resolves with its exit code or signal, `said(text)` once it said that. */
function run(t, { service, base }, script, { isCrash = false } = {}) {
  const child = spawn(process.execPath, ['-e', START + script, service.url, base], { stdio: ['ignore', 'pipe', isCrash ? 'ignore' : 'inherit'] });
  const found = { child, output: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (found.output += text));
  found.ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  found.said = (text) => service.until(() => found.output.includes(text), `'${text}' in '${found.output}'`);
  t.after(() => child.kill('SIGKILL'));
  return found;
}

for (const [end, code] of [
  ['', 0],
  ['setTimeout(() => {}, 100)', 0],
  ['process.exitCode = 3', 3],
  ["process.once('SIGTERM', async () => { await client.close(); process.exit(4) }); process.kill(process.pid, 'SIGTERM'); later(5)", 4],
]) {
  test(`what was recorded is sent at the exit: ${end || 'nothing left to do'}`, async (t) => {
    const world = await setUp(t);
    const script = `const client = make({ tuning: { linger: 60 } }); record(client, 1500); ${end}`;
    assert.equal(await run(t, world, script).ended, code);
    assert.deepEqual(world.service.quantities, numbers(1, 1500));
    assert.equal(world.service.copies, 0);
  });
}

for (const [end, code] of [['process.exit(3)', 3], ["throw new Error('crash')", 1], ["Promise.reject(new Error('crash'))", 1]]) {
  test(`what cannot be sent any more is in the file: ${end}`, async (t) => {
    const world = await setUp(t);
    assert.equal(await run(t, world, `record(make(), 1500); ${end}`, { isCrash: true }).ended, code);
    assert.equal(waiting(world.base).length, 1500);
    assert.ok(await world.make().flush());
    assert.deepEqual(world.service.quantities, numbers(1, 1500));
  });
}

for (const mode of ['503', 'hang', '401']) {
  test(`the exit is bounded and keeps what cannot be sent: ${mode}`, async (t) => {
    const world = await setUp(t);
    world.service.mode = mode;
    const began = Date.now();
    assert.equal(await run(t, world, 'record(make({ tuning: { timeout: 30 } }), 1500)').ended, 0);
    assert.ok(Date.now() - began < 8000);
    assert.equal(waiting(world.base).length, 1500);
    world.service.mode = 'ok';
    assert.ok(await world.make().flush());
    assert.deepEqual(world.service.quantities, numbers(1, 1500));
  });
}

test('a program that awaits flush is not ended before', async (t) => {
  const world = await setUp(t);
  world.service.script.push('503', '503', 'hang');
  const script = `
    const client = make({ tuning: { timeout: 0.3 } });
    record(client, 5);
    client.flush().then((done) => say('flushed ' + done));`;
  const process = run(t, world, script);
  assert.equal(await process.ended, 0);
  assert.equal(process.output.trim(), 'flushed true');
});

test('a client that never recorded does not hold the process', async (t) => {
  const world = await setUp(t);
  const began = Date.now();
  assert.equal(await run(t, world, 'make()').ended, 0);
  assert.ok(Date.now() - began < 3000);
});

test('killed while the service was away', async (t) => {
  const world = await setUp(t);
  world.service.mode = '503';
  const script = `
    const client = make(); record(client, 300);
    setInterval(() => client.stats.spilled === 300 && say('spilled'), 10);`;
  const process = run(t, world, script);
  await process.said('spilled');
  process.child.kill('SIGKILL');
  assert.equal(await process.ended, 'SIGKILL');
  world.service.mode = 'ok';
  assert.ok(await world.make().flush());
  assert.deepEqual(world.service.quantities, numbers(1, 300));
  assert.equal(world.service.copies, 0);
});

test('killed between sending and removing', async (t) => {
  const world = await setUp(t);
  world.service.mode = 'accept-hang';
  const process = run(t, world, 'record(make({ writeAhead: true }), 50); later(60)');
  await world.service.until(() => world.service.accepted.size === 50, 'the recordings');
  process.child.kill('SIGKILL');
  await process.ended;
  world.service.mode = 'ok';
  assert.ok(await world.make().flush());
  assert.deepEqual([world.service.accepted.size, world.service.copies], [50, 50], 'sent again with the same keys');
  assert.equal(waiting(world.base).length, 0);
});

test('nothing that was written ahead is lost to kills', async (t) => {
  const world = await setUp(t);
  const words = ['ok', 'ok', '503', 'drop', 'cut'];
  world.service.script = Array.from({ length: 200 }, (_, index) => words[(index * 7) % words.length]);
  const recorded = new Set();
  for (const seconds of [0.05, 0.1, 0.2, 0.3]) {
    const script = `
      const client = make({ writeAhead: true });
      setInterval(() => { for (let n = 0; n < 5; n++) say(client.record('user123', 'sub456', 'report')); }, 1);`;
    const process = run(t, world, script);
    await process.said('\n');
    await sleep(seconds * 1000);
    process.child.kill('SIGKILL');
    await process.ended;
    for (const key of process.output.split('\n')) if (key.length === 32) recorded.add(key);
  }
  world.service.script = [];
  assert.ok(await world.make().flush(10));
  for (const key of recorded) assert.ok(world.service.accepted.has(key));
  assert.ok(recorded.size > 100);
  assert.equal(waiting(world.base).length, 0);
});

test('processes share a folder, and one sends what another left that was killed', async (t) => {
  const world = await setUp(t);
  world.service.mode = '503';
  const processes = [1, 201, 401].map((start) =>
    run(t, world, `record(make({ writeAhead: true }), 200, ${start}); say('recorded'); later(60)`),
  );
  for (const process of processes) await process.said('recorded');
  processes[0].child.kill('SIGKILL');
  await processes[0].ended;
  world.service.mode = 'ok';
  await world.service.until(() => world.service.accepted.size === 600, 'all');
  await world.service.until(() => waiting(world.base).length === 0, 'no file is left');
});

test('a worker thread that is terminated leaves its file to the next process', async (t) => {
  const world = await setUp(t);
  const script = `
    const { Worker } = require('node:worker_threads');
    const code = ${JSON.stringify(START)} + "record(make({ writeAhead: true, tuning: { linger: 60 } }), 20); later(60);"
      + "require('node:worker_threads').parentPort.postMessage('recorded')";
    const worker = new Worker(code, { eval: true, argv: process.argv.slice(-2) });
    worker.on('message', async () => { await worker.terminate(); say('terminated'); });`;
  const process = run(t, world, script);
  await process.said('terminated');
  assert.equal(await process.ended, 0);
  assert.ok(await world.make().flush());
  assert.deepEqual(world.service.quantities, numbers(1, 20));
});

test('files of this process are not taken by another client of it', async (t) => {
  const world = await setUp(t);
  world.service.mode = '503';
  record(world.make({ writeAhead: true, tuning: { linger: 60 } }), 5);
  const other = world.make();
  assert.ok(await other.flush(0.5), 'what another living client has is not counted');
  assert.equal(waiting(world.base).length, 5);
});
