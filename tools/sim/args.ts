/** The command line of `npm run sim`, read by Node's own `parseArgs`, as that of the command `isogossip` is. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { EXPERIMENTS } from './experiments/experiments.js';
import { SCENARIOS, type ScenarioName } from './scenarios.js';

const EXPERIMENT_NAMES = Object.keys(EXPERIMENTS).join(', ');

const OPTIONS = {
  scenario: { type: 'string', value: 'NAME', help: 'which of the scenarios below' },
  members: { type: 'string', value: 'N', help: 'full members (default 30)' },
  seed: { type: 'string', value: 'S', help: 'decides everything that is left to chance (default 1)' },
  seeds: { type: 'string', value: 'M', help: 'as many runs, with the seeds from S on; figures of all together' },
  v1: { type: 'string', value: 'K', help: 'also K peers that behave as the Go library (default 0; mixed: N / 4)' },
  preset: { type: 'string', value: 'NAME', help: 'timing: local, lan (default) or wan' },
  json: { type: 'boolean', help: 'one JSON object on standard output instead of tables' },
  svg: { type: 'string', value: 'FILE', help: 'also a picture of the run over time' },
  replay: { type: 'boolean', help: 'print what happened around the first violation' },
  soak: {
    type: 'string',
    value: 'MINUTES',
    help: 'random faults with one seed after the other, until a rule is broken',
  },
  plan: {
    type: 'string',
    value: 'JSON',
    help: 'instead of a scenario: the plan that a failure has printed, or a file with it',
  },
  experiment: {
    type: 'string',
    value: 'NAME',
    help: `one of the papers' experiments, as Markdown: ${EXPERIMENT_NAMES}`,
  },
  quick: { type: 'boolean', help: 'a look at an experiment, smaller and shorter' },
  help: { type: 'boolean', help: 'show this' },
} as const satisfies Record<string, { type: 'string' | 'boolean'; value?: string; help: string }>;

/** What was asked for. */
export type Wish =
  | { kind: 'help' }
  | { kind: 'experiment'; name: string; quick: boolean }
  | { kind: 'soak'; minutes: number; seed: number; json: boolean }
  | ({ kind: 'plan'; plan: string } & Output)
  | ({
      kind: 'scenario';
      scenario: ScenarioName;
      members: number;
      seed: number;
      seeds: number;
      v1: number | undefined;
      preset: 'local' | 'lan' | 'wan';
    } & Output);

/** What is to be shown. */
interface Output {
  json: boolean;
  replay: boolean;
  svg: string | undefined;
}

/**
 * Reads the command line.
 * @throws Error with one line for people.
 */
export function readArgs(argv: readonly string[]): Wish {
  const options: ParseArgsConfig['options'] & typeof OPTIONS = OPTIONS;
  const { values } = parseArgs({ args: [...argv], options, strict: true });
  if (values.help || argv.length === 0) return { kind: 'help' };
  const seed = whole('seed', values.seed) ?? 1;
  const { json = false, replay = false, svg } = values;
  if (values.soak !== undefined) {
    const minutes = Number(values.soak);
    if (!(minutes > 0)) throw new Error(`--soak takes minutes, not "${values.soak}"`);
    return { kind: 'soak', minutes, seed, json };
  }
  if (values.experiment !== undefined) {
    if (!Object.hasOwn(EXPERIMENTS, values.experiment)) {
      throw new Error(`--experiment can be ${EXPERIMENT_NAMES}; not "${values.experiment}"`);
    }
    return { kind: 'experiment', name: values.experiment, quick: values.quick ?? false };
  }
  const output = { json, replay, svg };
  if (values.plan !== undefined) return { kind: 'plan', plan: values.plan, ...output };
  const preset = values.preset ?? 'lan';
  if (preset !== 'local' && preset !== 'lan' && preset !== 'wan') {
    throw new Error(`--preset can be local, lan or wan; not "${preset}"`);
  }
  return {
    kind: 'scenario',
    scenario: scenarioName(values.scenario),
    members: whole('members', values.members, 2) ?? 30,
    seed,
    seeds: whole('seeds', values.seeds, 1) ?? 1,
    v1: whole('v1', values.v1),
    preset,
    ...output,
  };
}

/** What there is, for people. */
export function helpText(): string {
  const rows = Object.entries(OPTIONS).map(([name, option]): [string, string] => [
    `--${name}${'value' in option ? ` ${option.value}` : ''}`,
    option.help,
  ]);
  const table = (list: readonly (readonly [string, string])[]) => {
    const width = Math.max(...list.map(([left]) => left.length));
    return list.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
  };
  return [
    'npm run sim -- --scenario NAME [options]     a cluster in virtual time, judged by rules; docs/simulator.md has more',
    '',
    ...table(rows),
    '',
    'Scenarios:',
    ...table(Object.entries(SCENARIOS).map(([name, { about }]): [string, string] => [name, about])),
    '',
    'The exit status is 1 when a rule was broken.',
  ].join('\n');
}

function scenarioName(name: string | undefined): ScenarioName {
  if (name === undefined) throw new Error('no scenario: try --scenario steady, or --help');
  if (!Object.hasOwn(SCENARIOS, name)) {
    throw new Error(`--scenario can be ${Object.keys(SCENARIOS).join(', ')}; not "${name}"`);
  }
  return name as ScenarioName;
}

function whole(name: string, text: string | undefined, least = 0): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new Error(`--${name} must be a whole number from ${least} on, not "${text}"`);
  }
  return Number(text);
}
