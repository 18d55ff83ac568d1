// What TypeScript makes of the package by `import`. Lines after `@ts-expect-error` must not compile.
import { Refused, Undelivered, UsageClient, type Stats, type UsageEvent } from 'usage-billing-client';

const usage = new UsageClient('http://payment-service:5003', {
  apiKey: 'key',
  onRefused: (event, why) => console.error(event.idempotencyKey, why.errors.map((error) => error.pointer)),
  beforeSend: (event): UsageEvent | null => (event.usageType === 'internal' ? null : event),
  tuning: { linger: 1 },
});
const key: string | null = usage.record('user123', 'sub456', 'report', 1, { reportId: 'abc123', at: new Date() });
usage.record('user123', 'sub456', 'report', 10n, new Map([['a', 1]]), { timestamp: new Date(), idempotencyKey: 'k' });
const ids: (string | null)[] = await usage.recordBatch([{ userId: 'u', subscriptionId: 's', usageType: 't', quantity: null }]);
const stats: Stats = usage.stats;
const found = await usage.recording(ids[0] ?? '');
const used = await usage.usage({ subscriptionId: 'sub456', from: new Date() });
try {
  await usage.recordNow('user123', 'sub456', 'report', '0.1', {}, { timeout: 2 });
} catch (error) {
  if (error instanceof Refused) console.error(error.code, error.status);
  if (error instanceof Undelivered) console.error(error.key);
}
console.log(key, stats.dropped, found.status, used, await usage.flush(1));

// @ts-expect-error: a usage type is needed
usage.record('user123', 'sub456');
// @ts-expect-error: there is no such option
new UsageClient('http://payment-service:5003', { apiKey: 'key', retries: 3 });
// @ts-expect-error: either a subscription or a user
await usage.usage({ subscriptionId: 's', userId: 'u' });
await usage.close();
