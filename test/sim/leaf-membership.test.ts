/** A leaf is a member like others: it is seen, sees everybody, changes, goes and is missed; its gateway alone watches it. */
import { expect } from 'vitest';
import { createSimulation } from '../../src/testing/index.js';
import { activeView, PING_MS, seen, until, world } from './leaves.js';
import { seeded } from './seeded.js';

const test = seeded('leaf-membership.test.ts');

test('a leaf and every member see each other, with tags and metadata', 3, (seed) => {
  const { sim } = world(seed, { leaves: 0 });
  const leaf = sim.addLeaf({ gateways: [0], tags: ['page'], metadata: { name: 'Ada' } });
  until(sim, () => sim.converged(), 3000);
  for (const member of sim.running()) {
    const row = sim.view(member).find(({ index }) => index === leaf);
    expect(row).toMatchObject({ state: 'alive', tags: ['page'], metadata: { name: 'Ada' } });
    expect(row?.address).toBe(`wss://gateway0/#${sim.id(leaf)}`);
  }
  sim.run(600_000);
  expect(seen(sim, leaf).filter((what) => !what.endsWith('alive'))).toEqual([]);
  expect(sim.stats(leaf).attached).toBe(1);
});

test('views of leaves and gateways are equal after changes of all kinds', 3, (seed) => {
  const { sim, leaves } = world(seed, { members: 6, gateways: 2, leaves: 3 });
  const [a = 0, b = 0] = leaves;
  sim.setMetadata(a, { load: 1 });
  sim.setMetadata(5, { role: 'worker' });
  sim.setMetadata(0, { role: 'gateway' });
  sim.leave(b);
  sim.crash(4);
  sim.forget(0, 3);
  const late = sim.addMember({ tags: ['late'], metadata: { big: 'x'.repeat(5000) } });
  sim.join(late, 2);
  sim.run(200_000);
  for (const member of sim.running()) expect(activeView(sim, member)).toEqual(activeView(sim, 2));
  expect(activeView(sim, a)).toHaveLength(8);
});

test('a leaf that came while a member was dead sees it when it is back', 3, (seed) => {
  const { sim } = world(seed, { leaves: 0 });
  sim.partition([[0, 1, 2], [3]]);
  until(sim, () => sim.state(0, 3) === 'dead', 60_000);
  const leaf = sim.addLeaf({ gateways: [0] });
  sim.partition([[0, 1, 2, leaf], [3]]);
  until(sim, () => sim.state(leaf, 2) === 'alive', 10_000);
  expect(sim.state(leaf, 3)).toBe('unknown');
  sim.heal();
  until(sim, () => sim.converged(), 60_000);
});

test('metadata of a leaf and of a member reach the other within a second or two', 3, (seed) => {
  const { sim, leaves } = world(seed);
  const leaf = leaves[0] as number;
  sim.setMetadata(leaf, { n: 1 });
  sim.setMetadata(3, { n: 2 });
  const metadata = (at: number, of: number) => sim.view(at).find(({ index }) => index === of)?.metadata;
  until(sim, () => metadata(3, leaf)?.n === 1 && metadata(leaf, 3)?.n === 2, 2000);
});

test('metadata that a leaf sets while it is on its way arrives', 3, (seed) => {
  const { sim } = world(seed, { leaves: 0 });
  const leaf = sim.addLeaf({ gateways: [0], metadata: { n: 0 } });
  sim.run(1);
  expect(sim.gatewayOf(leaf)).toBeUndefined();
  sim.setMetadata(leaf, { n: 1 });
  until(sim, () => sim.view(3).find(({ index }) => index === leaf)?.metadata?.n === 1, 3000);
});

test('a leaf that leaves is leaving, never suspect', 3, (seed) => {
  const { sim, leaves } = world(seed);
  const leaf = leaves[0] as number;
  const leftMs = sim.nowMs;
  sim.leave(leaf);
  until(sim, () => sim.running().every((i) => sim.state(i, leaf) === 'leaving'), 2000);
  sim.run(100_000);
  expect(new Set(seen(sim, leaf, leftMs).map((what) => what.split(' ')[1]))).toEqual(new Set(['leaving', 'dead']));
});

test('the death of a leaf is told everywhere within two ping intervals', 5, (seed) => {
  for (const how of ['killed', 'silent'] as const) {
    const { sim, leaves } = world(seed, { members: 8, leaves: 2 });
    const leaf = leaves[0] as number;
    sim.run(seed * 777);
    sim.crash(leaf, how);
    until(sim, () => sim.running().every((i) => sim.state(i, leaf) === 'dead'), 2 * PING_MS);
  }
});

