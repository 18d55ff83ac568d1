'use strict';

// The folder of waiting recordings: the segments of this process, and those that dead processes left.

const fs = require('node:fs');
const { Segment, segmentsIn } = require('./segment.js');

const PRIVATE_FOLDER = 0o700;
const OTHERS_WRITE = 0o022;
const RENEW_SECONDS = 15;

/** Keeps lines in files, in order. Makes its folder; throws if it cannot, or if another user can write there. */
class Spill {
  constructor(folder, { maxBytes, segmentBytes, adoptEvery, fsync }) {
    prepare(folder);
    Object.assign(this, { folder, _maxBytes: maxBytes, _segmentBytes: segmentBytes, _adoptEvery: adoptEvery });
    this._fsync = fsync;
    this.own = [];
    this._adopted = undefined;
    this._lookAt = 0;
    this._renewAt = 0;
  }

  /** Keep all lines, or throw and keep none. With `fsync` they survive a power cut from here on. */
  append(lines) {
    const more = lines.reduce((sum, line) => sum + line.length + 1, 0);
    const used = this.own.reduce((sum, segment) => sum + segment.size - segment.settled, 0);
    if (used + more > this._maxBytes) throw new Error(`more than spillBytes=${this._maxBytes} would wait`);
    let last = this.own.at(-1);
    if (last && last.size < this._segmentBytes) {
      last.append(lines, { fsync: this._fsync });
      if (last.isOurs) return;
      last.lines -= lines.length; // another process has the file: it sends what is in it, and these go to a new one
    }
    last = Segment.create(this.folder);
    try {
      last.append(lines, { fsync: this._fsync });
      if (this._fsync) syncFolder(this.folder);
    } catch (error) {
      last.remove();
      throw error;
    }
    this.own.push(last);
  }

  get holdsOwn() {
    return this.own.length > 0;
  }

  /** A segment that a dead process left, now ours; undefined if there is none. Looks now and then, or `now`. */
  leftBehind({ now = false } = {}) {
    if (this._adopted === undefined && (now || performance.now() >= this._lookAt)) {
      this._adopted = this._adopt();
      if (this._adopted === undefined) this._lookAt = performance.now() + this._adoptEvery * 1000;
    }
    return this._adopted;
  }

  /** Tell other processes now and then that the owner of these files lives. */
  renew() {
    if (performance.now() < this._renewAt) return;
    this._renewAt = performance.now() + RENEW_SECONDS * 1000;
    for (const segment of this._all()) segment.renew();
  }

  /** Count the first `length` waiting bytes of `segment` as settled; remove it when nothing waits in it. */
  settle(segment, length, lines) {
    segment.settle(length, lines);
    if (!segment.spent) return;
    this._forget(segment);
    segment.remove();
  }

  /** Go on without a segment that cannot be read. */
  setAside(segment) {
    this._forget(segment);
    segment.setAside();
  }

  /** Go on without a segment that another process has taken over. */
  letGo(segment) {
    this._forget(segment);
    segment.release();
  }

  /** Give all segments up; their recordings wait for the next process or the next client. */
  release() {
    for (const segment of this._all()) segment.release();
    this.own = [];
    this._adopted = undefined;
  }

  /** Go on in another folder, with all that waits in this one and is not another living process's. */
  moveTo(folder) {
    prepare(folder);
    for (const segment of this._all()) segment.moveTo(folder);
    for (const name of segmentsIn(this.folder)) {
      const left = Segment.adopt(this.folder, name);
      left?.moveTo(folder);
      left?.release();
    }
    this.folder = folder;
    this._lookAt = 0;
  }

  _all() {
    return this._adopted === undefined ? this.own : [...this.own, this._adopted];
  }

  _forget(segment) {
    if (segment === this._adopted) this._adopted = undefined;
    else this.own = this.own.filter((other) => other !== segment);
  }

  _adopt() {
    let names = [];
    try {
      names = segmentsIn(this.folder);
    } catch {
      return undefined; // the folder is gone; the next write says so
    }
    for (const name of names) {
      const segment = Segment.adopt(this.folder, name);
      if (segment?.spent) segment.remove();
      else if (segment) return segment;
    }
    return undefined;
  }
}

function prepare(folder) {
  if (process.platform === 'win32') throw new Error('on Windows nothing is kept in files');
  fs.mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER });
  const status = fs.statSync(folder);
  if (status.uid !== process.geteuid() || status.mode & OTHERS_WRITE) {
    throw new Error(`${folder} belongs to, or can be written by, another user`);
  }
}

function syncFolder(folder) {
  const fd = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

module.exports = { Spill };
