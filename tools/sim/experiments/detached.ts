/** Members that are only half there: heard but deaf, or deaf to nobody but unheard; and halves that were apart for a day. */
import type { Simulation } from '../../../src/testing/index.js';
import { type Experiment, table, wholeCluster } from './experiment.js';

const MEMBERS = 20;
const FAULTY = 7;
const LENGTH_MS = 300_000;

const FAULTS: Readonly<Record<string, (sim: Simulation, others: number[]) => void>> = {
  'hears but is not heard': (sim, others) => {
    for (const other of others) sim.cut(FAULTY, other, 'one');
  },
  'is heard but does not hear': (sim, others) => {
    for (const other of others) sim.cut(other, FAULTY, 'one');
  },
  'stands still for 60 s, then wakes': (sim) => sim.suspend(FAULTY, 60_000),
};

/** The experiment. */
export const detached: Experiment = (quick, progress) => {
  const rows = Object.entries(FAULTS).map(([name, fault]) => {
    const counts = [0, 0, 0, 0];
    const seeds = quick ? 1 : 3;
    for (let seed = 1; seed <= seeds; seed++) {
      const sim = wholeCluster({ seed, members: MEMBERS });
      const others = sim.running().filter((i) => i !== FAULTY);
      fault(sim, others);
      sim.run(LENGTH_MS);
      const count = (about: boolean, state: string) =>
        sim.events.filter((e) => e.at !== FAULTY && (e.about === FAULTY) === about && e.state === state).length;
      const found = [count(false, 'dead'), count(false, 'suspect'), count(true, 'dead'), count(true, 'alive')];
      found.forEach((n, i) => {
        counts[i] = (counts[i] as number) + n;
      });
    }
    progress(`${name}: ${counts.join(' ')}`);
    return [
      name,
      counts[0] as number,
      counts[1] as number,
      ...counts.slice(2).map((n) => (n / seeds / (MEMBERS - 1)).toFixed(2)),
    ];
  });
  const members = 4;
  const sim = wholeCluster({ seed: 1, members });
  sim.partition([
    [0, 1],
    [2, 3],
  ]);
  sim.run((quick ? 1 : 24) * 3_600_000);
  sim.heal();
  const healedMs = sim.nowMs;
  const healed = sim.runUntil(() => sim.converged(), 60_000);
  const text = [
    `${MEMBERS} members, one of them faulty, ${LENGTH_MS / 1000} s${quick ? '' : ', seeds 1 to 3 together'}. As the others see it; for the faulty one, per other member and run.`,
    '',
    table(['', 'deaths of healthy', 'suspicions of healthy', 'deaths of the faulty', 'times it was alive again'], rows),
    '',
    `Halves of ${members} members apart for ${quick ? 1 : 24} h: ${healed ? `whole again ${((sim.nowMs - healedMs) / 1000).toFixed(1)} s` : 'not whole 60 s'} after the link was.`,
  ].join('\n');
  return { title: 'Half there, asleep, and apart for a day', text };
};
