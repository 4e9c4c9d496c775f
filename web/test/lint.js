// Cheap checks that no other tool here makes. Prints each finding; exit code 1 when there are any.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const MAX_LINES = 600;
const MAX_COLUMNS = 180;
const bans = [
  [/\bconsole\.(log|debug)\b/, 'console output'],
  [/\bTODO\b|\bFIXME\b/, 'unfinished work'],
  [/: any\b|as any\b|<any>/, 'type any'],
  [/dangerouslySetInnerHTML|\binnerHTML\b|\beval\(/, 'code from data'],
  [/@ts-(ignore|nocheck|expect-error)/, 'type check switched off'],
];

function files(dir) {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) return files(path);
    return /\.(ts|tsx|js|css)$/.test(name) && name !== 'lint.js' ? [path] : [];
  });
}

let found = 0;
for (const path of [...files(join(root, 'src')), ...files(join(root, 'test'))]) {
  const lines = readFileSync(path, 'utf8').split('\n');
  const say = (line, what) => {
    found += 1;
    process.stdout.write(`${relative(root, path)}:${line}: ${what}\n`);
  };
  if (lines.length > MAX_LINES) say(lines.length, `more than ${MAX_LINES} lines`);
  lines.forEach((text, i) => {
    const words = /words\w*\.ts$/.test(path);
    if (text.length > MAX_COLUMNS && !words) say(i + 1, `more than ${MAX_COLUMNS} columns`);
    for (const [pattern, what] of words ? [] : bans) if (pattern.test(text)) say(i + 1, what);
  });
}
process.exitCode = found > 0 ? 1 : 0;
