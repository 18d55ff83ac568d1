'use strict';

// The unsettled recordings, and the loop that sends them.
//
// A recording is settled when the service has accepted or refused it, or when it is lost. Until then it is in exactly one
// place: in memory, in the parcel under way, or in a file. Nothing here keeps the process alive by itself: `wait` does,
// while a caller waits.

const AFTER_A_MISTAKE_SECONDS = 1;
const LOOK_EVERY_MS = 20;

class Sender {
  constructor(store, delivery, tuning, { refusals, notices }) {
    Object.assign(this, { _store: store, _delivery: delivery, _tuning: tuning, _refusals: refusals });
    this._notices = notices;
    this._taken = this._settled = this._inOrderFrom = 0;
    this._oldestAt = 0;
    this._hurry = 0;
    this._stopped = this._runs = this._leftoversNext = false;
    this._underWay = undefined;
    this._wake = () => {};
  }

  /** How many recordings of this client are not settled. */
  get count() {
    return this._taken - this._settled;
  }

  /** Take in one recording; false if it is lost. At worst it writes to a file. */
  put(line) {
    this._taken += 1;
    const wasEmpty = !this._store.holdsAny;
    const kept = this._store.put(line);
    if (!kept) this._settled += 1;
    if (wasEmpty) this._oldestAt = performance.now();
    if (!this._runs) this.start();
    else if (wasEmpty || this._store.fillsRequest) this._wake();
    return kept;
  }

  /** Start sending, unless it does so already. */
  start() {
    if (this._runs || this._stopped) return;
    this._runs = true;
    this._run();
  }

  /**
   * Wait until all that was recorded before the call is settled and nothing is left of dead processes, and resolve with
   * true; with false after `seconds`, at the end, or as soon as `until()` holds. Keeps the process alive meanwhile.
   */
  async wait(seconds, until = () => false) {
    const target = this._taken;
    const deadline = performance.now() + seconds * 1000;
    const isDone = () => this._settled >= Math.max(target, this._inOrderFrom) && !this._leftBehind();
    this._hurry += 1;
    try {
      while (!isDone()) {
        if (this._store.holdsAny || this._leftBehind()) this.start();
        this._wake();
        const left = deadline - performance.now();
        if (left <= 0 || this._stopped || until()) return false;
        await new Promise((resolve) => setTimeout(resolve, Math.min(left, LOOK_EVERY_MS)));
      }
      return true;
    } finally {
      this._hurry -= 1;
    }
  }

  /** End the loop; what was under way stays. */
  stop() {
    this._stopped = true;
    this._delivery.stop();
    this._wake();
  }

  /** At the end: write the recordings that are only in memory to the file; returns how many were lost. */
  rescue() {
    const parcel = this._underWay;
    this._underWay = undefined;
    if (parcel && !parcel.segment) this._store.putBack(parcel.lines);
    this._store.closed = true;
    const lost = this._store.toFile([]) ? 0 : this._store.loseAll();
    this._settled += lost;
    try {
      this._store.spill?.release();
    } catch (error) {
      this._notices.say('files', 'error', `files of recordings cannot be given up: ${error.message}`);
    }
    return lost;
  }

  _leftBehind() {
    const { spill, closed } = this._store;
    return spill !== undefined && !closed && spill.leftBehind({ now: this._hurry > 0 }) !== undefined;
  }

  async _run() {
    while (!this._stopped) {
      try {
        const parcel = this._choose();
        if (parcel) await this._send(parcel);
        else await this._pause(this._idleSeconds());
      } catch (error) {
        // A mistake of this client must neither end the sending nor lose the parcel under way.
        this._notices.log('error', `a mistake in the client; what was under way is sent again: ${error.stack}`);
        if (this._underWay?.segment) this._underWay = undefined;
        else if (this._underWay) this._close(this._underWay, this._underWay.lines);
        await this._pause(AFTER_A_MISTAKE_SECONDS);
      }
    }
  }

  /** The next parcel, from a file or from memory; undefined while nothing is due. */
  _choose() {
    const store = this._store;
    store.spill?.renew();
    const isDue = store.holdsAny && (this._dueIn() <= 0 || this._hurry > 0 || store.fillsRequest);
    let segment;
    // Under steady load the loop is never idle: leftovers of dead processes get every other request.
    if (!isDue || this._leftoversNext) segment = store.spill?.leftBehind();
    this._leftoversNext = isDue && segment === undefined;
    if (segment === undefined && isDue && store.holdsOwn) segment = store.spill.own[0];
    if (segment === undefined) return isDue ? (this._underWay = { lines: store.takeMemory(), broken: [] }) : undefined;
    const waiting = segment.lines;
    const parcel = store.parcelOf(segment);
    if (parcel === undefined) this._settled += waiting;
    this._underWay = parcel;
    return parcel ?? this._choose();
  }

  async _send(parcel) {
    const rest = await this._delivery.deliver(parcel.lines, { patient: parcel.segment !== undefined });
    if (parcel.segment && rest.length && !this._stopped && !this._store.toFile([], rest)) {
      this._underWay = undefined; // it is read again
      await this._pause(AFTER_A_MISTAKE_SECONDS);
      return;
    }
    if (!this._stopped) for (const line of parcel.broken) this._refusals.addBroken(line);
    this._close(parcel, rest);
  }

  /** Count what is done of a parcel, and take back `rest`, which could not be delivered; of a file it is behind already. */
  _close(parcel, rest) {
    if (parcel !== this._underWay) return; // rescued meanwhile
    this._underWay = undefined;
    const settled = parcel.lines.length - rest.length;
    if (parcel.segment === undefined) {
      this._settled += settled;
      if (rest.length && this._store.holdsOwn) this._inOrderFrom = this._taken;
      if (rest.length && !this._store.toFile(rest)) this._store.putBack(rest);
    } else if (!this._stopped) {
      const { adopted } = parcel.segment;
      if (adopted) this._taken += rest.length;
      else this._settled += settled + parcel.broken.length;
      if (rest.length) this._inOrderFrom = this._taken;
      this._store.settle(parcel, adopted ? 0 : parcel.lines.length + parcel.broken.length);
    }
  }

  _dueIn() {
    return this._oldestAt / 1000 + this._tuning.linger - performance.now() / 1000;
  }

  _idleSeconds() {
    return this._store.holdsAny ? Math.max(0, this._dueIn()) : this._tuning.adoptEvery;
  }

  async _pause(seconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000).unref();
      this._wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

module.exports = { Sender };
