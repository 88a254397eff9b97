/** Partitions of any length heal, and whoever slept through something accuses nobody. */
import { expect } from 'vitest';
import { createSimulation, type Simulation } from '../../src/testing/index.js';
import { tries } from '../effort.js';
import { seeded } from './seeded.js';

const test = seeded('partition.test.ts');

function cluster(seed: number, members: number): Simulation {
  const sim = createSimulation({ seed, members });
  sim.joinAll();
  if (!sim.runUntil(() => sim.converged(), 10_000)) throw new Error('the members did not find each other');
  return sim;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Pairs in which the first saw the second in a state since a time. */
function seen(sim: Simulation, states: string[], sinceMs: number): string[] {
  return sim.events
    .filter(({ atMs, state }) => atMs >= sinceMs && states.includes(state))
    .map(({ at, about, state }) => `${at} saw ${about} ${state}`);
}

function halvesHeal(seed: number, lastsMs: number): void {
  const sim = cluster(seed, 20);
  const halves = [range(0, 10), range(10, 20)];
  sim.partition(halves);
  sim.run(lastsMs);
  expect(halves.every((half) => sim.converged(half))).toBe(true);
  expect(sim.state(0, 10)).toBe('dead');
  sim.heal();
  const healedMs = sim.nowMs;
  expect(sim.runUntil(() => sim.converged(), 30_000)).toBe(true);
  sim.run(60_000);
  expect(sim.converged()).toBe(true);
  // What one half believed of the other kills nobody on the way back.
  expect(seen(sim, ['dead'], healedMs)).toEqual([]);
}

test('a partition of 5 minutes into halves heals within 30 s', 5, (seed) => halvesHeal(seed, 300_000));

test('so does one of an hour, or of a quarter of it outside of CI', 1, (seed) =>
  halvesHeal(seed, tries(3_900_000, 900_000)),
);

test('a partition into four quarters heals', 2, (seed) => {
  const sim = cluster(seed, 16);
  sim.partition([range(0, 4), range(4, 8), range(8, 12), range(12, 16)]);
  sim.run(300_000);
  sim.heal();
  expect(sim.runUntil(() => sim.converged(), 45_000)).toBe(true);
});

test('a single member cut off for long comes back', 3, (seed) => {
  const sim = cluster(seed, 10);
  sim.partition([[9], range(0, 9)]);
  sim.run(600_000);
  sim.heal();
  expect(sim.runUntil(() => sim.converged(), 30_000)).toBe(true);
});

test('what changed on either side of a partition is known on both after it', 2, (seed) => {
  const sim = cluster(seed, 10);
  sim.partition([range(0, 5), range(5, 10)]);
  sim.run(120_000);
  sim.setMetadata(1, { side: 'a' });
  sim.setMetadata(7, { side: 'b' });
  sim.crash(9, 'silent');
  const late = sim.addMember();
  sim.partition([[...range(0, 5), late], range(5, 10)]);
  sim.join(late, 0);
  sim.run(60_000);
  sim.heal();
  const known = () =>
    sim.converged() &&
    sim.running().every((i) => {
      const rows = sim.view(i);
      const side = (index: number) => rows.find((row) => row.index === index)?.metadata?.side;
      // Who came after its death never hears of 9.
      return side(1) === 'a' && side(7) === 'b' && sim.state(i, 9) === (i === late ? 'unknown' : 'dead');
    });
  expect(sim.runUntil(known, 30_000)).toBe(true);
});

test('whoever was suspended for a minute accuses nobody when it wakes, and is alive again everywhere', 5, (seed) => {
  const sim = cluster(seed, 10);
  sim.suspend(4, 60_000);
  sim.run(60_000);
  expect(sim.state(0, 4)).toBe('dead');
  const wokeMs = sim.nowMs;
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
  sim.run(60_000);
  expect(sim.converged()).toBe(true);
  const accused = sim.events.filter(({ atMs, about, state }) => atMs >= wokeMs && about !== 4 && state !== 'alive');
  expect(accused).toEqual([]);
  expect(sim.stats(4).pauses).toBeGreaterThan(0);
});

test('all suspended at once accuse nobody when they wake', 5, (seed) => {
  const sim = cluster(seed, 10);
  const before = sim.nowMs;
  for (const i of range(0, 10)) sim.suspend(i, 60_000 + i * 30);
  sim.run(180_000);
  expect(sim.converged()).toBe(true);
  expect(seen(sim, ['suspect', 'dead'], before)).toEqual([]);
});

test('a suspicion from before a pause is not a verdict after it', 5, (seed) => {
  const sim = cluster(seed, 10);
  sim.partition([[3], [0, 1, 2, 4, 5, 6, 7, 8, 9]]);
  expect(sim.runUntil(() => sim.state(0, 3) === 'suspect', 10_000)).toBe(true);
  // 0 falls asleep with a suspicion running and hears nothing; 3 is back and well long before 0 wakes.
  sim.suspend(0, 60_000);
  sim.partition([[0], [1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  sim.run(60_000);
  expect(sim.state(1, 3)).toBe('alive');
  sim.heal();
  expect(sim.runUntil(() => sim.converged(), 30_000)).toBe(true);
  expect(seen(sim, ['dead'], 0).filter((text) => text.includes('saw 3'))).toEqual([]);
});
