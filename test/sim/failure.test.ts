/** Failure detection: the dead are found by everyone in time, and nobody alive is ever taken for dead. */
import { expect } from 'vitest';
import { PRESETS } from '../../src/options.js';
import { createSimulation, type NetworkOptions, type Simulation } from '../../src/testing/index.js';
import { asPlainSwim } from '../../tools/sim/experiments/plain-swim.js';
import { some, tries } from '../effort.js';
import { world } from './leaves.js';
import { seeded } from './seeded.js';

const test = seeded('failure.test.ts');
/** Ten minutes in CI. */
const LONG_MS = tries(600_000, 120_000);

function cluster(seed: number, members: number, network: NetworkOptions = {}, suspicionMaxMult = 6): Simulation {
  const sim = createSimulation({ seed, members, timing: { suspicionMaxMult } });
  sim.joinAll();
  if (!sim.runUntil(() => sim.converged(), 10_000)) throw new Error('the members did not find each other');
  sim.network.change(network);
  return sim;
}

/** Everyone who was seen in a state, by anybody. */
function seenAs(sim: Simulation, ...states: string[]): number[] {
  return [...new Set(sim.events.filter(({ state }) => states.includes(state)).map(({ about }) => about))];
}

test('a silent member is suspected, then dead, at everyone within the bound', 5, (seed) => {
  for (const members of some([2, 20, 3, 4], 2)) {
    const sim = cluster(seed, members);
    sim.run(10_000);
    const gone = members - 1;
    sim.crash(gone, 'silent');
    const crashedMs = sim.nowMs;
    // Unconfirmed suspicion, 2 × max(1, log10 N) × 0.9 s × 6, and the round until somebody's turn is its.
    const boundMs = 2 * Math.max(1, Math.log10(members)) * 5400 + 4000;
    expect(sim.runUntil(() => sim.running().every((i) => sim.state(i, gone) === 'dead'), boundMs)).toBe(true);
    for (const i of sim.running()) {
      const states = sim.events
        .filter((e) => e.at === i && e.about === gone && e.atMs >= crashedMs)
        .map((e) => e.state);
      expect(states.at(-1)).toBe('dead');
      expect(states.filter((state) => state !== 'suspect' && state !== 'dead')).toEqual([]);
    }
    expect(seenAs(sim, 'suspect', 'dead')).toEqual([gone]);
  }
});

test('with others to confirm it, a silent member is dead for all within five seconds or so', 5, (seed) => {
  const sim = cluster(seed, 30);
  sim.run(10_000);
  sim.crash(7, 'silent');
  expect(sim.runUntil(() => sim.running().every((i) => sim.state(i, 7) === 'dead'), 5500)).toBe(true);
});

test('whoever is silent is probed by somebody within two intervals', 5, (seed) => {
  const sim = cluster(seed, 30);
  sim.run(10_000);
  for (let gone = 0; gone < 5; gone++) {
    const before = sim.running().map((i) => sim.stats(i).probes ?? 0);
    sim.run(PRESETS.lan.probeIntervalMs * 10);
    // One probe of each per interval; the clocks of the members agree.
    sim.running().forEach((i, n) => {
      expect((sim.stats(i).probes ?? 0) - (before[n] as number)).toBeGreaterThanOrEqual(9);
    });
    sim.crash(gone, 'silent');
    const suspected = () => sim.running().some((i) => sim.state(i, gone) !== 'alive');
    expect(sim.runUntil(suspected, PRESETS.lan.probeIntervalMs * 3 + 50)).toBe(true);
    sim.runUntil(() => sim.running().every((i) => sim.state(i, gone) === 'dead'), 10_000);
  }
});

test('a killed process with open connections is suspected within a second or so', 5, (seed) => {
  const sim = cluster(seed, 20);
  sim.crash(0);
  expect(sim.runUntil(() => sim.running().some((i) => sim.state(i, 0) === 'suspect'), 1500)).toBe(true);
  expect(sim.runUntil(() => sim.running().every((i) => sim.state(i, 0) === 'dead'), 10_000)).toBe(true);
});

