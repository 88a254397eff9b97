/** Meeting: joins in every order, through seeds that are up, down or late, and rejoining. */
import { expect } from 'vitest';
import { createSimulation } from '../../src/testing/index.js';
import { seeded } from './seeded.js';

const test = seeded('join.test.ts');

test('a chain of joins ends in one view', 3, (seed) => {
  const sim = createSimulation({ seed, members: 8 });
  for (let i = 1; i < 8; i++) {
    const outcome = sim.join(i, i - 1);
    expect(sim.runUntil(() => outcome.settled, 1000)).toBe(true);
    expect(outcome).toMatchObject({ value: 1 });
  }
  expect(sim.runUntil(() => sim.converged(), 3000)).toBe(true);
});

test('a chain whose links all join at once ends in one view', 5, (seed) => {
  const sim = createSimulation({ seed, members: 8 });
  for (let i = 1; i < 8; i++) sim.join(i, i - 1);
  expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
});

test('5, 20 and 50 members that join one at once see each other within seconds', 2, (seed) => {
  for (const members of [5, 20, 50]) {
    const sim = createSimulation({ seed, members });
    sim.joinAll();
    expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
    expect(sim.events.filter(({ state }) => state === 'suspect' || state === 'dead')).toEqual([]);
  }
});

test('joins get through loss, duplicates, reordering and flipped bits', 3, (seed) => {
  const network = { delayMs: 5, jitterMs: 50, loss: 0.2, duplicate: 0.2, reorder: 0.2, corrupt: 0.2 };
  const sim = createSimulation({ seed, members: 12, network });
  sim.joinAll();
  expect(sim.runUntil(() => sim.converged(), 60_000)).toBe(true);
  expect(sim.traffic().corrupted).toBeGreaterThan(0);
});

test('two members that join each other at the same moment meet once', 5, (seed) => {
  const sim = createSimulation({ seed, members: 2 });
  const outcomes = [sim.join(0, 1), sim.join(1, 0)];
  expect(sim.runUntil(() => sim.converged() && outcomes.every(({ settled }) => settled), 1000)).toBe(true);
  expect(outcomes).toMatchObject([{ value: 1 }, { value: 1 }]);
  const joined = sim.events.filter(({ kind, previous }) => kind === 'state' && previous === 'unknown');
  expect(joined.map(({ at }) => at).sort()).toEqual([0, 1]);
});

test('the same join asked for twice settles twice', 1, (seed) => {
  const sim = createSimulation({ seed, members: 2 });
  const outcomes = [sim.join(1, 0), sim.join(1, 0)];
  expect(sim.runUntil(() => outcomes.every(({ settled }) => settled), 1000)).toBe(true);
  expect(outcomes).toMatchObject([{ value: 1 }, { value: 1 }]);
});

test('a join where nobody listens fails at once, and is tried again until somebody does', 3, (seed) => {
  const sim = createSimulation({ seed, members: 2 });
  sim.crash(0);
  const outcome = sim.join(1, 0);
  expect(sim.runUntil(() => outcome.settled, 100)).toBe(true);
  expect(outcome.error?.code).toBe('ERR_JOIN_FAILED');
  sim.run(2 * 3_600_000);
  expect(sim.view(1)).toHaveLength(1);
  expect(sim.stats(1).seedRetries).toBeGreaterThan(1000);
  sim.restart(0);
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
});

test('a join to a machine that is off fails within its time, and is tried again', 1, (seed) => {
  const sim = createSimulation({ seed, members: 2 });
  sim.crash(0, 'silent');
  const outcome = sim.join(1, 0);
  expect(sim.runUntil(() => outcome.settled, 5100)).toBe(true);
  expect(outcome.error?.code).toBe('ERR_JOIN_FAILED');
  sim.restart(0);
  expect(sim.runUntil(() => sim.converged(), 15_000)).toBe(true);
});

