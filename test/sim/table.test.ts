/** How fast what changes is known, what it costs, and what joining and comparing cost as clusters grow. */
import { expect } from 'vitest';
import { createSimulation, type Simulation } from '../../src/testing/index.js';
import { seeded } from './seeded.js';

const test = seeded('table.test.ts');

/** Members that have known each other for long, with nothing to tell. */
function quiet(seed: number, members: number): Simulation {
  const sim = createSimulation({ seed, members, network: { delayMs: 1 } });
  sim.connectAll();
  sim.run(5000);
  return sim;
}

/** The virtual time until all know, in steps of 5 ms. */
function untilMs(sim: Simulation, done: () => boolean, maxMs: number): number {
  const startMs = sim.nowMs;
  while (!done() && sim.nowMs < startMs + maxMs) sim.run(5);
  return sim.nowMs - startMs;
}

function knows(sim: Simulation, member: number, about: number, value: unknown): boolean {
  return sim.record(member, about).metadata?.value === value;
}

test(
  'what is new after a quiet time is known to 30 members within a tenth of a second, and sent no oftener',
  5,
  (seed) => {
    const sim = quiet(seed, 30);
    const others = sim.running().filter((member) => member !== 0);
    sim.setMetadata(0, { value: seed });
    const half = untilMs(sim, () => others.filter((member) => knows(sim, member, 0, seed)).length >= 27, 1000);
    expect(half).toBeLessThanOrEqual(100);
    const all = half + untilMs(sim, () => others.every((member) => knows(sim, member, 0, seed)), 1000);
    expect(all).toBeLessThanOrEqual(300);
    sim.run(2000);
    // Each member sends a piece of news at most 4 × ⌈log10 31⌉ times.
    for (const member of sim.running()) expect(sim.stats(member).newsWaiting).toBe(0);
  },
);

test('who joins is told of all, and tells nobody of them', 2, (seed) => {
  const sim = quiet(seed, 200);
  const joiner = sim.addMember();
  const before = sim.traffic().datagramBytes;
  sim.join(joiner, 0);
  expect(untilMs(sim, () => sim.stats(joiner).membersAlive === 201, 3000)).toBeLessThanOrEqual(100);
  expect(sim.stats(joiner).newsWaiting).toBeLessThanOrEqual(1);
  expect(sim.runUntil(() => sim.running().every((member) => sim.state(member, joiner) === 'alive'), 2000)).toBe(true);
  sim.run(3000);
  // One piece of news: each of 201 members sends it 12 times at most, beside two pings a second.
  expect(sim.traffic().datagramBytes - before).toBeLessThan(201 * (12 * 250 + 5 * 2 * 60));
});

test('two clusters that meet by one join are one within seconds', 3, (seed) => {
  const sim = createSimulation({ seed, members: 40, network: { delayMs: 1 } });
  const halves = [sim.running().slice(0, 20), sim.running().slice(20)];
  for (const half of halves) sim.connectAll(half);
  sim.run(3000);
  sim.join(0, 39);
  expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
});

test('what one member has missed is found by comparing, for a few small packets', 3, (seed) => {
  const sim = quiet(seed, 300);
  const late = 7;
  for (const member of sim.running()) if (member !== late) sim.cut(member, late);
  sim.setMetadata(0, { value: 1 });
  sim.run(2500);
  const others = sim.running().filter((member) => member !== late);
  expect(others.every((member) => knows(sim, member, 0, 1))).toBe(true);
  expect(knows(sim, late, 0, 1)).toBe(false);
  sim.heal();
  const before = sim.traffic();
  expect(sim.runUntil(() => knows(sim, late, 0, 1), 120_000)).toBe(true);
  expect(sim.traffic().reliableBytes - before.reliableBytes).toBeLessThan(100_000);
});

test('a joiner at 500 members knows all of them within a tenth of a second, in packets of 64 KiB', 1, (seed) => {
  const sim = createSimulation({ seed, members: 500, network: { delayMs: 1 } });
  sim.connectAll();
  const joiner = sim.addMember();
  sim.join(joiner, 0);
  expect(untilMs(sim, () => sim.stats(joiner).membersAlive === 501, 3000)).toBeLessThanOrEqual(100);
});

test('one key of large metadata travels as that key, also where much is lost', 2, (seed) => {
  const sim = createSimulation({ seed, network: { delayMs: 1 } });
  const text = 'x'.repeat(30_000);
  for (let i = 0; i < 20; i++) sim.addMember({ metadata: { text, load: 0 } });
  sim.connectAll();
  sim.run(3000);
  const change = (key: string, value: unknown) => {
    const { [key]: _, ...rest } = sim.record(0, 0).metadata ?? {};
    sim.setMetadata(0, value === undefined ? rest : { ...rest, [key]: value }, [key]);
  };
  const same = () => sim.running().every((member) => sim.record(member, 0).version === sim.record(0, 0).version);
  const before = sim.traffic();
  for (let value = 1; value <= 5; value++) {
    change('load', value);
    sim.run(60);
  }
  expect(sim.runUntil(same, 2000)).toBe(true);
  sim.run(3000);
  const after = sim.traffic();
  const bytes = after.datagramBytes + after.reliableBytes - before.datagramBytes - before.reliableBytes;
  // Not even one member has fetched the whole from each of the others.
  expect(bytes).toBeLessThan(300_000);
  for (const member of sim.running()) expect(sim.record(member, 0).metadata).toEqual({ text, load: 5 });
  sim.network.change({ loss: 0.3 });
  for (let value = 6; value <= 20; value++) {
    change(value % 3 === 0 ? `k${value % 2}` : 'load', value % 5 === 0 ? undefined : value);
    sim.run(value * 20);
  }
  sim.network.change({ loss: 0 });
  expect(sim.runUntil(same, 90_000)).toBe(true);
  for (const member of sim.running()) expect(sim.record(member, 0).metadata).toEqual(sim.record(0, 0).metadata);
});
