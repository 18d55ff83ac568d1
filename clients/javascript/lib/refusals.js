'use strict';

// Recordings that the service refuses: they are logged, kept in a file for a person, and told to the caller.
//
// The client does not send them again. A person can mend the `event` members in the file and import or record them:
// they have their idempotency keys, so that none counts twice.

const fs = require('node:fs');
const path = require('node:path');

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = fs.constants;
const FILE_NAME = 'refused.jsonl';

/** Takes in refused recordings; never throws. */
class Refusals {
  constructor(folder, { onRefused, tally, notices }) {
    this.folder = folder;
    Object.assign(this, { _onRefused: onRefused, _tally: tally, _notices: notices });
  }

  /** Take in the recording `line`; `why` is `{status, code, detail, errors}`. */
  add(line, why) {
    const event = JSON.parse(line);
    const { idempotencyKey, subscriptionId, usageType } = event; // metadata stays out of the log
    const shown = JSON.stringify({ idempotencyKey, subscriptionId, usageType });
    this._tally.refused += 1;
    this._notices.log('error', `refused by the service: ${shown}: ${why.detail} ${JSON.stringify(why.errors)}`);
    this._keep({ refusedAt: new Date().toISOString(), ...why, event });
    try {
      this._onRefused?.(event, why);
    } catch (error) {
      this._notices.log('error', `onRefused failed for ${shown}: ${error}`);
    }
  }

  /** Take in a line of a spill file that is no recording: half written by a process that died, or rubbish. */
  addBroken(line) {
    this._tally.refused += 1;
    this._notices.log('warn', `${line.length} bytes in a spill file are no recording; the others are sent`);
    const text = line.subarray(0, 64 * 1024).toString('utf8');
    this._keep({ refusedAt: new Date().toISOString(), status: 0, code: 'unreadable', text });
  }

  _keep(entry) {
    if (this.folder === undefined) return;
    const place = path.join(this.folder, FILE_NAME);
    let fd;
    try {
      fd = fs.openSync(place, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
      // In one write: other processes write here too, and one may have died within a line.
      fs.writeSync(fd, `${endsTorn(fd) ? '\n' : ''}${JSON.stringify(entry)}\n`);
    } catch (error) {
      this._notices.say('refused', 'error', `refused recordings cannot be kept in ${place}: ${error.message}`);
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  }
}

function endsTorn(fd) {
  const { size } = fs.fstatSync(fd);
  const last = Buffer.alloc(1);
  return size > 0 && fs.readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}

module.exports = { Refusals };
