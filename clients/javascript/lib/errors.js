'use strict';

// What the calls that wait reject with, drawn as one tree. `record` throws none of it.
//
//     UsageClientError
//     ├── Refused        the service looked at the recording and does not take it
//     ├── NotAllowed     the key does not hold, or not for this
//     └── Undelivered    no answer that says either; try again with the same key

/** A call did not succeed; the message says why. */
class UsageClientError extends Error {
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }
}

/** The service does not take it. `code` is for programs, `errors` names the fields, `status` is that of HTTP. */
class Refused extends UsageClientError {
  constructor(message, { status, code, errors = [] }) {
    super(message);
    Object.assign(this, { status, code, errors });
  }
}

/** The key does not hold (401), or not for this (403). */
class NotAllowed extends UsageClientError {}

/** Whether it was done is unknown. Recording again with `keys` as idempotency keys counts it once. */
class Undelivered extends UsageClientError {
  constructor(message, { keys = [] } = {}) {
    super(message);
    this.keys = keys;
    this.key = keys[0];
  }
}

module.exports = { NotAllowed, Refused, Undelivered, UsageClientError };
