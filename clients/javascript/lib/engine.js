'use strict';

// What stands behind a client that sends: queue, files and connections, put together.

const { Delivery } = require('./delivery.js');
const { Immediate } = require('./immediate.js');
const { folderFor, headersFor } = require('./options.js');
const { Refusals } = require('./refusals.js');
const { Sender } = require('./sender.js');
const { Spill } = require('./spill.js');
const { Store } = require('./store.js');
const { Transport } = require('./transport.js');

const CONNECTIONS = 4;

class Engine {
  constructor(setup, { tally, notices }) {
    const { address, apiKey, tls, tuning, onRefused } = setup;
    this._setup = setup;
    this._tally = tally;
    this._notices = notices;
    this._transport = new Transport(address, { headers: headersFor(apiKey), tls, connections: CONNECTIONS });
    // The sender has a connection of its own, so that closing it cuts no call that a caller awaits.
    this._direct = new Transport(address, { headers: headersFor(apiKey), tls, connections: CONNECTIONS });
    const spill = openSpill(setup, notices);
    this._refusals = new Refusals(spill?.folder, { onRefused, tally, notices });
    const store = new Store(spill, tuning, { writeAhead: setup.writeAhead, tally, notices });
    this._spill = spill;
    this._delivery = new Delivery(this._transport, tuning, {
      refusals: this._refusals,
      tally,
      notices,
      onAccepted: setup.onAccepted,
    });
    this.sender = new Sender(store, this._delivery, tuning, { refusals: this._refusals, notices });
    this.immediate = new Immediate(this._direct, tuning);
    if (spill?.leftBehind()) this.sender.start();
  }

  /** Go on with another key, and take along what waits in the folder of the last one. */
  useKey(apiKey) {
    const setup = { ...this._setup, apiKey };
    this._setup = setup;
    this._transport.headers = this._direct.headers = headersFor(apiKey);
    try {
      this._spill?.moveTo(folderFor(setup));
    } catch (error) {
      this._notices.log('error', `what waits stays in the folder of the last key: ${error.message}`);
    }
    this._refusals.folder = this._spill?.folder;
    this._delivery.hurry();
  }

  /** Send what waits, for `seconds` at most; write the rest to the file. */
  async close(seconds) {
    const isPointless = () => this._delivery.away && this._spill !== undefined;
    await this.sender.wait(seconds, isPointless);
    this.end();
  }

  /** Write what waits to the file, at once. */
  end() {
    this.sender.stop();
    const lost = this.sender.rescue();
    this._direct.close();
    if (!lost) return;
    this._tally.dropped += lost;
    const why = 'the service was away at the end, and no file to keep them in';
    this._notices.log('error', `${lost} recordings are LOST: ${why}`);
  }
}

function openSpill(setup, notices) {
  const folder = folderFor(setup);
  if (folder === undefined) return undefined;
  const { spillBytes: maxBytes, segmentBytes, adoptEvery } = setup.tuning;
  try {
    return new Spill(folder, { maxBytes, segmentBytes, adoptEvery, fsync: setup.fsync });
  } catch (error) {
    const hint = "name one by the option 'spill'";
    const text = `usage that cannot be sent is kept in memory only, for there is no folder for it: ${error.message}`;
    notices.say('folder', 'error', `${text} (${hint})`);
    return undefined;
  }
}

module.exports = { Engine };
