/** Gateways come and go; a leaf finds another, and nobody ever takes it for dead. */
import { expect } from 'vitest';
import { createSimulation } from '../../src/testing/index.js';
import { tries } from '../effort.js';
import { activeView, PING_MS, seen, until, world } from './leaves.js';
import { seeded } from './seeded.js';

const test = seeded('leaf-gateways.test.ts');

test('when its gateway dies a leaf goes to another; nobody sees it dead, and nobody sees it twice', 5, (seed) => {
  for (const how of ['killed', 'silent'] as const) {
    const { sim, leaves } = world(seed, { members: 6, gateways: 3, leaves: 6 });
    sim.run(5000 + seed * 333);
    sim.crash(0, how);
    const back = () => sim.converged() && leaves.every((leaf) => sim.gatewayOf(leaf) !== 0);
    until(sim, back, how === 'killed' ? 5000 : 25_000);
    sim.run(120_000);
    expect(sim.converged()).toBe(true);
    for (const leaf of leaves) {
      expect(seen(sim, leaf).filter((what) => what.endsWith('dead'))).toEqual([]);
      expect(activeView(sim, leaf)).toEqual(activeView(sim, 5));
      expect(activeView(sim, leaf)).toHaveLength(11);
    }
  }
});

test('a leaf whose gateway died and that does not come back is dead everywhere, in time', 3, (seed) => {
  const { sim, leaves } = world(seed, { members: 6, gateways: 1, leaves: 2 });
  sim.crash(0, 'silent');
  // A gateway's death is concluded first, then that of its leaves.
  until(sim, () => sim.running().every((i) => i >= 6 || leaves.every((leaf) => sim.state(i, leaf) === 'dead')), 60_000);
  sim.run(60_000);
  for (const member of [1, 2, 3, 4, 5]) expect(activeView(sim, member)).toEqual(activeView(sim, 1));
});

test('a gateway that leaves sends its leaves elsewhere at once', 5, (seed) => {
  const { sim, leaves } = world(seed, { gateways: 2, leaves: 4 });
  const leftMs = sim.nowMs;
  sim.leave(0);
  until(sim, () => sim.converged() && leaves.every((leaf) => sim.gatewayOf(leaf) === 1), 3000);
  sim.run(60_000);
  for (const leaf of leaves) {
    expect(seen(sim, leaf, leftMs).filter((what) => what.endsWith('dead'))).toEqual([]);
    expect(sim.stats(leaf).attached).toBeLessThanOrEqual(2);
  }
});

test('a gateway that is closed sends its leaves elsewhere; the member goes on', 3, (seed) => {
  const { sim, leaves } = world(seed, { gateways: 2, leaves: 3 });
  const gone = sim.addLeaf({ gateways: [0] });
  until(sim, () => sim.converged(), 3000);
  sim.closeGateway(0);
  const left = [0, 1, 2, 3, ...leaves];
  until(sim, () => sim.converged(left) && leaves.every((leaf) => sim.gatewayOf(leaf) === 1), 3000);
  until(sim, () => left.every((i) => sim.state(i, gone) === 'dead'), 60_000);
  expect(sim.state(3, 0)).toBe('alive');
  // And may be a gateway again.
  sim.gateway(0);
  until(sim, () => sim.converged() && sim.gatewayOf(gone) === 0, 30_000);
  sim.run(60_000);
  expect(sim.converged()).toBe(true);
});

test(
  'a gateway that restarts with the same id knows nothing of its leaves; those that are back are well, the others dead',
  5,
  (seed) => {
    const { sim, leaves } = world(seed, { members: 5, gateways: 1, leaves: 3 });
    const lost = leaves[2] as number;
    sim.run(3000);
    sim.crash(lost, 'silent');
    sim.restart(0);
    sim.join(0, 1);
    const left = [0, 1, 2, 3, 4, ...leaves.slice(0, 2)];
    until(sim, () => sim.converged(left), 10_000);
    until(sim, () => left.every((i) => ['dead', 'unknown'].includes(sim.state(i, lost))), 90_000);
    sim.run(30_000);
    for (const member of left) expect(activeView(sim, member)).toEqual(activeView(sim, 1));
    const digests = sim.stats(1).digestsDiffered;
    sim.run(200_000);
    // They agree, and need not exchange tables any more.
    expect(sim.stats(1).digestsDiffered).toBe(digests);
    for (const leaf of leaves.slice(0, 2)) {
      expect(seen(sim, leaf).filter((what) => what.endsWith('dead'))).toEqual([]);
    }
  },
);

test('a leaf moves between partitioned gateways; healed, everybody sees it once and at the right one', 5, (seed) => {
  const { sim, leaves } = world(seed, { members: 6, gateways: 2, leaves: 1 });
  const leaf = leaves[0] as number;
  const halves = [
    [0, 2, 3],
    [1, 4, 5],
  ] as const;
  const [a, b] = halves;
  sim.partition([[...a, leaf], b]);
  sim.run(40_000);
  expect(sim.state(2, leaf)).toBe('alive');
  sim.partition([a, [...b, leaf]]);
  until(sim, () => sim.gatewayOf(leaf) === 1 && sim.converged([...b, leaf]), 60_000);
  sim.run(seed * 7000);
  const healedMs = sim.nowMs;
  sim.heal();
  until(sim, () => sim.converged(), 60_000);
  sim.run(60_000);
  for (const member of sim.running()) expect(activeView(sim, member)).toEqual(activeView(sim, 4));
  expect(sim.gatewayOf(leaf)).toBe(1);
  const there = seen(sim, leaf, healedMs).filter((what) => [1, 4, 5].includes(Number(what[0])));
  expect(there.filter((what) => what.endsWith('dead'))).toEqual([]);
});

