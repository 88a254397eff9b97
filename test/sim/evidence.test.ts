/** Evidence beyond silence: a process that was killed is found at once, one that starts again in between is not dead. */
import { expect } from 'vitest';
import { createSimulation, type Simulation } from '../../src/testing/index.js';
import { seeded } from './seeded.js';

const test = seeded('evidence.test.ts');

/** A cluster in which each of five has an open connection to the last member. */
function cluster(seed: number, members: number): { sim: Simulation; victim: number } {
  const sim = createSimulation({ seed, members });
  sim.joinAll();
  if (!sim.runUntil(() => sim.converged(), 10_000)) throw new Error('the members did not find each other');
  sim.run(2000);
  const victim = members - 1;
  for (let i = 0; i < Math.min(5, victim); i++) sim.send(i, victim, 'hello');
  sim.run(1000);
  return { sim, victim };
}

const deadForAll = (sim: Simulation, victim: number) => () =>
  sim.running().every((i) => sim.state(i, victim) === 'dead');

test('a killed process is dead for all within a second or so', 5, (seed) => {
  for (const members of [2, 3, 30]) {
    const { sim, victim } = cluster(seed, members);
    sim.crash(victim);
    expect(sim.runUntil(deadForAll(sim, victim), 1600)).toBe(true);
    expect(sim.events.filter(({ about, state }) => about !== victim && state !== 'alive')).toEqual([]);
  }
});

test('a process that starts again half a second later is not dead at all', 5, (seed) => {
  for (const members of [2, 3, 30]) {
    const { sim, victim } = cluster(seed, members);
    sim.crash(victim);
    sim.run(500);
    sim.restart(victim);
    sim.join(victim, 0);
    expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
    sim.run(20_000);
    expect(sim.events.filter(({ state }) => state === 'dead')).toEqual([]);
  }
});

test('nor is one whose successor knows nobody yet', 3, (seed) => {
  const { sim, victim } = cluster(seed, 5);
  sim.crash(victim);
  sim.run(400);
  sim.restart(victim);
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
  expect(sim.events.filter(({ state }) => state === 'dead')).toEqual([]);
});

test('a new member at the address of one that was killed is not suspected', 3, (seed) => {
  const { sim, victim } = cluster(seed, 10);
  sim.crash(victim);
  sim.run(400);
  const successor = sim.addMember({ address: sim.address(victim) });
  sim.join(successor, 0);
  sim.run(30_000);
  expect(sim.running().every((i) => sim.state(i, successor) === 'alive')).toBe(true);
  expect(sim.running().every((i) => sim.state(i, victim) === 'dead')).toBe(true);
  expect(sim.events.filter(({ about, state }) => about !== victim && state !== 'alive')).toEqual([]);
});

test('connections that only break are no deaths', 3, (seed) => {
  const { sim, victim } = cluster(seed, 10);
  for (let i = 0; i < 20; i++) {
    sim.carrier.broken(sim.address(victim), { ...sim.carrier, index: victim, process: 'killed' } as never);
    for (let j = 0; j < 5; j++) sim.send(j, victim, 'hello');
    sim.run(500);
  }
  expect(sim.stats(0).evidence).toBeGreaterThan(0);
  expect(sim.events.filter(({ state }) => state === 'suspect' || state === 'dead')).toEqual([]);
});
