// packaging/licences.mjs - prints the notices of the packages that the console's files contain (package-lock.json: all that are not
// for development alone). Fails when one of them has no notice and names no licence.
// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const web = new URL("../web/", import.meta.url).pathname;
const packages = JSON.parse(readFileSync(join(web, "package-lock.json"), "utf8")).packages;
for (const [path, entry] of Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1))) {
  const dir = join(web, path);
  if (path === "" || entry.dev || entry.devOptional || !existsSync(dir)) continue;
  const notices = readdirSync(dir).filter((f) => /^(licen[cs]e|notice|copying)/i.test(f));
  if (notices.length === 0 && !entry.license) throw new Error(`${path}: no licence`);
  console.log(`==== ${path.replace(/^.*node_modules\//, "")} ${entry.version} (${entry.license ?? "see below"}) ====\n`);
  for (const f of notices) console.log(readFileSync(join(dir, f), "utf8").trim() + "\n");
}
