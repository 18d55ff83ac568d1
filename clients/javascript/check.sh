#!/bin/sh
# Packs the package, installs it as a user would, loads it both ways and compiles its types: sh check.sh
# Needs npm and a registry for TypeScript, which is pinned in test/types; 3 when TypeScript cannot be installed.
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp test/types/* "$folder"
npm pack --silent --pack-destination "$folder" >/dev/null
cd "$folder"
npm ci --silent --ignore-scripts --no-audit --no-fund || exit 3
mkdir -p node_modules/usage-billing-client
tar xzf usage-billing-client-*.tgz -C node_modules/usage-billing-client --strip-components=1
for name in README.md CHANGELOG.md index.d.ts index.d.mts index.mjs lib/index.js; do
    test -f "node_modules/usage-billing-client/$name" || { echo "the package lacks $name" >&2; exit 1; }
done
test ! -e node_modules/usage-billing-client/test || { echo "the package has the tests" >&2; exit 1; }
use='const usage = new UsageClient("", { mode: "memory" }); usage.record("u", "s", "t"); console.log(usage.recorded.length)'
[ "$(node -e "const { UsageClient } = require('usage-billing-client'); $use")" = 1 ]
[ "$(node --input-type=module -e "import { UsageClient } from 'usage-billing-client'; $use")" = 1 ]
npx --no-install tsc -p .
echo "the package is whole: $(ls usage-billing-client-*.tgz)"
