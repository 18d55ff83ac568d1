// node own.mjs CLIENT ADDRESS KEY FOLDER: records with the client of ours that lies in the folder CLIENT, and prints what
// it was told.
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [client, address, key, folder] = process.argv.slice(2);
const { UsageClient } = await import(pathToFileURL(path.join(client, 'index.mjs')).href);
const logger = { warn() {}, error() {} };
const refused = [];
const usage = new UsageClient(address, {
  apiKey: 'not-a-key-of-ours', spill: folder, logger, onRefused: (event, why) => refused.push([event.idempotencyKey, why.code]),
});
const record = (idempotencyKey, quantity, metadata, type = 'tokens') =>
  usage.record('user123', 'sub456', type, quantity, metadata, { idempotencyKey });

record('one', 1, { reportId: 'abc123' });
record('two', 0.1, { at: new Date(0), bad: NaN, big: 2n ** 60n });
record('three', '0.000000000001');
record('four', 10n ** 12n);
record('five', 0);
console.log(await usage.flush(2), usage.stats.accepted, usage.stats.spilled);
usage.useKey(key);
console.log(await usage.flush(10), usage.stats.accepted, JSON.stringify(refused));

const unknown = await usage.recordNow('user123', 'no-such-subscription', 'tokens');
const known = await usage.recordNow('user123', 'sub456', 'tokens', 2, {}, { idempotencyKey: 'six' });
console.log((await usage.recordBatch([
  { userId: 'user123', subscriptionId: 'sub456', usageType: 'calls', idempotencyKey: 'seven' },
  { userId: 'user123', subscriptionId: 'sub456', usageType: 'calls', idempotencyKey: 'eight', quantity: 3 },
])).length);
const failed = (error) => [error.name, error.code ?? error.status].join(' ');
console.log(await usage.recordNow('user123', 'sub456', 'tokens', -1).catch(failed));
console.log(await usage.recordBatch([{ userId: '', subscriptionId: 's', usageType: 't' }]).catch(failed));
console.log(await usage.recording('00000000-0000-7000-8000-000000000000').catch(failed));
console.log((await usage.usage({ subscriptionId: 'sub456' })).subscriptionId);
usage.useKey('not-a-key-of-ours');
console.log(await usage.recordNow('user123', 'sub456', 'tokens').catch(failed));
console.log(unknown, known);
