// The names of the package for `import`. The package itself is CommonJS, so that `require` has them without waiting.
import client from './lib/index.js';

export const { NotAllowed, Refused, Undelivered, UsageClient, UsageClientError } = client;
