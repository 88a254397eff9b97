/** Runs the contracts in runtimes, some at a time, and judges what comes back. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { bundle, outDir } from './bundle.mjs';

/** What one runtime may take. Source: a run takes 10–20 s here; a machine under load several times that. */
const DEADLINE_MS = 180_000;
/** Most of a run is waiting. */
const AT_A_TIME = 3;

/**
 * @param wanted - of `runtimes.mjs`.
 * @param told - is called with a line about each that has ended.
 * @returns by a runtime's name its report, or an `error` that says why there is none, and the name of the code that ran.
 */
export async function runContracts(wanted, told = () => {}) {
  await mkdir(outDir, { recursive: true });
  const bundles = await bundle();
  const outcomes = new Map();
  const queue = [...wanted];
  const work = async () => {
    for (let runtime = queue.shift(); runtime; runtime = queue.shift()) {
      const startMs = performance.now();
      const outcome = await runOne(runtime, bundles);
      outcomes.set(runtime.name, outcome);
      told(`${line(runtime, outcome)} in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return { outcomes, code: bundles.code };
}

async function runOne({ name, title, run }, bundles) {
  // One each: what the leaves of one runtime do to their gateways must not reach those of another.
  const { startNodeStage } = await import(bundles.stage);
  const stage = await startNodeStage();
  try {
    const report = await run(bundles, { name, deadlineMs: DEADLINE_MS, gateways: stage.gateways });
    // Node 20 is whatever Node runs this.
    if (!report.runtime.startsWith(title)) throw new Error(`this is ${report.runtime}, not ${title}`);
    if (report.results.length === 0) throw new Error('it ran nothing');
    await writeFile(reportPath(name), JSON.stringify({ ...report, code: bundles.code }, null, 2));
    return { report };
  } catch (error) {
    return { error };
  } finally {
    await stage.close();
  }
}

/** The reports that runtimes have left for the same code. */
export async function storedReports(runtimes, code) {
  const reports = {};
  for (const { name } of runtimes) {
    const report = await readFile(reportPath(name), 'utf8').then(JSON.parse, () => undefined);
    if (report?.code === code) reports[name] = report;
  }
  return reports;
}

/** The tests that failed, a line for each; what did not run is one. */
export function failures({ title }, { report, error }) {
  if (!report) return [`${title}: not run: ${error.message}`];
  return report.results.filter(({ ok }) => !ok).map((result) => `${title}: ${result.name}: ${result.error}`);
}

const reportPath = (name) => `${outDir}${name}.json`;

function line(runtime, outcome) {
  const { report } = outcome;
  if (!report) return failures(runtime, outcome)[0];
  const failed = failures(runtime, outcome).length;
  return `${report.runtime}: ${report.results.length - failed} passed, ${failed} failed`;
}
