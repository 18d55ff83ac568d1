'use strict';

// A file of waiting recordings: written at its end, read from its head, removed when all of it is settled.
//
// Node has no file locks, so nothing here depends on who is alive. A process takes a file over by renaming it, which one
// of several can do. After each write the writer looks whether its file still has its name; if not, another process has
// taken it over, perhaps without the last lines, and the writer writes them again into a new file. So a line may be sent
// twice, with its one key, but is never lost, however wrong the guess was that the writer had died.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { createHash, randomBytes } = require('node:crypto');

/** A file that was not written for so many seconds, and not renewed by its owner, was left by a dead process. */
const STALE_SECONDS = 60;

const NAME = /^spill-(\d{16})-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.jsonl$/;
const HOST = createHash('sha256').update(os.hostname()).digest('hex').slice(0, 8);
const LEFT = 0; // in place of a process: the owner gave it up
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = fs.constants;
const PRIVATE_FILE = 0o600;

let lastMade = 0; // microseconds since 1970

class Segment {
  constructor(place, fd, { size, adopted }) {
    Object.assign(this, { path: place, size, adopted, settled: 0, lines: 0 });
    this._fd = fd;
    this._inode = fs.fstatSync(fd, { bigint: true }).ino;
  }

  /** Make a new segment; names of segments sort by time. */
  static create(folder) {
    lastMade = Math.max(Date.now() * 1000, lastMade + 1); // two of one millisecond keep their order
    const place = path.join(folder, nameOf(lastMade, process.pid));
    return new Segment(place, fs.openSync(place, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE_FILE), {
      size: 0,
      adopted: false,
    });
  }

  /** Take over the file of this name, if its process seems to be dead; undefined if it lives or another was quicker. */
  static adopt(folder, name, now = Date.now()) {
    const place = path.join(folder, name);
    const [, time, host, pid] = NAME.exec(name) ?? [];
    if (pid === undefined || !isLeft(place, { host, pid: Number(pid), now })) return undefined;
    const mine = path.join(folder, nameOf(Number(time), process.pid));
    let fd;
    try {
      fs.renameSync(place, mine);
      fd = fs.openSync(mine, O_RDWR | O_APPEND | O_NOFOLLOW);
      return new Segment(mine, fd, { size: fs.fstatSync(fd).size, adopted: true });
    } catch {
      if (fd !== undefined) fs.closeSync(fd);
      return undefined;
    }
  }

  /** Whether everything in it is settled. */
  get spent() {
    return this.settled >= this.size;
  }

  /** Whether the file still has its name, so that no other process has taken it over. */
  get isOurs() {
    try {
      return fs.lstatSync(this.path, { bigint: true }).ino === this._inode;
    } catch {
      return false;
    }
  }

  /** Write all lines or none; throws what the system said. */
  append(lines, { fsync }) {
    const data = Buffer.concat(lines.flatMap((line) => [line, NEWLINE]));
    try {
      for (let done = 0; done < data.length; ) done += fs.writeSync(this._fd, data, done);
      if (fsync) fs.fsyncSync(this._fd);
    } catch (error) {
      fs.ftruncateSync(this._fd, this.size); // a piece of a line that stays would join the next line
      throw error;
    }
    this.size += data.length;
    this.lines += lines.length;
  }

  /** Up to `maxBytes` that are not settled; at least one line, if it is no longer than `longest`. */
  head(maxBytes, longest) {
    const data = Buffer.alloc(Math.min(Math.max(maxBytes, longest + 1), this.size - this.settled));
    const count = fs.readSync(this._fd, data, 0, data.length, this.settled);
    if (count === 0) throw new Error(`${this.path} was cut`);
    return data.subarray(0, count);
  }

  /** Count the first `length` unsettled bytes, with `lines` lines of this process, as settled. */
  settle(length, lines) {
    this.settled += length;
    this.lines -= lines;
  }

  /** Tell other processes that its owner lives. */
  renew() {
    const now = Date.now() / 1000;
    fs.futimesSync(this._fd, now, now);
  }

  /** Move the file to another folder of the same disk, unless it is another process's by now. */
  moveTo(folder) {
    const place = path.join(folder, path.basename(this.path));
    if (this.isOurs) fs.renameSync(this.path, place);
    this.path = place;
  }

  /** Remove the file, unless it is another process's by now. */
  remove() {
    if (this.isOurs) fs.unlinkSync(this.path);
    this._close();
  }

  /** Rename a file that cannot be read, so that no process takes it over; a person has to look at it. */
  setAside() {
    if (this.isOurs) fs.renameSync(this.path, this.path.replace(/jsonl$/, 'unreadable'));
    this._close();
  }

  /** Give it up; its recordings wait for the next process, or the next client of this one. */
  release() {
    const [, time] = NAME.exec(path.basename(this.path));
    if (this.isOurs) fs.renameSync(this.path, path.join(path.dirname(this.path), nameOf(Number(time), LEFT)));
    this._close();
  }

  _close() {
    if (this._fd !== undefined) fs.closeSync(this._fd);
    this._fd = undefined;
  }
}

const NEWLINE = Buffer.from('\n');

function nameOf(microseconds, pid) {
  return `spill-${String(microseconds).padStart(16, '0')}-${HOST}-${pid}-${randomBytes(4).toString('hex')}.jsonl`;
}

function isLeft(place, { host, pid, now }) {
  if (pid === LEFT) return true;
  try {
    if ((now - fs.lstatSync(place).mtimeMs) / 1000 > STALE_SECONDS) return true;
    if (host === HOST) process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH'; // EPERM: it lives, as another user
  }
}

/** The names of the segments in a folder, oldest first. */
function segmentsIn(folder) {
  return fs.readdirSync(folder).filter((name) => NAME.test(name)).sort();
}

module.exports = { STALE_SECONDS, Segment, segmentsIn };
