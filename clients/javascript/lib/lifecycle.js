'use strict';

// What happens when the process exits: when nothing is left to do, clients send what waits; at the exit itself, where
// nothing can be awaited any more, they write it to the file.

const open = new Set();
let hooked = false;

/** Close `client` when the process ends. */
function track(client) {
  open.add(client);
  if (hooked) return;
  hooked = true;
  process.on('beforeExit', () => open.forEach((client) => client.close()));
  process.on('exit', () => open.forEach((client) => client._end()));
}

/** Forget `client`: it was closed. */
function untrack(client) {
  open.delete(client);
}

module.exports = { track, untrack };
