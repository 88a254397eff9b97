/** Runs one random plan after the other until the time is up or a rule is broken. */
import { replayLine, smaller, violationText } from './failure.js';
import { randomPlan } from './random-plan.js';
import { runPlan } from './run.js';
import type { Streams } from './streams.js';

/** How often it says that it is still there. */
const PROGRESS_MS = 15_000;
/** Processor time for making a failure smaller. */
const MINIMISE_MS = 60_000;

/** @returns whether all rules held in all runs. */
export function soak(minutes: number, firstSeed: number, streams: Streams): boolean {
  const startedMs = performance.now();
  const passedMs = () => performance.now() - startedMs;
  let [virtualMs, saidMs, looks] = [0, 0, 0];
  let seed = firstSeed;
  for (; passedMs() < minutes * 60_000; seed++) {
    const plan = randomPlan(seed);
    const run = runPlan(plan, { stopAtViolation: true });
    const [violation] = run.violations;
    if (violation) {
      streams.out(`seed ${seed} of the soak: ${violationText(violation)}`);
      streams.out(`  ${plan.members} members, ${plan.leaves} leaves, ${plan.v1} v1 peers, ${plan.steps.length} steps`);
      const small = smaller(plan, violation.rule, MINIMISE_MS);
      const [left] = runPlan(small, { stopAtViolation: true }).violations;
      streams.out(`made smaller: ${small.members} members, ${small.steps.length} steps`);
      for (const step of small.steps) streams.out(`  ${JSON.stringify(step)}`);
      if (left) streams.out(violationText(left));
      streams.out(`replay: ${replayLine(small)}`);
      return false;
    }
    virtualMs += run.samples.virtualMs;
    looks += Object.values(run.looks).reduce((sum, count) => sum + count, 0);
    if (passedMs() - saidMs < PROGRESS_MS) continue;
    saidMs = passedMs();
    streams.progress(
      `${Math.round(saidMs / 1000)} s: ${seed - firstSeed + 1} plans, ${hours(virtualMs)}, all rules held`,
    );
  }
  streams.out(
    `soak: ${seed - firstSeed} plans from seed ${firstSeed} on, ${hours(virtualMs)}, rules looked at ${looks.toLocaleString('en')} times: all held`,
  );
  return true;
}

function hours(virtualMs: number): string {
  return `${(virtualMs / 3_600_000).toFixed(1)} virtual hours`;
}
