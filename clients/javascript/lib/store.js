'use strict';

// Where recordings wait: in memory while all goes well, otherwise in files. In order, and within bounds.
//
// Every recording goes through `put`. While recordings of this client wait in files, new ones go there too. So recordings
// in a file are older than those in memory, and are sent first.

const { fitting, splitChunk } = require('./batching.js');
const { MAX_EVENT_BYTES } = require('./event.js');

class Store {
  constructor(spill, tuning, { writeAhead, tally, notices }) {
    Object.assign(this, { spill, _tuning: tuning, _writeAhead: writeAhead, _tally: tally, _notices: notices });
    this.closed = false;
    this._memory = [];
    this._bytes = 0;
  }

  /** Take in one recording; false if there is no room anywhere, and it is lost. */
  put(line) {
    const toFile = this._writeAhead || this.closed || this.holdsOwn;
    if (!toFile && this._hasRoom(line)) return this._remember(line);
    if (this.toFile([], [line])) return true;
    if (!this.closed && this._hasRoom(line)) return this._remember(line);
    this._tally.dropped += 1;
    this._notices.say('dropped', 'error', 'a recording is LOST: no room in memory, and no file to keep it in');
    return false;
  }

  get holdsOwn() {
    return this.spill !== undefined && this.spill.holdsOwn;
  }

  /** Whether any recording of this client waits, in memory or in files. */
  get holdsAny() {
    return this._memory.length > 0 || this.holdsOwn;
  }

  /** Whether the waiting recordings fill a request, so that it need not wait for more. */
  get fillsRequest() {
    const { maxEvents, maxRequestBytes } = this._tuning;
    if (this.holdsOwn) return this.spill.own[0].lines >= maxEvents;
    return this._memory.length >= maxEvents || this._bytes >= maxRequestBytes;
  }

  /** Write `before`, all of the memory, and `after` to the file; false if it cannot be, and none was. */
  toFile(before, after = []) {
    const lines = [...before, ...this._memory, ...after];
    if (this.spill === undefined || !lines.length) return !lines.length;
    try {
      this.spill.append(lines);
    } catch (error) {
      const text = `recordings cannot be kept in ${this.spill.folder}: ${error.message}`;
      this._notices.say('spill', 'error', text);
      return false;
    }
    this._memory = [];
    this._bytes = 0;
    this._tally.spilled += lines.length;
    if (this.closed) this.spill.release();
    return true;
  }

  /** Put lines that were taken from memory back at its head; there is room for them. */
  putBack(lines) {
    this._memory = [...lines, ...this._memory];
    this._bytes += lines.reduce((sum, line) => sum + line.length, 0);
  }

  /** Take as many lines out of memory as go into one request. */
  takeMemory() {
    const lines = this._memory.splice(0, fitting(this._memory, this._limits));
    this._bytes -= lines.reduce((sum, line) => sum + line.length, 0);
    return lines;
  }

  /** The parcel at the head of a file; undefined if it cannot be read, or is another process's by now. */
  parcelOf(segment) {
    if (!segment.isOurs) {
      this._tryFile(() => this.spill.letGo(segment)); // that process sends what is in it
      return undefined;
    }
    try {
      const chunk = splitChunk(segment.head(this._tuning.maxRequestBytes, MAX_EVENT_BYTES), this._limits);
      return { ...chunk, segment };
    } catch (error) {
      this._notices.say('unreadable', 'error', `recordings cannot be read back: ${error.message}`);
      this._tally.dropped += segment.lines;
      this._tryFile(() => this.spill.setAside(segment));
      return undefined;
    }
  }

  /** Count a parcel of a file as settled, `lines` of it of this client. */
  settle({ segment, length }, lines) {
    this._tryFile(() => this.spill.settle(segment, length, lines));
  }

  /** Discard the recordings in memory; returns how many there were. */
  loseAll() {
    const lost = this._memory.length;
    this._memory = [];
    this._bytes = 0;
    return lost;
  }

  get _limits() {
    return { maxEvents: this._tuning.maxEvents, maxBytes: this._tuning.maxRequestBytes };
  }

  _tryFile(work) {
    try {
      work();
    } catch (error) {
      this._notices.say('files', 'error', `a file of recordings cannot be removed: ${error.message}`);
    }
  }

  _remember(line) {
    this._memory.push(line);
    this._bytes += line.length;
    return true;
  }

  _hasRoom(line) {
    const { maxWaiting, maxWaitingBytes } = this._tuning;
    return this._memory.length < maxWaiting && this._bytes + line.length <= maxWaitingBytes;
  }
}

module.exports = { Store };