test('with company, a seed that never answered is tried on, less often', 2, (seed) => {
  const sim = createSimulation({ seed, members: 3 });
  sim.crash(2);
  expect(sim.join(0, 1, 2)).toBeDefined();
  expect(sim.runUntil(() => sim.converged(), 1000)).toBe(true);
  sim.restart(2);
  expect(sim.runUntil(() => sim.converged(), 60_000)).toBe(true);
});

test('whoever loses everybody tries its seeds again', 2, (seed) => {
  const sim = createSimulation({ seed, members: 2, timing: { tombstoneMs: 60_000 } });
  sim.join(1, 0);
  expect(sim.runUntil(() => sim.converged(), 1000)).toBe(true);
  sim.crash(0, 'silent');
  expect(sim.runUntil(() => sim.view(1).length === 1, 200_000)).toBe(true);
  sim.restart(0);
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
});

test('an application version that is not welcome is refused with the reason, and not tried again', 1, (seed) => {
  const sim = createSimulation({ seed });
  sim.addMember({ refuseVersion: (version) => (version === '2' ? undefined : `${version} is too old`) });
  sim.addMember({ applicationVersion: '1' });
  sim.addMember({ applicationVersion: '2' });
  const [old, young] = [sim.join(1, 0), sim.join(2, 0)];
  expect(sim.runUntil(() => old.settled && young.settled, 1000)).toBe(true);
  expect(young.error).toBeUndefined();
  expect(old.error).toMatchObject({ code: 'ERR_JOIN_REJECTED', message: '1 is too old' });
  sim.run(60_000);
  expect(sim.state(0, 1)).toBe('unknown');
  expect(sim.stats(1).seedRetries ?? 0).toBe(0);
  expect(sim.stats(0).joinsRejected).toBe(1);
});

test('a restart with the same id and another address is not a death', 3, (seed) => {
  const sim = createSimulation({ seed });
  for (let i = 0; i < 10; i++) sim.addMember({ tags: ['old'], metadata: { life: 1 } });
  sim.joinAll();
  expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
  sim.crash(4);
  sim.run(300);
  sim.restart(4, { address: 'elsewhere', tags: ['new'], metadata: { life: 2 } });
  sim.join(4, 0);
  const everywhere = () =>
    sim.running().every((i) => {
      const seen = sim.view(i).find(({ index }) => index === 4);
      return (
        seen?.address === 'elsewhere' && seen.tags[0] === 'new' && seen.metadata?.life === 2 && seen.state === 'alive'
      );
    });
  expect(sim.runUntil(everywhere, 5000)).toBe(true);
  expect(sim.converged()).toBe(true);
  sim.run(60_000);
  expect(sim.events.filter(({ state }) => state === 'dead')).toEqual([]);
});

test('a restart at the same address that joins nobody is found by those who knew it', 3, (seed) => {
  const sim = createSimulation({ seed, members: 5 });
  sim.joinAll();
  expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
  sim.restart(3);
  expect(sim.runUntil(() => sim.converged(), 20_000)).toBe(true);
  expect(sim.events.filter(({ state }) => state === 'dead')).toEqual([]);
});

test('a restart whose clock was set back still replaces its former self', 3, (seed) => {
  const sim = createSimulation({ seed });
  sim.addMember();
  sim.addMember({ clockAheadMs: 30_000, tags: ['old'] });
  sim.join(1, 0);
  expect(sim.runUntil(() => sim.converged(), 1000)).toBe(true);
  sim.crash(1);
  const id = sim.id(1);
  const again = sim.addMember({ id, address: 'elsewhere', tags: ['new'] });
  sim.join(again, 0);
  const seen = () => sim.view(0).find((row) => row.id === id);
  expect(sim.runUntil(() => seen()?.address === 'elsewhere' && seen()?.tags[0] === 'new', 10_000)).toBe(true);
  expect(sim.runUntil(() => seen()?.state === 'alive', 10_000)).toBe(true);
});