test('half of the members dead at once are all found', 2, (seed) => {
  const sim = cluster(seed, 20);
  const gone = Array.from({ length: 10 }, (_, i) => i);
  for (const i of gone) sim.crash(i, 'silent');
  const found = () => sim.running().every((i) => gone.every((j) => sim.state(i, j) === 'dead'));
  expect(sim.runUntil(found, 120_000)).toBe(true);
  expect(sim.converged()).toBe(true);
});

test('without loss nobody is ever suspected', 2, (seed) => {
  const sim = cluster(seed, 20);
  sim.run(LONG_MS);
  expect(seenAs(sim, 'suspect', 'dead')).toEqual([]);
  expect(sim.converged()).toBe(true);
});

test('at 10 % loss nobody alive is taken for dead', 4, (seed) => {
  const sim = cluster(seed, 20, { loss: 0.1, jitterMs: 20 });
  sim.run(LONG_MS);
  expect(seenAs(sim, 'dead')).toEqual([]);
});

test('nor at 20 % loss on a slow, jittery network that duplicates, reorders and flips bits', 2, (seed) => {
  const sim = cluster(seed, 12, { delayMs: 40, jitterMs: 200, loss: 0.2, duplicate: 0.1, reorder: 0.1, corrupt: 0.02 });
  sim.run(LONG_MS);
  expect(seenAs(sim, 'dead')).toEqual([]);
});

test('a cut between two members makes nobody suspect, for others reach both', 3, (seed) => {
  for (const ways of ['one', 'both'] as const) {
    const sim = cluster(seed, 8);
    sim.cut(2, 5, ways);
    sim.run(300_000);
    expect(seenAs(sim, 'suspect', 'dead')).toEqual([]);
    expect(sim.stats(2).indirectProbes).toBeGreaterThan(0);
  }
});

test('a cut between two members costs little', 1, (seed) => {
  const sim = cluster(seed, 8);
  sim.cut(2, 5);
  const before = sim.traffic(2).datagrams;
  sim.run(300_000);
  // A ping, an ack, and what an interval in seven costs more.
  const intervals = 300_000 / PRESETS.lan.probeIntervalMs;
  expect((sim.traffic(2).datagrams - before) / intervals).toBeLessThan(4);
});

test('a suspected member that lives refutes, and is alive again everywhere', 5, (seed) => {
  const sim = cluster(seed, 10);
  sim.partition([[3], [0, 1, 2, 4, 5, 6, 7, 8, 9]]);
  expect(sim.runUntil(() => sim.state(0, 3) === 'suspect', 10_000)).toBe(true);
  sim.heal();
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
  sim.run(60_000);
  expect(sim.converged()).toBe(true);
  expect(seenAs(sim, 'dead')).toEqual([]);
  expect(sim.stats(3).refutations).toBeGreaterThan(0);
});

test('a slow member is not taken for dead, and takes nobody for dead', 2, (seed) => {
  const sim = cluster(seed, 10);
  sim.slow(4, 900);
  sim.run(300_000);
  expect(seenAs(sim, 'dead')).toEqual([]);
});

test('a leaver is leaving, later dead, never suspect', 5, (seed) => {
  for (const loss of [0, 0.1]) {
    const sim = cluster(seed, 20, { loss });
    sim.run(5000);
    sim.leave(6);
    const left = () => sim.running().every((i) => sim.state(i, 6) === 'leaving');
    expect(sim.runUntil(left, 3000)).toBe(true);
    sim.run(25_000);
    expect(left()).toBe(true);
    sim.run(40_000);
    expect(sim.running().every((i) => sim.state(i, 6) === 'dead')).toBe(true);
    expect(sim.events.filter(({ about, state }) => about === 6 && state === 'suspect')).toEqual([]);
  }
});

test('nor is one whose neighbours in a large cluster see it close its connections', 2, (seed) => {
  const sim = createSimulation({ seed, members: tries(100, 60) });
  sim.connectAll();
  sim.run(5000);
  for (let gone = 0; gone < 6; gone++) {
    sim.leave(gone);
    sim.run(1000);
  }
  sim.run(10_000);
  expect(seenAs(sim, 'suspect', 'dead')).toEqual([]);
  expect(sim.running().every((i) => sim.state(i, 3) === 'leaving')).toBe(true);
});

