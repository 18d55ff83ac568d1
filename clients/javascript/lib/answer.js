'use strict';

// What an answer of the service means for the recordings sent, and when to try again.
//
// Only the service's own answers count: a proxy's page with status 200 accepts nothing, and a proxy's 400 or 413 refuses
// nothing, whatever it is written in. Recordings whose answer is not understood are kept and sent again.

/** A service that asks for more seconds than this is asked again after this many. */
const MAX_RETRY_AFTER = 300;

const LATER = new Set([408, 425, 429]);
const DENIED = {
  401: 'the key does not hold: check the apiKey (INTERNAL_API_KEY of the service)',
  403: 'the key is not allowed to: recording needs the scope usage:write, looking up usage:read',
};
const TOO_LARGE = 413;
const ABOUT_THE_RECORDINGS = new Set([400, 409, 413, 422]);
const NOT_UNDERSTOOD =
  'that is not understood: is the address that of the usage-billing service, with nothing between that answers for it?';
const EVENT = /^\/events\/(0|[1-9][0-9]{0,8})(?:\/|$)/;

/**
 * The meaning of an answer to `count` recordings: a verdict `{kind, reason, status, body, retryAfter, refused}`.
 * `kind` is `accepted`, `later` (busy or broken: again soon), `keep` (a person has to mend the configuration), `refused`
 * (those whose indexes `refused` maps to problems are wrong) or `divide` (one of them is wrong, or they are too much).
 */
function judge(answer, { count, accepted }) {
  const { status } = answer;
  const body = objectOf(answer.body);
  const verdict = { kind: 'keep', reason: `an answer ${status} ${NOT_UNDERSTOOD}`, status, body };
  if (status >= 200 && status < 300 && accepted(body)) return { ...verdict, kind: 'accepted' };
  if (LATER.has(status) || status >= 500) {
    const retryAfter = readRetryAfter(answer.headers['retry-after']);
    return { ...verdict, kind: 'later', reason: `the service answered ${status}`, retryAfter };
  }
  if (DENIED[status]) return { ...verdict, reason: `the service answered ${status}: ${DENIED[status]}` };
  if (status === TOO_LARGE && count > 1) return { ...verdict, kind: 'divide', reason: 'too large' };
  if (ABOUT_THE_RECORDINGS.has(status) && isOurs(answer, body)) {
    const refused = refusedOf(body, count);
    return { ...verdict, kind: refused.size ? 'refused' : 'divide', reason: String(body.detail ?? body.code), refused };
  }
  return verdict;
}

/** The meaning of an answer to a batch of `count` recordings. */
function judgeBatch(answer, count) {
  return judge(answer, { count, accepted: (body) => body.accepted === count && body.ids?.length === count });
}

/** The meaning of an answer to one recording sent by itself. */
function judgeSingle(answer) {
  return judge(answer, { count: 1, accepted: (body) => typeof body.id === 'string' });
}

/** The meaning of an answer to a question: only the service's own problems are a no. */
function judgeLookUp(answer) {
  const verdict = judge(answer, { count: 1, accepted: (body) => Object.keys(body).length > 0 });
  const isNo = verdict.kind === 'keep' && !DENIED[answer.status] && isOurs(answer, verdict.body);
  return isNo ? { ...verdict, kind: 'refused', refused: new Map() } : verdict;
}

/** Whether the problem is one that the service makes, and not a gateway or another service behind the address. */
function isOurs(answer, body) {
  const mediaType = String(answer.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  const named = typeof body.code === 'string' && typeof body.requestId === 'string';
  return mediaType === 'application/problem+json' && named && body.status === answer.status;
}

/** The problems by index of the recording; empty when not every problem says which it is about. */
function refusedOf(body, count) {
  const found = new Map();
  for (const error of Array.isArray(body.errors) ? body.errors : []) {
    const named = EVENT.exec(String(error?.pointer));
    if (named === null || Number(named[1]) >= count) return new Map();
    const index = Number(named[1]);
    found.set(index, [...(found.get(index) ?? []), error]);
  }
  return found;
}

function objectOf(data) {
  try {
    const found = JSON.parse(data);
    return typeof found === 'object' && found !== null && !Array.isArray(found) ? found : {};
  } catch {
    return {};
  }
}

/** `code`, `detail` and `errors` of a problem. */
function refusalFields(body) {
  return {
    code: typeof body.code === 'string' ? body.code : 'refused',
    detail: typeof body.detail === 'string' ? body.detail : 'the service does not take it',
    errors: Array.isArray(body.errors) ? body.errors : [],
  };
}

/**
 * Seconds to wait after `failures` (1 or more) failures in a row: exponential with full jitter, from 0 to
 * `base * 2 ** (failures - 1)`, at most `cap`. The wait that the service asked for comes first and the jitter after it,
 * so that clients do not all return at once.
 */
function pause(failures, { base, cap, retryAfter }) {
  const jitter = Math.random() * Math.min(cap, base * 2 ** Math.min(failures - 1, 32));
  return retryAfter === undefined ? jitter : Math.min(retryAfter, MAX_RETRY_AFTER) + Math.min(jitter, 1);
}

/** The seconds that a `Retry-After` header asks for, spelled as seconds or as a date; undefined if it says nothing. */
function readRetryAfter(text, now = Date.now()) {
  if (text === undefined) return undefined;
  const trimmed = String(text).trim();
  if (/^[0-9]+$/.test(trimmed)) return Number(trimmed.slice(0, 9));
  const instant = /[a-z]{3}.*\d\d:\d\d/i.test(trimmed) ? Date.parse(trimmed) : NaN;
  return Number.isNaN(instant) ? undefined : Math.max(0, (instant - now) / 1000);
}

module.exports = { MAX_RETRY_AFTER, judgeBatch, judgeLookUp, judgeSingle, pause, readRetryAfter, refusalFields };
