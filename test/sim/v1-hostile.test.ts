/** What a v1 peer may say without harm: members that do not exist, old packets again, floods, times from the future. */
import { expect } from 'vitest';
import { memberIdFromBytes } from '../../src/core/member-id.js';
import type { V1Message, V1Packet } from '../../src/wire/v1/packet.js';
import type { GoLikePeer } from '../../tools/sim/go-like-peer.js';
import { tries } from '../effort.js';
import { allAlive, mixed, troubles } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('v1-hostile.test.ts');

function invented(n: number): string {
  return memberIdFromBytes(Uint8Array.from({ length: 16 }, (_, i) => (i < 4 ? (n >> (i * 8)) & 255 : 0xab)));
}

function from(go: GoLikePeer, type: number, message: V1Message, change: Partial<V1Packet> = {}): V1Packet {
  const header = { dialect: 'v1', senderId: go.id, messageId: go.now(), ttl: 4, replyExpected: false } as const;
  return { ...header, type, message, ...change };
}

test('a push/pull full of invented members adds nobody and is followed up within bounds', 2, (seed) => {
  const cluster = mixed(seed, 3, 2);
  const { sim, gos } = cluster;
  const go = gos[0] as GoLikePeer;
  sim.run(10_000);
  const trouble = troubles(cluster);
  const size = sim.view(0).length;
  const before = sim.traffic(0).reliable;
  const rounds = tries(100, 20);
  for (let round = 0; round < rounds; round++) {
    const entries = Array.from({ length: 1000 }, (_, i) => ({
      id: invented(round * 1000 + i),
      address: `nowhere${round * 1000 + i}`,
      state: i % 2 === 0 ? ('alive' as const) : ('dead' as const),
      stateTime: go.now(),
    }));
    sim.inject(0, from(go, 3, { kind: 'push-pull', entries }, { targetId: sim.id(0) }), { reliable: true });
    expect(sim.stats(0).contactsPending).toBeLessThanOrEqual(256);
    sim.run(10);
  }
  sim.run(30_000);
  // Sixteen of each are asked for, at most.
  expect(sim.traffic(0).reliable - before).toBeLessThan(16 * rounds + 200);
  expect(sim.stats(0).contactsPending).toBe(0);
  for (const native of cluster.natives) expect(sim.view(native)).toHaveLength(size);
  expect(trouble()).toEqual([]);
});

test('one push/pull that calls us dead a thousand times is answered by one update', 1, (seed) => {
  const { sim, gos } = mixed(seed, 1, 1);
  const go = gos[0] as GoLikePeer;
  const entry = { id: sim.id(0), address: sim.address(0), state: 'dead', stateTime: go.now() } as const;
  const entries = Array(1000).fill(entry);
  const { datagrams } = sim.traffic(0);
  sim.inject(0, from(go, 3, { kind: 'push-pull', entries }, { targetId: sim.id(0) }), { reliable: true });
  expect(sim.traffic(0).datagrams - datagrams).toBe(1);
});

test('a flood of joins from invented members adds nobody', 2, (seed) => {
  const cluster = mixed(seed, 2, 1);
  const { sim, gos } = cluster;
  const go = gos[0] as GoLikePeer;
  for (let i = 0; i < 2000; i++) {
    const id = invented(i);
    const message = {
      kind: 'join',
      id,
      address: `nowhere${i}`,
      protocolVersion: 1,
      applicationVersion: '',
      state: 'alive',
      tags: [],
      metadataTime: go.now(),
      metadata: {},
    } as const;
    sim.inject(0, from(go, 1, message, { senderId: id }), { reliable: true });
  }
  expect(sim.stats(0).contactsPending).toBeLessThanOrEqual(256);
  sim.run(30_000);
  expect(sim.view(0)).toHaveLength(3);
  expect(sim.stats(0)).toMatchObject({ contactsPending: 0 });
  expect(sim.stats(0).contactsOverLimit).toBeGreaterThan(0);
  expect(allAlive(cluster)).toBe(true);
});

test('packets of a dead v1 peer, recorded and sent again, do not bring it back', 3, (seed) => {
  const cluster = mixed(seed, 4, 2);
  const { sim, natives, gos } = cluster;
  const go = gos[0] as GoLikePeer;
  const recorded: V1Packet[] = [];
  const own = { metadata: {}, metadataTime: go.now(), state: 'alive' } as const;
  for (let i = 0; i < 5; i++) {
    recorded.push(from(go, 4, { kind: 'metadata', ...own }));
    recorded.push(from(go, 5, { kind: 'ping', id: go.id, address: go.address }));
    sim.run(500);
  }
  // Each native has heard from it since, by itself or through others.
  sim.run(20_000);
  go.crash();
  expect(sim.runUntil(() => natives.every((native) => sim.state(native, 1_000_000) === 'dead'), 60_000)).toBe(true);
  const before = sim.events.length;
  for (let i = 0; i < 20; i++) {
    for (const packet of recorded) for (const native of natives) sim.inject(native, packet);
    sim.run(1000);
  }
  expect(sim.events.slice(before).filter(({ about }) => about === 1_000_000)).toEqual([]);
});

test('a v1 peer whose clock is far ahead is refused, and drags no clock along', 2, (seed) => {
  const cluster = mixed(seed, 2, 1);
  const { sim, gos } = cluster;
  const go = gos[0] as GoLikePeer;
  const future = go.now() + ((3_600_000_000n << 10n) as bigint);
  const message = { kind: 'metadata', metadata: { lie: true }, metadataTime: future, state: 'alive' } as const;
  sim.inject(0, from(go, 4, message, { messageId: future }));
  sim.inject(0, from(go, 4, message));
  sim.inject(0, from(go, 2, { kind: 'leave' }, { messageId: future }));
  sim.run(60_000);
  expect(sim.stats(0).clockDrift).toBe(3);
  expect(sim.view(0).find(({ index }) => index === 1_000_000)?.metadata).toEqual({});
  expect(sim.record(1, 0).incarnation).toBeLessThan(future);
  expect(allAlive(cluster)).toBe(true);
});

test('nobody can speak for a native in v1', 2, (seed) => {
  const cluster = mixed(seed, 3, 1);
  const { sim, gos } = cluster;
  const go = gos[0] as GoLikePeer;
  const trouble = troubles(cluster);
  const as = { senderId: sim.id(1) };
  sim.inject(0, from(go, 2, { kind: 'leave' }, as));
  const lie = { kind: 'metadata', metadata: { lie: 1 }, metadataTime: go.now(), state: 'leaving' } as const;
  sim.inject(0, from(go, 4, lie, as));
  sim.run(30_000);
  expect(trouble()).toEqual([]);
  expect(sim.view(0).find(({ index }) => index === 1)?.metadata).toEqual({});
});
