/** Leaves toward Go-like peers: nodes at their gateway's address, which they know, hear, ask, lose and follow. */
import { expect } from 'vitest';
import type { V1StateEntry } from '../../src/wire/v1/packet.js';
import { addGoLike, type GoLikePeer } from '../../tools/sim/go-like-peer.js';
import { tries } from '../effort.js';
import { until } from './leaves.js';
import { type Mixed, mixed, sum, troubles } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('v1-leaves.test.ts');

interface World extends Mixed {
  leaves: number[];
}

/** Two gateways, a plain member, Go-like peers, and leaves of the first gateway that could go to the second. */
function world(seed: number, { gos = 2, leaves = 1 }: { gos?: number; leaves?: number } = {}): World {
  const cluster = mixed(seed, 3, gos, {
    go: (i) => ({ tags: i === 0 ? ['blue'] : [], answer: (data) => `go says ${data}` }),
  });
  const { sim } = cluster;
  for (const gateway of [0, 1]) sim.gateway(gateway);
  const all = Array.from({ length: leaves }, (_, i) =>
    sim.addLeaf({ gateways: [0, 1], tags: ['blue'], metadata: { n: i }, answer: (data) => `leaf says ${data}` }),
  );
  until(sim, () => all.every((leaf) => cluster.gos.every((go) => go.stateOf(leaf) === 'alive')), 10_000);
  return { ...cluster, leaves: all };
}

const node = ({ sim }: World, go: GoLikePeer, leaf: number) => go.table.get(sim.id(leaf));

