// node --require payment_service.cjs run_example.cjs EXAMPLE FOLDER: runs EXAMPLE as the script that it is, with the
// packages installed in FOLDER, then makes the calls that stdin lists ([[argument, ...], ...]), all at once, and
// prints what each returned.
'use strict';

const fs = require('fs');
const path = require('path');
const vm = require('vm');
const { createRequire } = require('module');

const [example, folder] = process.argv.slice(2);
globalThis.require = createRequire(path.join(folder, 'package.json'));
vm.runInThisContext(fs.readFileSync(example, 'utf8'), { filename: example });

const calls = JSON.parse(fs.readFileSync(0, 'utf8'));
Promise.all(calls.map((call) => globalThis.recordUsage(...call))).then((results) => {
  console.log(JSON.stringify(results));
});
