/**
 * Rapid's experiments: a thousand members of which ten crash at once, or ten have a link that fails one way for 20 s, works for
 * 20 s, and so on, or ten lose 80 % of all they are sent or send.
 *
 * @source Suresh et al. (2018) §7: in these memberlist's views oscillate and it removes healthy members; Rapid removes the ten.
 */
import type { Simulation } from '../../../src/testing/index.js';
import { type Experiment, table, wholeCluster } from './experiment.js';

const SICK = 10;

const FAULTS: Readonly<Record<string, (sim: Simulation, sick: number[]) => void>> = {
  'ten crash at once': (sim, sick) => {
    for (const member of sick) sim.crash(member, 'silent');
  },
  'one way, 20 s off and on, what they are sent': (sim, sick) => {
    for (const member of sick) sim.flipFlop(member, { everyMs: 20_000, ways: 'in' });
  },
  '80 % loss of what they are sent': (sim, sick) => lossy(sim, sick, 'in'),
  '80 % loss of what they send': (sim, sick) => lossy(sim, sick, 'out'),
};

function lossy(sim: Simulation, sick: number[], ways: 'in' | 'out'): void {
  for (const member of sick) {
    for (const other of sim.running()) {
      if (ways === 'in') sim.network.link(other, member, { loss: 0.8 });
      else sim.network.link(member, other, { loss: 0.8 });
    }
  }
}

/** The experiment. */
export const rapid: Experiment = (quick, progress) => {
  const members = quick ? 200 : 1000;
  const lengthMs = quick ? 60_000 : 100_000;
  const rows = Object.entries(FAULTS).map(([name, fault]) => {
    const sim = wholeCluster({ seed: 1, members });
    const sick = Array.from({ length: SICK }, (_, i) => i * Math.floor(members / SICK));
    const faulty = new Set(sick);
    const fromMs = sim.nowMs;
    fault(sim, sick);
    sim.run(lengthMs);
    const of = (about: boolean, state: string) =>
      sim.events.filter(
        (e) => e.atMs >= fromMs && !faulty.has(e.at) && faulty.has(e.about) === about && e.state === state,
      );
    const deaths = of(true, 'dead');
    const perPair = deaths.length / (SICK * (members - SICK));
    progress(`${name}: ${deaths.length} deaths of faulty, ${of(false, 'dead').length} of healthy`);
    return [
      name,
      of(false, 'dead').length,
      of(false, 'suspect').length,
      deaths.length > 0 ? ((Math.min(...deaths.map((e) => e.atMs)) - fromMs) / 1000).toFixed(1) : '–',
      perPair.toFixed(2),
    ];
  });
  const text = [
    `${members} members, ${lengthMs / 1000} s from the beginning of the fault, seed 1. As healthy members see it; a death a pair is 1 when each of them has`,
    'declared each faulty one dead once, and more when it came back and went again.',
    '',
    table(
      ['fault of ten', 'deaths of healthy', 'suspicions of healthy', 'first death of a faulty (s)', 'deaths a pair'],
      rows,
    ),
    '',
    'Paper, 1,000 processes: Rapid removes the ten and nobody else, in about 10 s; memberlist’s views oscillate for as long as the fault lasts, and it',
    'removes healthy members with the lossy ones.',
  ].join('\n');
  return { title: 'Rapid: crashes and faulty links at a thousand members', text };
};