test('dead leaves are forgotten within minutes, and do not come back', 2, (seed) => {
  const { sim, leaves } = world(seed, { leaves: 3 });
  for (const leaf of leaves) sim.crash(leaf);
  sim.run(400_000);
  for (const member of sim.running()) expect(sim.stats(member).members).toBe(4);
  sim.run(200_000);
  for (const member of sim.running()) expect(sim.stats(member).members).toBe(4);
});

test('a leaf is told why its version is not welcome, and is nobody', 2, (seed) => {
  const sim = createSimulation({ seed });
  sim.addMember({ refuseVersion: (version) => (version === '2' ? undefined : `not ${version}`) });
  sim.gateway(0);
  const [old, good] = [
    sim.addLeaf({ gateways: [0], applicationVersion: '1' }),
    sim.addLeaf({ gateways: [0], applicationVersion: '2' }),
  ];
  const outcome = sim.join(old);
  sim.run(2000);
  expect(outcome.error).toMatchObject({ code: 'ERR_JOIN_REJECTED', message: expect.stringContaining('not 1') });
  expect(sim.state(0, old)).toBe('unknown');
  expect(sim.state(0, good)).toBe('alive');
  sim.run(600_000);
  // It asks again now and then: the gateway may be a newer one by then.
  expect(sim.stats(old).attachAttempts).toBeLessThan(60);
});

test('join waits until the members are known', 3, (seed) => {
  const { sim } = world(seed, { leaves: 0 });
  const leaf = sim.addLeaf({ gateways: [1] });
  const outcome = sim.join(leaf);
  until(sim, () => outcome.settled, 1000);
  expect(outcome).toMatchObject({ value: 1 });
  expect(sim.view(leaf)).toHaveLength(5);
});

test('a leaf that one member forgets comes back there', 3, (seed) => {
  const { sim, leaves } = world(seed, { leaves: 2 });
  const leaf = leaves[0] as number;
  for (const member of [0, 3, leaves[1] as number]) {
    sim.forget(member, leaf);
    until(sim, () => [0, 3, member].every((at) => sim.state(at, leaf) === 'alive'), 60_000);
    const heard = sim.deliveries.length;
    sim.broadcast(leaf, 'I am here');
    sim.run(1000);
    expect(new Set(sim.deliveries.slice(heard).map(({ to }) => to))).toEqual(new Set([0, 1, 2, 3, ...leaves.slice(1)]));
  }
  expect(seen(sim, leaf).filter((what) => what.endsWith('dead'))).toEqual([]);
});

test('whom a gateway forgets its leaves forget', 2, (seed) => {
  const { sim, leaves } = world(seed);
  const leaf = leaves[0] as number;
  sim.crash(3);
  until(sim, () => sim.state(0, 3) === 'dead' && sim.state(leaf, 3) === 'dead', 30_000);
  sim.forget(0, 3);
  until(sim, () => sim.state(leaf, 3) === 'unknown', 1000);
});

test('no leaf is given the id of a member that can be dialled, alive or dead', 2, (seed) => {
  const { sim } = world(seed, { leaves: 0 });
  const thief = sim.addLeaf({ gateways: [0, 1], id: sim.id(3) });
  sim.run(20_000);
  expect(sim.gatewayOf(thief)).toBeUndefined();
  sim.crash(3);
  until(sim, () => sim.state(0, 3) === 'dead', 30_000);
  sim.run(120_000);
  expect(sim.gatewayOf(thief)).toBeUndefined();
  expect(sim.stats(0).leavesRefused).toBeGreaterThan(1);
});

test('a joiner that hears of a leaf before its gateway does not take it for lost', 3, (seed) => {
  const sim = createSimulation({ seed, members: 2 });
  sim.gateway(0);
  sim.joinAll();
  const gateway = 3;
  const leaf = sim.addLeaf({ gateways: [0, gateway] });
  until(sim, () => sim.converged(), 5000);
  // Its new gateway is behind it in every table.
  expect(sim.addMember()).toBe(gateway);
  sim.gateway(gateway);
  sim.join(gateway, 1);
  until(sim, () => sim.converged(), 5000);
  sim.leave(0);
  until(sim, () => sim.state(1, leaf) === 'alive' && sim.gatewayOf(leaf) === gateway, 5000);
  sim.run(60_000);
  const joiner = sim.addMember();
  const joinedMs = sim.nowMs;
  sim.join(joiner, 1);
  sim.run(60_000);
  expect(sim.state(joiner, leaf)).toBe('alive');
  expect(seen(sim, leaf, joinedMs).filter((what) => what.endsWith('suspect'))).toEqual([]);
});
