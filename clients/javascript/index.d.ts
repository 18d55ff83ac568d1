/** A number counts as JavaScript prints it; a BigInt, a string and a decimal of a library are exact. */
export type Quantity = number | bigint | string | { toFixed(places?: number): string; toString(): string };

/** What JSON has, and dates, Maps, Sets, BigInts and UTF-8 bytes, which are written as what they are. */
export type Metadata = { readonly [name: string]: unknown } | ReadonlyMap<string, unknown>;

export interface RecordOptions {
  /** When the usage happened; now, unless given. A string must carry an offset. */
  timestamp?: Date | string;
  /** Give your own when your work may be repeated; otherwise each recording has a random one. */
  idempotencyKey?: string;
}

export interface WaitOptions {
  /** Seconds of trying; 10 unless given. */
  timeout?: number;
}

/** A recording as `recordBatch` takes it. */
export interface Recording extends RecordOptions {
  userId: string;
  subscriptionId: string;
  usageType: string;
  /** 1 unless given; with null the usage type makes it from the metadata. */
  quantity?: Quantity | null;
  metadata?: Metadata | null;
}

/** A recording as it is sent. */
export interface UsageEvent {
  userId: string;
  subscriptionId: string;
  usageType: string;
  idempotencyKey: string;
  source?: string;
  /** RFC 3339. */
  timestamp: string;
  /** A decimal number; absent where the usage type makes it. */
  quantity?: string;
  metadata?: { [name: string]: unknown };
}

/** A problem that the service names: `pointer` is the JSON pointer of the field. */
export interface FieldProblem {
  pointer?: string;
  detail: string;
  code: string;
}

/** Why the service refused a recording. */
export interface Refusal {
  /** The status of HTTP. */
  status: number;
  code: string;
  detail: string;
  errors: FieldProblem[];
}

/** Counts since the client was made: of recordings, but `retried` of requests that were sent again. */
export interface Stats {
  recorded: number;
  accepted: number;
  retried: number;
  spilled: number;
  refused: number;
  /** Lost, because neither memory nor file had room. */
  dropped: number;
  waiting: number;
}

/** Numbers that seldom need a change, each more than 0. Seconds and bytes. */
export interface Tuning {
  linger: number;
  maxEvents: number;
  maxRequestBytes: number;
  maxWaiting: number;
  maxWaitingBytes: number;
  timeout: number;
  backoffBase: number;
  backoffCap: number;
  patience: number;
  misconfiguredPause: number;
  spillBytes: number;
  segmentBytes: number;
  adoptEvery: number;
  exitTimeout: number;
}

export interface Logger {
  warn(message: string): void;
  error(message: string): void;
}

export interface Options {
  /** Needed unless `mode` is `memory` or `off`. */
  apiKey?: string;
  /** `memory` keeps what is recorded in `recorded`, `off` does nothing; neither needs a service. `live` unless given. */
  mode?: 'live' | 'memory' | 'off';
  /** The folder for what cannot be sent; false for none, true (unless given) for one of the user's. */
  spill?: boolean | string;
  /** Write each recording to the file before `record` returns, so that it survives the death of the process. */
  writeAhead?: boolean;
  /** What is written to the file survives a power cut. */
  fsync?: boolean;
  /** Sets the keys of this sender apart from those of others. */
  source?: string;
  /** Throw TypeError and RangeError for recordings that cannot be written; otherwise they are logged. */
  strict?: boolean;
  /** Called for each recording of `record` that the service accepts, with the id under which it can be looked up. */
  onAccepted?: (event: UsageEvent, id: string) => void;
  /** Called for each recording that the service refuses. */
  onRefused?: (event: UsageEvent, why: Refusal) => void;
  /** Called for each call of `record` that returns null because of an error, with what it was given. */
  onError?: (error: Error, given: Recording) => void;
  /** Called before a recording is taken in; returns it, changed or not, or null to leave it out. */
  beforeSend?: (event: UsageEvent) => UsageEvent | null;
  /** Where messages go; `console` unless given. */
  logger?: Logger;
  /** Options of `https.Agent`, such as `ca`. */
  tls?: object;
  tuning?: Partial<Tuning>;
}

/** Records usage in the background. Make one for the whole process. */
export class UsageClient {
  /** Throws TypeError for an address, a key or an option that cannot be one. */
  constructor(url: string, options: Options);

  /** With `mode: 'memory'`: what was recorded, as it would have been sent. */
  readonly recorded: UsageEvent[];

  /** How many recordings went which way. */
  readonly stats: Stats;

  /** Record usage without waiting; returns its idempotency key, or null if it was not taken. Throws nothing. */
  record(
    userId: string,
    subscriptionId: string,
    usageType: string,
    quantity?: Quantity | null,
    metadata?: Metadata | null,
    options?: RecordOptions,
  ): string | null;

  /** Record usage and wait; resolves with its id, or null if `beforeSend` left it out. */
  recordNow(
    userId: string,
    subscriptionId: string,
    usageType: string,
    quantity?: Quantity | null,
    metadata?: Metadata | null,
    options?: RecordOptions & WaitOptions,
  ): Promise<string | null>;

  /** Record many in one request and wait: all or none; resolves with an id for each, null where `beforeSend` left it out. */
  recordBatch(recordings: Iterable<Recording>, options?: WaitOptions): Promise<(string | null)[]>;

  /** What became of a recording: `status` is accepted, recorded, duplicate, quarantined or voided. */
  recording(id: string, options?: WaitOptions): Promise<{ id: string; status: string; [name: string]: unknown }>;

  /** What a subscription or a user used, by usage type. */
  usage(
    asked: ({ subscriptionId: string; userId?: undefined } | { userId: string; subscriptionId?: undefined }) &
      WaitOptions & { from?: Date | string; to?: Date | string; cursor?: string; limit?: number },
  ): Promise<{ [name: string]: unknown }>;

  /** Wait until all is judged that this client recorded or a dead process left; false if not within `seconds` (5). */
  flush(seconds?: number): Promise<boolean>;

  /** Send what waits, within `seconds` (5); the rest is kept in the file. */
  close(seconds?: number): Promise<void>;

  /** Go on with another key; what waits is sent with it. */
  useKey(apiKey: string): void;
}

/** A call did not succeed. */
export class UsageClientError extends Error {}

/** The service does not take it. */
export class Refused extends UsageClientError {
  readonly status: number;
  /** For programs. */
  readonly code: string;
  readonly errors: FieldProblem[];
}

/** The key does not hold (401), or not for this (403). */
export class NotAllowed extends UsageClientError {}

/** Whether it was done is unknown; recording again with these keys counts it once. */
export class Undelivered extends UsageClientError {
  readonly key: string | undefined;
  readonly keys: string[];
}
