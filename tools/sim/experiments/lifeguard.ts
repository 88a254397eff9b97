/**
 * Lifeguard's interval experiment: 128 members, of which C at a time are stuck for D, are well for I, are stuck again, for
 * two minutes. As in the paper, who is stuck neither sends nor receives until the end, while its timers run. Counted is who is
 * declared dead although it is not one of the C; and, apart from it, how fast one that dies is found.
 *
 * @source Dadgar, Phillips, Currey (2018) §V. The paper runs C from 1 to 32, D from 128 ms to 32,768 ms and I from 1 ms to
 *   16,384 ms; we take a part of that grid.
 */
import type { Timing } from '../../../src/core/config.js';
import { Random } from '../../../src/core/random.js';
import { type Experiment, percent, quantile, seconds, table, wholeCluster } from './experiment.js';
import { asPlainSwim } from './plain-swim.js';

const MEMBERS = 128;

interface Variant {
  name: string;
  timing: Partial<Timing>;
  plain: boolean;
}

/** Those of memberlist at the time of the paper: an interval of 1 s, half of it for the direct ack, k = 3. */
const PAPER: Partial<Timing> = { probeIntervalMs: 1000, probeTimeoutMs: 500, indirectProbes: 3 };
const VARIANTS: readonly Variant[] = [
  { name: 'SWIM, α 5', timing: { ...PAPER, suspicionMult: 5, suspicionMaxMult: 1 }, plain: true },
  { name: 'ours, α 5, β 6', timing: { ...PAPER, suspicionMult: 5, suspicionMaxMult: 6 }, plain: false },
  { name: 'ours, α 2, β 6', timing: { ...PAPER, suspicionMult: 2, suspicionMaxMult: 6 }, plain: false },
  { name: 'ours, preset lan', timing: {}, plain: false },
];

/** How often healthy members were declared dead, anywhere, and at healthy members. */
function falsePositives(variant: Variant, lengthMs: number, c: number, d: number, i: number): [number, number] {
  const sim = wholeCluster({ seed: 1, members: MEMBERS, timing: variant.timing });
  const random = new Random(1);
  const anomalous = random.sample(
    Array.from({ length: MEMBERS }, (_, n) => n),
    c,
  );
  const sick = new Set(anomalous);
  const fromMs = sim.nowMs;
  while (sim.nowMs < fromMs + lengthMs) {
    for (const member of anomalous) sim.suspend(member, d, 'io');
    sim.run(d + i);
  }
  const dead = sim.events.filter(({ atMs, about, state }) => atMs >= fromMs && state === 'dead' && !sick.has(about));
  return [dead.length, dead.filter(({ at }) => !sick.has(at)).length];
}

/** When a member that has died is first declared dead by somebody, and by all. */
function detection(variant: Variant, seed: number): [first: number, all: number] {
  const sim = wholeCluster({ seed, members: MEMBERS, timing: variant.timing });
  sim.run((seed * 137) % 1000);
  const victim = seed % MEMBERS;
  const fromMs = sim.nowMs;
  sim.crash(victim, 'silent');
  sim.runUntil(() => sim.running().every((member) => sim.state(member, victim) === 'dead'), 120_000);
  const first = sim.events.find(({ atMs, about, state }) => atMs >= fromMs && about === victim && state === 'dead');
  return [(first?.atMs ?? Number.NaN) - fromMs, sim.nowMs - fromMs];
}

/** The experiment. */
export const lifeguard: Experiment = (quick, progress) => {
  const grid = quick
    ? { c: [16], d: [16_384], i: [64] }
    : { c: [4, 16, 32], d: [512, 2048, 8192, 16_384, 32_768], i: [4, 64, 1024] };
  const lengthMs = quick ? 36_000 : 120_000;
  const results = VARIANTS.map((variant) => {
    const run = () => {
      let [all, healthy] = [0, 0];
      for (const c of grid.c) {
        for (const d of grid.d) {
          for (const i of grid.i) {
            const [a, h] = falsePositives(variant, lengthMs, c, d, i);
            all += a;
            healthy += h;
            progress(`${variant.name}: C ${c}, D ${d}, I ${i}: ${a} (${h})`);
          }
        }
      }
      const times = Array.from({ length: quick ? 4 : 12 }, (_, n) => detection(variant, n + 1));
      return { all, healthy, first: times.map(([ms]) => ms), full: times.map(([, ms]) => ms) };
    };
    return { variant, ...(variant.plain ? asPlainSwim(run) : run()) };
  });
  const [swim] = results;
  if (!swim) throw new Error('nothing to compare with');
  const rows = results.map(({ variant, all, healthy, first, full }) => [
    variant.name,
    all,
    percent(all, swim.all),
    healthy,
    percent(healthy, swim.healthy),
    seconds(quantile(first, 0.5)),
    seconds(quantile(full, 0.5)),
  ]);
  const text = [
    `C ∈ {${grid.c.join(', ')}}, D ∈ {${grid.d.join(', ')}} ms, I ∈ {${grid.i.join(', ')}} ms; ${grid.c.length * grid.d.length * grid.i.length} runs of ${lengthMs / 1000} s each.`,
    '',
    table(
      ['', 'false deaths', 'of SWIM’s', 'at healthy members', 'of SWIM’s', 'first dead (s)', 'dead for all (s)'],
      [
        ...rows,
        ['paper: SWIM, α 5', '', '100 %', '', '100 %', '12.4', ''],
        ['paper: Lifeguard, α 5, β 6', '', '1.53 %', '', '1.89 %', '12.4', ''],
      ],
    ),
  ].join('\n');
  return { title: 'Lifeguard: members that neither send nor receive for a while', text };
};
