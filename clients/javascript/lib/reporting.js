'use strict';

// What a client reports: its counts, and log lines at a rate that does not flood the caller's log.

const EVERY_SECONDS = 60;

/** Counts of recordings since the client was made; `retried` counts requests. `waiting` is added when they are read. */
function newTally() {
  return { recorded: 0, accepted: 0, retried: 0, spilled: 0, refused: 0, dropped: 0 };
}

/** Logs each kind of message at most once a minute. */
class Notices {
  constructor(logger) {
    this._logger = logger;
    this._said = new Map();
  }

  /** Log `message` on `level`, `warn` or `error`, unless something of this `kind` was logged within the last minute. */
  say(kind, level, message) {
    const now = performance.now();
    const said = this._said.get(kind);
    if (said && now < said.at + EVERY_SECONDS * 1000) {
      said.unsaid += 1;
      return;
    }
    const more = said?.unsaid ? ` (${said.unsaid} more like this in the last minutes)` : '';
    this._said.set(kind, { at: now, unsaid: 0 });
    this.log(level, message + more);
  }

  /** Log `message`; a logger that fails hurts no caller. */
  log(level, message) {
    try {
      this._logger[level](`usage-billing-client: ${message}`);
    } catch {
      // there is nowhere else to say it
    }
  }
}

module.exports = { Notices, newTally };
