/** `npm run sim`: runs what the command line asks for, and prints it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { helpText, readArgs, type Wish } from './args.js';
import type { Experiment } from './experiments/experiment.js';
import { EXPERIMENTS } from './experiments/experiments.js';
import { replayLine, replayText, smaller, violationText } from './failure.js';
import { figuresOf } from './figures.js';
import { RULES } from './invariants.js';
import { picture } from './picture.js';
import type { Plan } from './plan.js';
import { type Run, runPlan } from './run.js';
import { planOf } from './scenarios.js';
import { soak } from './soak.js';
import type { Streams } from './streams.js';
import { figuresText } from './table.js';

/** Processor time for making a failure smaller. */
const MINIMISE_MS = 60_000;

const STREAMS: Streams = {
  out: (text) => process.stdout.write(`${text}\n`),
  progress: (text) => process.stderr.write(`${text}\n`),
};

/** @returns the exit status: 0, 1 when a rule was broken, 2 when the command line was not understood. */
export async function main(argv: readonly string[], streams: Streams = STREAMS): Promise<number> {
  let wish: Wish;
  try {
    wish = readArgs(argv);
  } catch (error) {
    streams.progress(`${error instanceof Error ? error.message : String(error)}\n\n${helpText()}`);
    return 2;
  }
  if (wish.kind === 'help') {
    streams.out(helpText());
    return 0;
  }
  if (wish.kind === 'experiment') {
    const { title, text } = (EXPERIMENTS[wish.name] as Experiment)(wish.quick, streams.progress);
    streams.out(`## ${title}\n\n${text}\n`);
    return 0;
  }
  if (wish.kind === 'soak') return soak(wish.minutes, wish.seed, streams) ? 0 : 1;
  const plans =
    wish.kind === 'plan'
      ? [readPlan(wish.plan)]
      : Array.from({ length: wish.seeds }, (_, i) => planOf(wish.scenario, { ...wish, seed: wish.seed + i }));
  const runs = plans.map((plan) => runPlan(plan, { heapBytes, keepHappenings: wish.replay }));
  const broken = runs.find((run) => run.violations.length > 0);
  if (wish.svg !== undefined) writeFileSync(wish.svg, picture(broken ?? (runs[0] as Run)));
  streams.out(wish.json ? JSON.stringify(report(runs), null, 2) : text(runs));
  if (!broken) return 0;
  if (wish.replay) streams.progress(replayText(broken));
  else streams.progress(failureText(broken));
  return 1;
}

function readPlan(text: string): Plan {
  return JSON.parse(text.startsWith('{') ? text : readFileSync(text, 'utf8'));
}

function failureText({ plan, violations }: Run): string {
  const [first] = violations;
  if (!first) return '';
  const small = smaller(plan, first.rule, MINIMISE_MS);
  return `${violationText(first)}\nmade smaller: ${small.members} members, ${small.steps.length} steps\nreplay: ${replayLine(small)}`;
}

/** What `--json` prints. */
function report(runs: readonly Run[]) {
  const { scenario, members, v1, leaves, preset, seed } = (runs[0] as Run).plan;
  return {
    scenario,
    members,
    v1,
    leaves,
    preset,
    seed,
    seeds: runs.length,
    traceHashes: runs.map((run) => run.traceHash),
    figures: figuresOf(runs.map((run) => run.samples)),
    violations: runs.flatMap((run) => run.violations.map((violation) => ({ seed: run.plan.seed, ...violation }))),
  };
}

function text(runs: readonly Run[]): string {
  const { scenario, members, v1, leaves, preset, seed } = (runs[0] as Run).plan;
  const who = [`${members} members`, leaves > 0 ? `${leaves} leaves` : '', v1 > 0 ? `${v1} v1 peers` : ''];
  const seeds = runs.length > 1 ? `seeds ${seed} to ${seed + runs.length - 1}` : `seed ${seed}`;
  const broken = runs.flatMap((run) => run.violations);
  return [
    `${scenario}: ${who.filter((one) => one !== '').join(', ')}, preset ${preset}, ${seeds}`,
    figuresText(figuresOf(runs.map((run) => run.samples))),
    `trace ${runs.map((run) => run.traceHash).join(' ')}`,
    broken.length === 0
      ? `all ${Object.keys(RULES).length} rules held`
      : `BROKEN: ${[...new Set(broken.map(({ rule }) => rule))].join(', ')}`,
  ].join('\n\n');
}

/** Bytes of heap in use, after all that is not needed is gone. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
