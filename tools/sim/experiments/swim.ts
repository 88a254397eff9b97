/**
 * SWIM's own claims: how many protocol periods pass until somebody finds a member that has died, and that the load of a member
 * does not grow with the cluster.
 *
 * @source Das, Gupta, Motivala (2002) §3.1: e / (e − 1) periods are expected, counted from the beginning of a period.
 */
import { Random } from '../../../src/core/random.js';
import { PRESETS } from '../../../src/options.js';
import { createSimulation, type Simulation } from '../../../src/testing/index.js';
import { type Experiment, quantile, table } from './experiment.js';

const { probeIntervalMs } = PRESETS.lan;
/** With clocks that far apart at most, what is the same step for all is chance. */
const APART_MS = 30_000;

function cluster(members: number, seed: number, clocksAgree: boolean): Simulation {
  const sim = createSimulation({ seed });
  const random = new Random(seed);
  for (let i = 0; i < members; i++) sim.addMember({ clockAheadMs: clocksAgree ? 0 : random.unit() * APART_MS });
  sim.connectAll();
  sim.run(3000 + random.unit() * probeIntervalMs);
  return sim;
}

/** Periods from a death until somebody suspects it: the wait for a probe, and the one that the probe takes. */
function periods(members: number, seed: number, clocksAgree: boolean): number {
  const sim = cluster(members, seed, clocksAgree);
  const victim = seed % members;
  const fromMs = sim.nowMs;
  sim.crash(victim, 'silent');
  const suspicion = () => sim.events.find(({ about, state }) => about === victim && state === 'suspect');
  sim.runUntil(() => suspicion() !== undefined, 60_000);
  return ((suspicion()?.atMs ?? Number.NaN) - fromMs) / probeIntervalMs;
}

/** The experiment. */
export const swim: Experiment = (quick, progress) => {
  const sizes = quick ? [8, 32] : [8, 32, 128];
  const rows = sizes.map((members) => {
    const found = [true, false].map((agree) => {
      const all = Array.from({ length: quick ? 10 : 60 }, (_, n) => periods(members, n + 1, agree));
      progress(`${members} members, clocks ${agree ? 'agree' : 'apart'}`);
      return [all.reduce((sum, n) => sum + n, 0) / all.length, quantile(all, 0.95), Math.max(...all)] as const;
    });
    const sim = cluster(members, 1, true);
    const before = sim.running().map((i) => sim.traffic(i).datagramBytes);
    sim.run(60_000);
    const bytes = sim.running().map((i) => (sim.traffic(i).datagramBytes - (before[i] as number)) / 60);
    const mean = bytes.reduce((sum, n) => sum + n, 0) / members;
    return [
      members,
      ...found.map((numbers) => numbers.map((n) => n.toFixed(2)).join(' / ')),
      `${mean.toFixed(1)} / ${Math.max(...bytes).toFixed(1)}`,
    ];
  });
  const text = [
    'Periods from a death until somebody suspects it, the one that the probe takes included: mean / 95 % / longest. By chance: with clocks up',
    'to 30 s apart, so that nobody takes the same step. Bytes per member and second with IP and UDP headers: mean / highest.',
    '',
    table(
      ['members', 'common step', 'by chance', 'idle bytes/s'],
      [...rows, ['paper, any number', '', 'e / (e − 1) = 1.58, from the beginning of a period', 'constant']],
    ),
  ].join('\n');
  return { title: 'SWIM: first detection, and load', text };
};
