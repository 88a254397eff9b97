/**
 * One seed decides everything, on every runtime: a scripted run of the simulator has the trace that stands here. Imports
 * no test runner.
 */
import { createSimulation } from '../../src/testing/index.js';
import type { TestApi } from './assert.js';

/** The trace of {@link traceOf} with {@link TRACE_SEED}. It changes when the protocol does, and for no other reason. */
const TRACE_HASH = '9802a6dc9600c949';

/** The seed of the run that is compared. */
export const TRACE_SEED = 1;

/** Defines the suite's tests. */
export function traceContract({ test, assert }: TestApi): void {
  test('trace: a run has the trace it has everywhere', () => {
    const hash = traceOf(TRACE_SEED);
    assert.equal(hash, TRACE_HASH, 'if the protocol was changed on purpose, TRACE_HASH of test/contract/trace.ts is');
  });

  test('trace: another seed gives another', () => {
    assert.ok(traceOf(TRACE_SEED + 1) !== TRACE_HASH);
  });
}

/** A minute of ten members with everything in it: loss, delay, cuts, deaths, a slow one, messages and metadata. */
export function traceOf(seed: number): string {
  const sim = createSimulation({
    seed,
    members: 9,
    network: {
      delayMs: (random) => 1 + random.below(10),
      jitterMs: 30,
      loss: 0.05,
      duplicate: 0.05,
      reorder: 0.05,
      corrupt: 0.05,
    },
  });
  sim.addMember({ tags: ['web', 'eu'], metadata: { zone: 'eu', big: 2n ** 60n, load: 0.1 }, clockAheadMs: 1500 });
  sim.joinAll();
  sim.slow(1, 20);
  sim.run(5_000);
  sim.broadcast(2, { text: 'grüße 🎉', list: [1, -2.5, null] });
  sim.broadcast(3, 'to the web', { tag: 'web', reliable: true });
  sim.setMetadata(3, { role: 'leader', at: new Date(0), bytes: new Uint8Array(2_000) });
  sim.request(2, 9, { question: 1 });
  sim.cut(0, 1, 'one');
  sim.crash(4, 'silent');
  sim.crash(5);
  sim.run(10_000);
  sim.partition([
    [0, 1, 2, 9],
    [3, 6, 7, 8],
  ]);
  sim.run(20_000);
  sim.heal();
  sim.restart(4, { address: 'm4-again', tags: ['new'] });
  sim.join(4, 0);
  sim.leave(6);
  sim.suspend(7, 5_000);
  sim.run(25_000);
  return sim.traceHash;
}
