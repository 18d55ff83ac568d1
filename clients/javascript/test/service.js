'use strict';

// A small real service: HTTP over a real port, which accepts, refuses, hangs, breaks off or answers nonsense.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { UsageClient } = require('..');

/**
 * Answers each request as the next word of `script` says, then as `mode` says: `ok` accepts; `401`, `413`, `503` and so on
 * are problems of the service, `proxy-413` is a page of another program, `foreign-400` its JSON, `html` a page with
 * status 200; `hang` never answers; `drop` accepts and closes at once, `cut` in the midst of the answer, `accept-hang`
 * never answers. A body over `maxBody` gets `proxy-413`; one of a single event after `mayTurnAway`, and `tooLargeAlone`
 * counts those. Recordings of the type `bad` get 422 by index, of `odd` 400 without one.
 */
class Service {
  constructor() {
    Object.assign(this, { mode: 'ok', script: [], retryAfter: undefined, maxBody: Infinity, copies: 0 });
    Object.assign(this, { tooLargeAlone: 0, mayTurnAway: Promise.resolve() });
    this.accepted = new Map();
    this.requests = [];
    this.connections = 0;
    this._server = http.createServer((request, response) => this._take(request, response));
    this._server.on('connection', () => (this.connections += 1));
  }

  async start(port = 0) {
    await new Promise((resolve) => this._server.listen(port, '127.0.0.1', resolve));
    this.port = this._server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    this.closeConnections();
    await new Promise((resolve) => this._server.close(resolve));
  }

  closeConnections() {
    this._server.closeAllConnections();
  }

  get quantities() {
    return [...this.accepted.values()].map((event) => Number(event.quantity));
  }

  async until(condition, what) {
    const deadline = Date.now() + 10_000;
    while (!condition()) {
      assert.ok(Date.now() < deadline, `${what}: ${this.accepted.size} accepted, ${this.requests.length} requests`);
      await sleep(5);
    }
  }

  async _take(request, response) {
    const parts = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return; // the client died
    }
    const data = Buffer.concat(parts);
    const body = data.length ? JSON.parse(data) : {};
    const isBatch = request.url.endsWith('/batch');
    const events = isBatch ? body.events : [body];
    this.requests.push({ path: request.url, method: request.method, headers: request.headers, count: events.length });
    const isTooLarge = data.length > this.maxBody;
    if (isTooLarge && events.length === 1) {
      this.tooLargeAlone += 1;
      await this.mayTurnAway;
    }
    const word = isTooLarge ? 'proxy-413' : this.script.shift() ?? this.mode;
    const [kind, status] = word.split('-');
    if (word === 'hang') return;
    if (word === 'html') send(response, 200, '<html>Welcome</html>', 'text/html');
    else if (kind === 'proxy') send(response, Number(status), '<html>No</html>', 'text/html');
    else if (kind === 'foreign') send(response, Number(status), JSON.stringify({ status: 400, code: 'INVALID' }));
    else if (/^\d+$/.test(word)) this._problem(response, Number(word), { code: 'some_code', detail: 'some detail' });
    else if (request.method === 'GET') send(response, 200, JSON.stringify({ asked: request.url, status: 'quarantined' }));
    else this._accept(response, events, { word, isBatch });
  }

  _accept(response, events, { word, isBatch }) {
    const bad = events.flatMap((event, index) => (event.usageType === 'bad' ? [index] : []));
    if (bad.length) {
      const place = (index) => (isBatch ? `/events/${index}/usageType` : '/usageType');
      const errors = bad.map((index) => ({ pointer: place(index), detail: 'is bad', code: 'invalid' }));
      return this._problem(response, 422, { code: 'invalid_request', detail: 'some are bad', errors });
    }
    if (events.some((event) => event.usageType === 'odd')) {
      return this._problem(response, 400, { code: 'not_json', detail: 'something in it is odd' });
    }
    for (const event of events) {
      const key = event.idempotencyKey;
      if (this.accepted.has(key)) {
        assert.deepEqual(event, this.accepted.get(key));
        this.copies += 1;
      } else this.accepted.set(key, event);
    }
    if (word === 'accept-hang') return undefined;
    if (word === 'drop') return response.destroy();
    const ids = events.map((event) => `id-${event.idempotencyKey}`);
    const text = JSON.stringify(isBatch ? { accepted: ids.length, ids } : { id: ids[0], status: 'accepted' });
    if (word !== 'cut') return send(response, 202, text);
    response.writeHead(202, { 'Content-Length': text.length });
    response.write(text.slice(0, 5), () => response.destroy());
    return undefined;
  }

  _problem(response, status, members) {
    const headers = this.retryAfter === undefined ? {} : { 'Retry-After': this.retryAfter };
    const body = { type: 'about:blank', title: 'Problem', status, requestId: '0123456789abcdef', ...members };
    send(response, status, JSON.stringify(body), 'application/problem+json', headers);
  }
}

function send(response, status, text, type = 'application/json', headers = {}) {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text), ...headers });
  response.end(text);
}

const QUICK = {
  linger: 0.02,
  timeout: 10, // nothing but a test of hanging goes by it: a busy machine may take half a second for an answer
  backoffBase: 0.01,
  backoffCap: 0.05,
  misconfiguredPause: 0.1,
  adoptEvery: 0.1,
  exitTimeout: 2,
};

/** A service, a folder and clients that are quick to try again, for one test `t`; all is closed after it. */
async function setUp(t) {
  const service = await new Service().start();
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-client-'));
  const clients = [];
  const logged = [];
  const logger = { warn: (text) => logged.push(text), error: (text) => logged.push(text) };
  const make = ({ tuning = {}, url = service.url, ...options } = {}) => {
    const given = { apiKey: 'test-key', spill: base, logger, tuning: { ...QUICK, ...tuning }, ...options };
    const client = new UsageClient(url, given);
    clients.push(client);
    return client;
  };
  t.after(async () => {
    for (const client of clients) await client.close(0.1);
    await service.stop();
    fs.rmSync(base, { recursive: true, force: true });
  });
  return { service, base, make, logged };
}

/** Record the quantities from `start` on; returns the keys. */
function record(client, amount, { start = 1, usageType = 'report' } = {}) {
  return Array.from({ length: amount }, (_, index) => client.record('user123', 'sub456', usageType, start + index));
}

/** The lines that wait in files below `base`, oldest first. */
function waiting(base) {
  const folders = fs.readdirSync(base).map((name) => path.join(base, name));
  const files = folders.flatMap((folder) => fs.readdirSync(folder).sort().map((name) => path.join(folder, name)));
  const text = files.filter((file) => /spill-.*\.jsonl$/.test(file)).map((file) => fs.readFileSync(file, 'utf8')).join('');
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

/** The numbers from `first` to `last`. */
function numbers(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

module.exports = { QUICK, Service, numbers, record, setUp, sleep, waiting };