test('who left comes back when it joins again', 2, (seed) => {
  const sim = cluster(seed, 5);
  sim.leave(2);
  sim.run(3000);
  sim.restart(2);
  sim.join(2, 0);
  expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
});

test('a member that hears nobody, or that nobody hears, is dead, and makes nobody else suspect for long', 3, (seed) => {
  for (const ways of ['deaf', 'unheard'] as const) {
    const sim = cluster(seed, 12);
    const others = sim.running().filter((i) => i !== 7);
    for (const other of others) sim.cut(...((ways === 'deaf' ? [other, 7] : [7, other]) as [number, number]), 'one');
    expect(sim.runUntil(() => others.every((i) => sim.state(i, 7) === 'dead'), 15_000)).toBe(true);
    sim.run(5000);
    const fromMs = sim.nowMs;
    sim.run(120_000);
    expect(sim.events.filter(({ at, atMs }) => at !== 7 && atMs >= fromMs)).toEqual([]);
    expect(
      seenAs(sim, 'dead').filter(
        (i) => i !== 7 && sim.events.some((e) => e.at !== 7 && e.about === i && e.state === 'dead'),
      ),
    ).toEqual([]);
  }
});

test(
  'who neither sends nor receives for a while declares many dead in plain SWIM, and here nobody, not by what waited for it either',
  2,
  (seed) => {
    const run = (suspicionMaxMult: number) => {
      const sim = cluster(seed, 32, {}, suspicionMaxMult);
      const stuck = sim.running().filter((i) => i % 2 === 0);
      const fromMs = sim.nowMs;
      while (sim.nowMs < fromMs + 40_000) {
        for (const member of stuck) sim.suspend(member, 8192, 'io');
        sim.run(8192 + 64);
      }
      return sim.events.filter((e) => e.atMs >= fromMs && e.state === 'dead' && !stuck.includes(e.about)).length;
    };
    expect(asPlainSwim(() => run(1))).toBeGreaterThan(0);
    expect(run(6)).toBe(0);
  },
);

test('whose network is gone for half a minute declares nobody dead, and is alive again everywhere', 3, (seed) => {
  const sim = cluster(seed, 20);
  sim.partition([[0], sim.running().filter((i) => i !== 0)]);
  sim.run(30_000);
  sim.heal();
  expect(sim.runUntil(() => sim.converged(), 15_000)).toBe(true);
  expect(seenAs(sim, 'dead')).toEqual([0]);
});

test(
  'nor does one while leaves are suspect, of which there are more than members: their gateway has died',
  3,
  (seed) => {
    const { sim } = world(seed, { members: 20, gateways: 1, leaves: 40 });
    const members = sim.running().filter((i) => i < 20);
    sim.crash(0);
    const known = () => members.every((i) => i === 0 || sim.state(i, 0) === 'dead');
    expect(sim.runUntil(known, 20_000)).toBe(true);
    sim.partition([[1], sim.running().filter((i) => i !== 1)]);
    sim.run(20_000);
    expect(sim.stats(1).suspicionsRunning).toBeGreaterThan(40);
    const dead = sim.events.filter(({ at, about, state }) => at === 1 && about < 20 && state === 'dead');
    expect(dead.map(({ about }) => about)).toEqual([0]);
  },
);

test('who is alone of many that died hears nobody either, and still finds them all', 2, (seed) => {
  for (const [members, boundMs] of [
    [3, 8000],
    [20, 120_000],
  ] as const) {
    const sim = cluster(seed, members);
    const others = sim.running().filter((i) => i !== 0);
    for (const other of others) sim.crash(other, 'silent');
    const crashedMs = sim.nowMs;
    expect(sim.runUntil(() => others.every((i) => sim.state(0, i) === 'dead'), boundMs)).toBe(true);
    // A suspicion that nobody confirms takes 14 s at most at 20 members, and is put off for as long.
    expect(sim.events.find((e) => e.atMs > crashedMs && e.state === 'dead')?.atMs).toBeLessThan(crashedMs + 50_000);
  }
});
