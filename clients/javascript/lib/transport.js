'use strict';

// Connections to the service, kept open between requests. They do not know what the requests mean.

const http = require('node:http');
const https = require('node:https');

const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const STALE = new Set(['ECONNRESET', 'EPIPE']);

/** No whole answer came: not connected, timed out, cut. Whether the request was carried out is unknown. */
class Lost extends Error {}

/**
 * Where the service is: `http://payment-service:5003`, or with a path when a gateway puts one before `/api`. Returns it
 * without a slash at its end; throws TypeError for what cannot be an address.
 */
function readAddress(url) {
  let parts;
  try {
    parts = new URL(url);
  } catch {
    parts = undefined;
  }
  if (!parts || !['http:', 'https:'].includes(parts.protocol) || !parts.hostname) {
    throw new TypeError(`the service's address must look like http://host:5003, not '${url}'`);
  }
  if (parts.search || parts.hash || parts.username || parts.password) {
    throw new TypeError("the service's address must not hold a query, a fragment or a password");
  }
  return parts.href.replace(/\/+$/, '');
}

/** Sends requests to one service. They do not keep the process alive: the caller of `ask` does while it waits. */
class Transport {
  constructor(address, { headers, tls, connections }) {
    const { Agent, request } = address.startsWith('https:') ? https : http;
    this.headers = headers;
    this._address = address;
    this._request = request;
    this._agent = new Agent({ ...tls, keepAlive: true, maxSockets: connections, maxFreeSockets: connections });
    this._underWay = new Set();
    this._closed = false;
  }

  /** Ask and read the whole answer, `{status, headers, body}`, within `timeout` seconds. Rejects with Lost. */
  async ask(method, path, { body, timeout }) {
    if (this._closed) throw new Lost('closed');
    try {
      return await this._exchange(method, path, body, timeout);
    } catch (error) {
      // The other end closed the kept connection while we wrote. Sending again is safe: the key is the same.
      if (error.onKept && !this._closed) return this._exchange(method, path, body, timeout);
      throw error;
    }
  }

  _exchange(method, path, body, timeout) {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? this.headers : { ...this.headers, 'Content-Length': body.length };
      const request = this._request(this._address + path, { method, headers, agent: this._agent });
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} s`)), timeout * 1000).unref();
      const fail = (error) => {
        clearTimeout(timer);
        this._underWay.delete(request);
        const lost = new Lost(`${error.code ?? error.name}: ${error.message}`);
        lost.onKept = request.reusedSocket && STALE.has(error.code);
        reject(lost);
      };
      this._underWay.add(request);
      request.on('socket', (socket) => socket.unref());
      request.on('error', fail);
      request.on('response', (response) => {
        const parts = [];
        let size = 0;
        response.on('data', (part) => {
          parts.push(part);
          size += part.length;
          if (size > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too long'));
        });
        response.on('error', fail);
        response.on('close', () => {
          if (!response.complete) return fail(new Error('the answer was cut'));
          clearTimeout(timer);
          this._underWay.delete(request);
          return resolve({
            status: response.statusCode,
            headers: response.headers,
            body: Buffer.concat(parts).toString('utf8'),
          });
        });
      });
      request.end(body);
    });
  }

  /** Cut the requests under way, for good: they end in Lost. */
  close() {
    this._closed = true;
    for (const request of this._underWay) request.destroy(new Error('closed'));
    this._agent.destroy();
  }
}

module.exports = { Lost, Transport, readAddress };
