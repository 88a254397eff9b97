/** One seed decides everything. */
import { expect } from 'vitest';
import { createSimulation } from '../../src/testing/index.js';
import { seeded } from './seeded.js';

const test = seeded('trace.test.ts');

/** A run with everything in it. */
function run(seed: number): { hash: string; events: string; deliveries: string } {
  const sim = createSimulation({
    seed,
    members: 8,
    network: {
      delayMs: (random) => 1 + random.below(10),
      jitterMs: 30,
      loss: 0.05,
      duplicate: 0.05,
      reorder: 0.05,
      corrupt: 0.05,
    },
  });
  sim.joinAll();
  sim.slow(1, 20);
  sim.run(3000);
  sim.broadcast(2, 'hello');
  sim.setMetadata(3, { role: 'leader' });
  sim.cut(0, 1, 'one');
  sim.crash(4, 'silent');
  sim.run(10_000);
  sim.request(2, 3, { question: 1 });
  sim.partition([
    [0, 1, 2],
    [3, 4, 5],
  ]);
  sim.run(20_000);
  sim.heal();
  sim.restart(4, { address: 'm4-again', tags: ['new'] });
  sim.join(4, 0);
  sim.leave(5);
  sim.suspend(6, 5000);
  sim.run(30_000);
  return { hash: sim.traceHash, events: JSON.stringify(sim.events), deliveries: JSON.stringify(sim.deliveries) };
}

test('the same seed gives the same run, another seed another', 3, (seed) => {
  const first = run(seed);
  expect(run(seed)).toEqual(first);
  expect(run(seed + 1000).hash).not.toBe(first.hash);
  expect(first.hash).toMatch(/^[0-9a-f]{16}$/);
});
