/**
 * `npm run test:runtimes` and `npm run test:browsers`: the contracts in every runtime that comes from npm, or from the
 * distribution. Prints a matrix; once every runtime has run the same code, README.md and docs/runtimes-matrix.md get it.
 *
 * Arguments: `npm` or `apt`, or names of runtimes; `--outputFile.json=FILE` for a summary as vitest's reporter writes it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { installBrowsers } from './apt.mjs';
import { root } from './bundle.mjs';
import { matrix, replaceMatrix } from './matrix.mjs';
import { fetchNodes } from './processes.mjs';
import { failures, runContracts, storedReports } from './run.mjs';
import { runtimes } from './runtimes.mjs';

const REPORT_OPTION = '--outputFile.json=';
const options = process.argv.slice(2).filter((one) => one.startsWith('--'));
const names = process.argv.slice(2).filter((one) => !one.startsWith('--'));
const wanted = runtimes.filter(({ name, from }) => names.includes(name) || names.includes(from));
if (wanted.length === 0) throw new Error(`name npm, apt, or any of ${runtimes.map(({ name }) => name).join(', ')}`);

if (wanted.some(({ name }) => /^node2[246]$/.test(name))) {
  await fetchNodes().catch((error) => console.error(error.message));
}
if (wanted.some(({ from }) => from === 'apt')) installBrowsers();

const { outcomes, code } = await runContracts(wanted, (text) => console.log(text));
const failed = wanted.flatMap((runtime) => failures(runtime, outcomes.get(runtime.name)));
let passedCount = 0;
for (const { report } of outcomes.values()) passedCount += report?.results.filter(({ ok }) => ok).length ?? 0;

const reports = await storedReports(runtimes, code);
const text = matrix(runtimes, reports);
console.log(`\n${text}\n`);
const whole = runtimes.every(({ name }) => reports[name]?.results.every(({ ok }) => ok));
if (whole && failed.length === 0) await keep(text);
for (const failure of failed) console.error(`FAILED ${failure}\n`);
console.log(`${passedCount} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;
const file = options.find((one) => one.startsWith(REPORT_OPTION))?.slice(REPORT_OPTION.length);
if (file) await writeFile(file, JSON.stringify({ numPassedTests: passedCount, numFailedTests: failed.length }));

/** Puts the matrix where people read it; in CI it must be there already. */
async function keep(table) {
  for (const path of ['docs/runtimes-matrix.md', 'README.md']) {
    const before = await readFile(root + path, 'utf8');
    const after = replaceMatrix(before, table);
    if (after === before) continue;
    if (process.env.CI)
      failed.push(`${path} has another matrix: npm run test:runtimes && npm run test:browsers write it`);
    else await writeFile(root + path, after);
  }
}
