// Verifies what a receiver got with the libraries of npm, unmodified.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const given = JSON.parse(readFileSync(0, "utf8"));
const found = {};
for (const name of ["standardwebhooks", "svix"]) {
  const { Webhook } = require(name);
  for (const one of given) {
    try {
      new Webhook(one.secret).verify(one.body, one.headers);
      found[`${name} ${one.name}`] = true;
    } catch (error) {
      found[`${name} ${one.name}`] = false;
    }
  }
}
process.stdout.write(JSON.stringify(found));
