/** Who comes and goes: an ill link is found out, and what has only stood still or been apart is back at once. */
import { expect } from 'vitest';
import { createSimulation, type Simulation } from '../../src/testing/index.js';
import { some, tries } from '../effort.js';
import { seen, world } from './leaves.js';
import { allAlive, mixed } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('flapping.test.ts');

function cluster(seed: number, members: number): Simulation {
  const sim = createSimulation({ seed, members });
  sim.connectAll();
  sim.run(10_000);
  return sim;
}

/** How often others have declared a member dead: the most of any of them. */
function deaths(sim: Simulation, member: number): number {
  const dead = sim.events.filter(({ at, about, state }) => at !== member && about === member && state === 'dead');
  return Math.max(...sim.running().map((i) => dead.filter(({ at }) => at === i).length));
}

/** How long it takes until all are alive for all, after something has ended. */
function backAfterMs(sim: Simulation, back = () => sim.converged()): number {
  const fromMs = sim.nowMs;
  return sim.runUntil(back, 300_000) ? sim.nowMs - fromMs : Number.POSITIVE_INFINITY;
}

test('whose link fails and works in turn is dead twice, then until it is well; nobody else ever is', 8, (seed) => {
  for (const ways of ['in', 'out', 'both'] as const) {
    for (const everyMs of some([20_000, 8000], 1)) {
      const sim = cluster(seed, 12);
      sim.flipFlop(5, { everyMs, ways });
      sim.run(tries(900_000, 300_000));
      // Once more where it refuted the suspicion before it heard that it had been dead.
      expect(deaths(sim, 5)).toBeLessThanOrEqual(3);
      expect(sim.running().map((i) => sim.state(i, 5))).toEqual(Array(12).fill('dead'));
      expect(sim.events.filter(({ at, about, state }) => at !== 5 && about !== 5 && state === 'dead')).toEqual([]);
      sim.flipFlop(5, undefined);
      expect(backAfterMs(sim)).toBeLessThan(60_000);
      sim.run(400_000);
      expect(sim.converged()).toBe(true);
      // Long since well, it is believed at once again.
      sim.partition([[5], sim.running().filter((i) => i !== 5)]);
      sim.run(20_000);
      expect(sim.state(0, 5)).toBe('dead');
      sim.heal();
      expect(backAfterMs(sim)).toBeLessThan(15_000);
    }
  }
});

/** A cluster in which a member says itself that it is dead, and whose link is well from now on. */
function illIn(seed: number, members: number): Simulation {
  const sim = cluster(seed, members);
  sim.flipFlop(0, { everyMs: 20_000, ways: 'in' });
  if (!sim.runUntil(() => sim.state(0, 0) === 'dead', 200_000)) throw new Error('it does not find out');
  sim.flipFlop(0, undefined);
  return sim;
}

test('who is ill while all others go is alive again, and who comes finds it', 4, (seed) => {
  const sim = illIn(seed, 8);
  const others = [1, 2, 3, 4, 5, 6, 7];
  for (const gone of others) sim.crash(gone, 'silent');
  expect(sim.runUntil(() => sim.state(0, 0) === 'alive', 120_000)).toBe(true);
  for (const back of others) {
    sim.restart(back);
    sim.join(back, 0);
  }
  expect(backAfterMs(sim)).toBeLessThan(30_000);
});

test('who joins through one that is ill is told that it did not answer, and has joined when it is well', 4, (seed) => {
  const sim = illIn(seed, 8);
  const joined = sim.join(sim.addMember(), 0);
  sim.runUntil(() => joined.settled, 30_000);
  expect(joined.error).toMatchObject({ code: 'ERR_JOIN_FAILED' });
  expect(backAfterMs(sim)).toBeLessThan(90_000);
});

test('members and halves that are apart again and again find each other within seconds', 4, (seed) => {
  for (const size of [2, 4, 8]) {
    const sim = cluster(seed, size);
    const all = sim.running();
    const half = Math.ceil(size / 2);
    for (let times = 0; times < 4; times++) {
      sim.partition([all.slice(0, half), all.slice(half)]);
      sim.run(40_000);
      sim.heal();
      expect(backAfterMs(sim)).toBeLessThan(30_000);
    }
  }
});

test('who stands still again and again is back within seconds of each time', 4, (seed) => {
  const sim = cluster(seed, 8);
  for (let times = 1; times <= 4; times++) {
    sim.suspend(3, 20_000);
    sim.run(20_000);
    expect(deaths(sim, 3)).toBe(times);
    expect(backAfterMs(sim)).toBeLessThan(5000);
    sim.run(10_000);
  }
});

test('a gateway with an ill link sends its leaves to another', 4, (seed) => {
  const { sim, leaves } = world(seed, { members: 6, gateways: 2, leaves: 4 });
  sim.flipFlop(0, { everyMs: 20_000, ways: 'in' });
  sim.run(200_000);
  expect(leaves.map((leaf) => sim.gatewayOf(leaf))).toEqual([1, 1, 1, 1]);
  for (const leaf of leaves) expect(seen(sim, leaf).filter((what) => /^[1-5] dead/.test(what))).toEqual([]);
});

test('leaves of the only gateway, whose link is ill, wait for it', 4, (seed) => {
  const { sim, leaves } = world(seed, { members: 8, gateways: 1, leaves: 3 });
  sim.flipFlop(0, { everyMs: 20_000, ways: 'in' });
  expect(sim.runUntil(() => sim.state(0, 0) === 'dead', 200_000)).toBe(true);
  sim.run(5000);
  const fromMs = sim.nowMs;
  sim.run(100_000);
  // Suspect, then dead, and not alive in between.
  for (const leaf of leaves) expect(seen(sim, leaf, fromMs).filter((what) => /^[1-7] alive/.test(what))).toEqual([]);
  sim.flipFlop(0, undefined);
  expect(backAfterMs(sim)).toBeLessThan(120_000);
});

test('Go peers are told of it, and that it is back', 4, (seed) => {
  const all = mixed(seed, 6, 2);
  const { sim, gos } = all;
  sim.flipFlop(0, { everyMs: 20_000, ways: 'in' });
  sim.run(300_000);
  expect(deaths(sim, 0)).toBeLessThanOrEqual(3);
  expect(gos.map((go) => go.stateOf(0))).toEqual(['dead', 'dead']);
  sim.flipFlop(0, undefined);
  expect(backAfterMs(sim, () => allAlive(all))).toBeLessThan(75_000);
});