test('leaves on both sides of a partition are never dead where they are connected', 4, (seed) => {
  const { sim, leaves } = world(seed, { members: 6, gateways: 2, leaves: 4 });
  const [a, b] = [
    [0, 2, 3, ...leaves.filter((leaf) => sim.gatewayOf(leaf) === 0)],
    [1, 4, 5, ...leaves.filter((leaf) => sim.gatewayOf(leaf) === 1)],
  ];
  sim.partition([a, b]);
  sim.run(seed * 20_000);
  sim.heal();
  until(sim, () => sim.converged(), 60_000);
  sim.run(60_000);
  expect(sim.converged()).toBe(true);
  for (const side of [a, b]) {
    for (const leaf of leaves.filter((one) => side.includes(one))) {
      const wrong = sim.events.filter((e) => e.about === leaf && side.includes(e.at) && e.state === 'dead');
      expect(wrong).toEqual([]);
    }
  }
});

test('a leaf that only lost its connection is back at once, and nobody sees it dead', 5, (seed) => {
  const { sim, leaves } = world(seed, { gateways: 1, leaves: 1 });
  const leaf = leaves[0] as number;
  for (let i = 0; i < 5; i++) {
    sim.disconnect(leaf);
    until(sim, () => sim.gatewayOf(leaf) === undefined, 100);
    until(sim, () => sim.converged(), 2000);
    sim.run(1000);
  }
  expect(seen(sim, leaf).filter((what) => what.endsWith('dead'))).toEqual([]);
  // Its view was right; it need not be told all of it again.
  expect(sim.stats(leaf).attached).toBe(6);
});

test('a leaf that comes back to an unchanged cluster is not told everything again', 2, (seed) => {
  const sim = createSimulation({ seed, members: 3 });
  sim.setMetadata(2, { text: 'x'.repeat(20_000) });
  sim.gateway(0);
  sim.joinAll();
  const leaf = sim.addLeaf({ gateways: [0] });
  until(sim, () => sim.converged(), 10_000);
  sim.run(60_000);
  const before = sim.traffic(0).reliableBytes;
  sim.disconnect(leaf);
  until(sim, () => sim.gatewayOf(leaf) === undefined, 100);
  until(sim, () => sim.converged(), 3000);
  expect(sim.traffic(0).reliableBytes - before).toBeLessThan(2000);
});

test('two leaves with one id do not drive each other away for ever', 3, (seed) => {
  const { sim, leaves } = world(seed, { gateways: 2 });
  sim.addLeaf({ gateways: [1, 0], id: sim.id(leaves[0] as number) });
  sim.run(300_000);
  expect(sim.stats(0).leavesAttached ?? 0).toBeLessThan(20);
  expect(sim.stats(1).leavesAttached ?? 0).toBeLessThan(20);
});

test('gateways whose clocks differ do not fight over a leaf that moves', 4, (seed) => {
  for (const aheadMs of [500, 20_000]) {
    const sim = createSimulation({ seed, members: 2 });
    const fast = sim.addMember({ clockAheadMs: aheadMs });
    sim.gateway(0);
    sim.gateway(fast);
    sim.joinAll();
    const leaf = sim.addLeaf({ gateways: [fast, 0] });
    until(sim, () => sim.converged() && sim.gatewayOf(leaf) === fast, 10_000);
    // The news of its move from the fast clock to the slow one cannot have arrived.
    sim.cut(0, fast);
    sim.cut(1, fast);
    sim.setMetadata(leaf, { n: 1 });
    sim.run(200);
    sim.disconnect(leaf);
    until(sim, () => sim.gatewayOf(leaf) === 0, 3000);
    sim.heal();
    until(sim, () => sim.converged(), 5000);
    sim.run(60_000);
    expect(sim.converged()).toBe(true);
    expect(sim.stats(leaf).attached).toBe(2);
    expect(seen(sim, leaf).filter((what) => what.endsWith('dead'))).toEqual([]);
  }
});

test(
  'of many leaves on three gateways none is ever dead when a gateway is killed, and messages flow',
  1,
  (seed) => {
    const { sim } = world(seed, { members: 5, gateways: 3, leaves: 0 });
    const count = tries(500, 150);
    const leaves = Array.from({ length: count }, (_, i) =>
      sim.addLeaf({ gateways: [i % 3, (i + 1) % 3, (i + 2) % 3] }),
    );
    sim.run(8000);
    const alive = (at: number) => sim.view(at).filter(({ state }) => state === 'alive').length;
    expect(new Set(sim.running().map(alive))).toEqual(new Set([count + 5]));
    sim.run(PING_MS);
    sim.crash(0);
    const attached = () => leaves.every((leaf) => sim.gatewayOf(leaf) !== undefined && sim.gatewayOf(leaf) !== 0);
    until(sim, () => attached() && sim.state(1, 0) === 'dead', 30_000);
    sim.run(10_000);
    const dead = sim.events.filter(({ about, state }) => about !== 0 && state === 'dead');
    expect(dead).toEqual([]);
    expect(new Set(sim.running().map(alive))).toEqual(new Set([count + 4]));
    const heard = sim.deliveries.length;
    sim.broadcast(leaves[0] as number, 'to all');
    const asked = sim.request(leaves[1] as number, leaves[2] as number, 'and you?');
    sim.run(2000);
    expect(new Set(sim.deliveries.slice(heard).map(({ to }) => to)).size).toBe(count + 3);
    expect(asked.value).toBe('and you?');
  },
  90_000,
);
