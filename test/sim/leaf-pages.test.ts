/** Pages are hidden, frozen and put away, machines sleep: who is silent for such a reason is not taken for dead too soon. */
import { expect } from 'vitest';
import { activeView, PING_MS, seen, until, world } from './leaves.js';
import { seeded } from './seeded.js';

const test = seeded('leaf-pages.test.ts');

/** A frozen page is not suspected before this long after its last sign of life. */
const FROZEN_MS = 70_000;

test('a hidden page whose code runs now and then is never suspected', 3, (seed) => {
  const { sim, leaves } = world(seed);
  const leaf = leaves[0] as number;
  sim.page(leaf, 'hidden');
  // What arrives is handled at once, but its timers fire once a minute.
  sim.slow(leaf, 60_000);
  sim.run(1_800_000);
  expect(seen(sim, leaf).filter((what) => !what.endsWith('alive'))).toEqual([]);
  expect(sim.stats(leaf).attached).toBe(1);
});

test('a frozen page is not suspected before 70 s, nor dead when it wakes soon after', 4, (seed) => {
  const { sim, leaves } = world(seed, { members: 5, gateways: 2 });
  const leaf = leaves[0] as number;
  sim.run(seed * 1700);
  sim.page(leaf, 'hidden');
  sim.run(10);
  const frozenMs = sim.nowMs;
  sim.suspend(leaf, FROZEN_MS + PING_MS);
  sim.run(FROZEN_MS);
  expect(seen(sim, leaf).filter((what) => !what.endsWith('alive'))).toEqual([]);
  sim.run(PING_MS);
  sim.page(leaf, 'visible');
  until(sim, () => sim.converged(), 2000);
  expect(seen(sim, leaf, frozenMs).filter((what) => what.endsWith('dead'))).toEqual([]);
});

test('a page that stays frozen is dead in the end, and current within 2 s of waking', 4, (seed) => {
  const { sim, leaves } = world(seed, { members: 5, gateways: 2, leaves: 2 });
  const leaf = leaves[0] as number;
  sim.page(leaf, 'hidden');
  sim.run(1000);
  sim.suspend(leaf, 600_000);
  sim.run(FROZEN_MS + 20_000);
  expect(sim.state(4, leaf)).toBe('dead');
  // Much happens meanwhile.
  sim.crash(3);
  sim.setMetadata(4, { n: 1 });
  const late = sim.addMember();
  sim.join(late, 1);
  sim.run(600_000 - FROZEN_MS - 20_000 - 1);
  const wokeMs = sim.nowMs;
  sim.run(1);
  sim.page(leaf, 'visible');
  until(sim, () => sim.gatewayOf(leaf) !== undefined && sim.state(leaf, late) === 'alive', 2000);
  expect(sim.nowMs - wokeMs).toBeLessThan(2000);
  sim.run(5000);
  for (const member of sim.running()) expect(activeView(sim, member)).toEqual(activeView(sim, 4));
});

test('a laptop that wakes is current within 2 s, whatever its connection still pretends', 4, (seed) => {
  for (const sleepMs of [12_000, 30_000, 300_000]) {
    const { sim, leaves } = world(seed, { members: 5, gateways: 2 });
    const leaf = leaves[0] as number;
    sim.run(seed * 1234);
    sim.suspend(leaf, sleepMs);
    // Its gateway goes without a word while it sleeps: nothing tells the leaf that its connection is none.
    sim.run(sleepMs / 3);
    sim.crash(0, 'silent');
    sim.run((2 * sleepMs) / 3);
    until(sim, () => sim.gatewayOf(leaf) === 1, 2000);
    until(sim, () => sim.state(leaf, 0) === 'dead' && sim.converged(), 30_000);
  }
});

test('a page in the back-forward cache holds no connection, and is a member again when it is shown', 4, (seed) => {
  const { sim, leaves } = world(seed);
  const leaf = leaves[0] as number;
  sim.page(leaf, 'asleep');
  sim.run(60_000);
  expect(sim.stats(leaf)).toMatchObject({ attachAttempts: 1, attachedNow: 0 });
  expect(seen(sim, leaf).filter((what) => !what.endsWith('alive'))).toEqual([]);
  const shownMs = sim.nowMs;
  sim.page(leaf, 'visible');
  until(sim, () => sim.gatewayOf(leaf) !== undefined, 2000);
  sim.run(60_000);
  expect(sim.converged()).toBe(true);
  expect(seen(sim, leaf, shownMs).filter((what) => !what.endsWith('alive'))).toEqual([]);
});

test('a gateway that stood still takes none of its leaves for dead', 4, (seed) => {
  for (const stillMs of [8000, 15_000]) {
    const { sim, leaves } = world(seed, { members: 6, gateways: 1, leaves: 4 });
    sim.run(2000);
    sim.suspend(0, stillMs);
    sim.run(stillMs + 60_000);
    const dead = sim.events.filter(
      ({ about, state, at }) => leaves.includes(about) && state === 'dead' && at !== about,
    );
    // Whoever has given it up may have given up its leaves with it; the gateway itself may not.
    expect(dead.filter(({ at }) => at === 0)).toEqual([]);
    expect(sim.converged()).toBe(true);
  }
});

test('a leaf whose network comes and goes is the same member all along', 3, (seed) => {
  const { sim, leaves } = world(seed, { members: 4, gateways: 2 });
  const leaf = leaves[0] as number;
  for (let i = 0; i < 6; i++) {
    for (const gateway of [0, 1]) sim.cut(leaf, gateway);
    sim.run(i * 1500);
    sim.heal();
    sim.run(10_000 - i * 500);
  }
  until(sim, () => sim.converged(), 20_000);
  for (const member of sim.running()) expect(sim.view(member)).toHaveLength(5);
});