test(
  'a Go-like peer knows it as a node at its gateway, with tags and metadata, also one that joins later',
  5,
  (seed) => {
    const cluster = world(seed, { leaves: 3 });
    const { sim, gos, leaves } = cluster;
    const late = addGoLike(sim);
    late.join(sim.address(2));
    until(sim, () => leaves.every((leaf) => late.stateOf(leaf) === 'alive'), 10_000);
    sim.run(15_000);
    for (const go of [...gos, late]) {
      for (const [n, leaf] of leaves.entries()) {
        expect(node(cluster, go, leaf)).toMatchObject({ address: sim.address(0), tags: ['blue'], metadata: { n } });
      }
      expect(go.stateOf(0)).toBe('alive');
    }
    // Nobody of ours takes it for a Go peer.
    for (const native of cluster.natives) {
      expect(sim.view(native).find(({ index }) => index === leaves[0])?.address).toMatch(/#/);
    }
  },
);

test('messages, requests and broadcasts go both ways, each once', 5, (seed) => {
  const cluster = world(seed);
  const { sim, gos, leaves } = cluster;
  const [leaf] = leaves as [number];
  sim.run(5000);
  const from = sim.deliveries.length;
  const asked = gos.map((go) => [go.request(leaf, 'a'), sim.request(leaf, go.index, 'b')] as const);
  for (const go of gos) {
    go.sendTo(leaf, `to leaf from ${go.index}`, true);
    sim.send(leaf, go.index, 'from leaf', { reliable: true });
  }
  sim.broadcast(leaf, 'to all');
  sim.broadcast(leaf, 'to blue', { tag: 'blue' });
  gos[1]?.broadcast('go to blue', { tag: 'blue' });
  sim.run(3000);
  for (const [index, go] of gos.entries()) {
    expect(asked[index]?.[0]).toEqual({ value: 'leaf says a', senderId: sim.id(leaf) });
    expect(asked[index]?.[1]).toMatchObject({ settled: true, value: 'go says b' });
    const heard = go.deliveries.filter((d) => d.from === leaf).map(({ data }) => data);
    expect(heard.sort()).toEqual(index === 0 ? ['from leaf', 'to all', 'to blue'] : ['from leaf', 'to all']);
  }
  const heard = sim.deliveries.slice(from).filter(({ to }) => to === leaf);
  expect(heard.map(({ data }) => data).sort()).toEqual(['go to blue', ...gos.map((go) => `to leaf from ${go.index}`)]);
});

test('what a leaf says and asks in its first moment arrives', 5, (seed) => {
  const cluster = world(seed);
  const { sim, gos } = cluster;
  const [go] = gos as [GoLikePeer];
  const leaf = sim.addLeaf({ gateways: [1] });
  until(sim, () => sim.gatewayOf(leaf) === 1 && sim.state(leaf, go.index) === 'alive', 5000);
  expect(go.stateOf(leaf)).toBe('unknown');
  sim.send(leaf, go.index, 'hello', { reliable: true });
  sim.broadcast(leaf, 'to all');
  const asked = sim.request(leaf, go.index, 'x');
  sim.run(1000);
  expect(asked).toMatchObject({ settled: true, value: 'go says x' });
  for (const one of gos) {
    const heard = one.deliveries.filter((d) => d.from === leaf).map(({ data }) => data);
    expect(heard.sort()).toEqual(one === go ? ['hello', 'to all'] : ['to all']);
  }
});

test('at rest nobody opens a connection to ask for a leaf or its gateway', 3, (seed) => {
  const cluster = world(seed, { gos: 3, leaves: 4 });
  const { sim, gos, leaves } = cluster;
  sim.run(20_000);
  const trouble = troubles(cluster);
  const pings = () => sum(gos.flatMap((go) => [0, ...leaves].map((who) => go.pings.get(who) ?? 0)));
  const before = pings();
  const updates = gos.map((go) => go.received.get(`4 from ${leaves[0]}`) ?? 0);
  sim.run(60_000);
  expect(pings()).toBe(before);
  for (const [i, go] of gos.entries()) {
    // One per 1.2 s.
    const more = (go.received.get(`4 from ${leaves[0]}`) ?? 0) - (updates[i] as number);
    expect(more).toBeGreaterThan(45);
    expect(more).toBeLessThan(56);
  }
  expect(trouble()).toEqual([]);
});

test('beyond the bound of keep-alives peers ask, and are answered', 1, (seed) => {
  const cluster = world(seed, { gos: 11, leaves: 110 });
  const { sim, gos, leaves } = cluster;
  sim.run(tries(15_000, 4000));
  const trouble = troubles(cluster);
  const { datagrams } = sim.traffic(0);
  const updates = () => leaves.map((leaf) => sum(gos.map((go) => go.received.get(`4 from ${leaf}`) ?? 0)));
  const pings = () => leaves.map((leaf) => sum(gos.map((go) => go.pings.get(leaf) ?? 0)));
  const before = [updates(), pings()] as const;
  sim.run(5000);
  const told = updates().map((n, i) => n - (before[0][i] as number));
  const asked = pings().map((n, i) => n - (before[1][i] as number));
  // 1,200 pairs of a leaf and a peer, of 1,210.
  expect(told.filter((n) => n === 0)).toHaveLength(1);
  for (const [i, n] of told.entries()) expect(n === 0).toBe(asked[i] !== 0);
  expect((sim.traffic(0).datagrams - datagrams) / 5).toBeLessThan(1100);
  expect(trouble()).toEqual([]);
});

test('its new metadata and its farewell are heard', 5, (seed) => {
  const cluster = world(seed);
  const { sim, gos, leaves } = cluster;
  const [leaf] = leaves as [number];
  sim.run(1000 * seed);
  sim.setMetadata(leaf, { n: 'new' });
  until(sim, () => gos.every((go) => node(cluster, go, leaf)?.metadata.n === 'new'), 500);
  const trouble = troubles(cluster);
  sim.leave(leaf);
  until(sim, () => gos.every((go) => go.stateOf(leaf) === 'leaving'), 500);
  expect(trouble().filter((what) => what.includes('suspect'))).toEqual([]);
});

test('one that is silent or gone is suspect or dead, not alive until it is back', 4, (seed) => {
  const cluster = world(seed);
  const { sim, gos, leaves } = cluster;
  const [leaf] = leaves as [number];
  sim.run(5000);
  sim.crash(leaf, seed % 2 === 0 ? 'silent' : 'killed');
  const from = gos.map(({ table }) => table.events.length);
  // Some hear of its death in a push/pull, before they have found out.
  until(sim, () => gos.every((go) => ['suspect', 'dead'].includes(go.stateOf(leaf))), 20_000);
  until(sim, () => gos.every((go) => go.stateOf(leaf) === 'dead'), 25_000);
  sim.run(10_000);
  for (const [i, { table }] of gos.entries()) {
    expect(table.events.slice(from[i]).filter(({ about, state }) => about === leaf && state === 'alive')).toEqual([]);
  }
  sim.restart(leaf);
  until(sim, () => gos.every((go) => go.stateOf(leaf) === 'alive'), 10_000);
  const trouble = troubles(cluster);
  sim.run(60_000);
  expect(trouble()).toEqual([]);
});

test('one that moves is followed by its old gateway’s word, and nobody takes it for dead', 5, (seed) => {
  const cluster = world(seed, { gos: 3 });
  const { sim, gos, leaves } = cluster;
  const [leaf] = leaves as [number];
  sim.run(10_000 + seed * 700);
  const trouble = troubles(cluster);
  const seenAt = () => sim.view(0).find(({ index }) => index === leaf)?.address;
  const before = seenAt();
  // The first gateway lives on, but the leaf cannot come to it.
  sim.closeGateway(0);
  until(sim, () => sim.gatewayOf(leaf) === 1, 5000);
  until(sim, () => seenAt() !== before && sim.state(0, leaf) === 'alive', 1000);
  expect(gos.map((go) => node(cluster, go, leaf)?.address)).toEqual(gos.map(() => sim.address(0)));
  for (const go of gos) go.sendTo(leaf, `handed on for ${go.index}`, true);
  sim.run(500);
  expect(sim.deliveries.filter(({ to, data }) => to === leaf && /handed on/.test(`${data}`))).toHaveLength(3);
  until(sim, () => gos.every((go) => node(cluster, go, leaf)?.address === sim.address(1)), 10_000);
  const asked = gos.map((go) => go.request(leaf, 'a'));
  sim.run(3000);
  for (const outcome of asked) expect(outcome.value).toBe('leaf says a');
  sim.run(20_000);
  const pings = () => sum(gos.map((go) => go.pings.get(leaf) ?? 0));
  const asks = pings();
  sim.run(60_000);
  expect(pings()).toBe(asks);
  expect(trouble().filter((what) => what.includes('dead'))).toEqual([]);
});

test('one whose gateway died is alive by another, and heard; where it is peers cannot learn', 3, (seed) => {
  const cluster = world(seed);
  const { sim, gos, leaves } = cluster;
  const [leaf] = leaves as [number];
  sim.run(10_000);
  sim.crash(0);
  until(sim, () => sim.gatewayOf(leaf) === 1, 10_000);
  until(sim, () => gos.every((go) => go.stateOf(0) === 'dead' && go.stateOf(leaf) === 'alive'), 40_000);
  sim.broadcast(leaf, 'still here');
  const asked = gos.map((go) => sim.request(leaf, go.index, 'b'));
  sim.run(2000);
  for (const outcome of asked) expect(outcome).toMatchObject({ settled: true, value: 'go says b' });
  for (const go of gos) {
    expect(go.deliveries.filter(({ data }) => data === 'still here')).toHaveLength(1);
    expect(node(cluster, go, leaf)?.address).toBe(sim.address(0));
    sim.run(60_000);
    expect(go.stateOf(leaf)).not.toBe('dead');
  }
});

test('a push/pull that calls a leaf dead a thousand times is answered by one update, in its name', 1, (seed) => {
  const { sim, gos, leaves } = world(seed);
  const go = gos[0] as GoLikePeer;
  const [leaf] = leaves as [number];
  sim.run(5000);
  const entry: V1StateEntry = { id: sim.id(leaf), address: sim.address(0), state: 'dead', stateTime: go.now() };
  const header = {
    dialect: 'v1',
    type: 3,
    senderId: go.id,
    messageId: go.now(),
    ttl: 1,
    replyExpected: false,
  } as const;
  const { datagrams } = sim.traffic(0);
  const message = { kind: 'push-pull', entries: Array(1000).fill(entry) } as const;
  sim.inject(0, { ...header, targetId: sim.id(0), message }, { reliable: true });
  expect(sim.traffic(0).datagrams - datagrams).toBe(1);
});
