// Runs one vitest project and closes with the plain line "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const [project = 'unit', ...rest] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'songhua-vitest-'));
const report = join(dir, 'report.json');
const run = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...rest,
  ],
  { stdio: 'inherit' },
);
// Each failure again at the end, in a few lines: a long run's output is often cut in the middle.
const ANSI = new RegExp(String.raw`\u001b\[[0-9;]*m`, 'g');
const LINES = 12;
const tell = (file, name, message) => {
  const lines = message.replace(ANSI, '').split('\n').slice(0, LINES);
  process.stdout.write(`FAILED ${file} > ${name}\n  ${lines.join('\n  ')}\n`);
};

let passed = 0;
let failed = 1;
try {
  const result = JSON.parse(readFileSync(report, 'utf8'));
  passed = result.numPassedTests;
  const brokenFiles = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((a) => a.status !== 'failed'),
  );
  failed = result.numFailedTests + brokenFiles.length;
  for (const file of brokenFiles) tell(basename(file.name), 'the file itself', file.message);
  for (const file of result.testResults)
    for (const one of file.assertionResults)
      if (one.status === 'failed') tell(basename(file.name), one.fullName, one.failureMessages.join('\n'));
} catch (error) {
  process.stderr.write(`no test report: ${error.message}\n`);
}
if (run.status !== 0 && failed === 0) failed = 1;
rmSync(dir, { recursive: true, force: true });
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
