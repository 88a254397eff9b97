/** What happens in mixed clusters when somebody leaves, dies, comes back, or cannot be reached by some. */
import { expect } from 'vitest';
import type { GoLikePeer } from '../../tools/sim/go-like-peer.js';
import { some, tries } from '../effort.js';
import { allAlive, missing, mixed, troubles } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('v1-failure.test.ts');
const SIZES = some(
  [
    [1, 2],
    [3, 3],
    [10, 5],
  ] as const,
  2,
);

test('a Go-like peer that crashes is suspected, then dead at all natives in time', 3, (seed) => {
  for (const [natives, gos] of SIZES) {
    for (const how of ['killed', 'silent'] as const) {
      const cluster = mixed(seed, natives, gos);
      const { sim } = cluster;
      sim.run(10_000);
      const startMs = sim.nowMs;
      cluster.gos[0]?.crash(how);
      const dead = () => cluster.natives.every((native) => sim.state(native, 1_000_000) === 'dead');
      expect(sim.runUntil(dead, 25_000)).toBe(true);
      for (const native of cluster.natives) {
        const seen = sim.events.filter(({ at, about, atMs }) => at === native && about === 1_000_000 && atMs > startMs);
        expect(seen.map(({ state }) => state)).toContain('dead');
        expect(seen[0]?.state).toBe('suspect');
      }
      // The other Go-like peers learn of it by themselves, and nobody else is doubted.
      const others = cluster.gos.slice(1);
      expect(sim.runUntil(() => others.every((go) => go.stateOf(1_000_000) === 'dead'), 60_000)).toBe(true);
      expect(missing(cluster)).toEqual([]);
      sim.run(30_000);
      expect(missing(cluster)).toEqual([]);
    }
  }
});

test('nobody is dead because a Go-like peer says so', 3, (seed) => {
  const cluster = mixed(seed, 4, 3);
  const { sim, gos } = cluster;
  const [liar] = gos as [GoLikePeer];
  const trouble = troubles(cluster);
  for (const state of ['dead', 'suspect', 'leaving'] as const) {
    for (let round = 0; round < 10; round++) {
      const entries = [0, 1, 2, 3, 1_000_001, 1_000_002].map((index) => ({
        id: sim.id(index),
        address: index < 1_000_000 ? sim.address(index) : `go${index - 1_000_000}`,
        state,
        stateTime: liar.now() + (1n << 20n),
      }));
      for (let native = 0; native < 4; native++) {
        const message = { kind: 'push-pull', entries } as const;
        const packet = { dialect: 'v1', type: 3, senderId: liar.id, messageId: liar.now(), ttl: 1, message } as const;
        sim.inject(native, { ...packet, targetId: sim.id(native), replyExpected: false }, { reliable: true });
      }
      sim.run(500);
    }
  }
  sim.run(60_000);
  expect(trouble()).toEqual([]);
  expect(allAlive(cluster)).toBe(true);
});

test('a Go-like peer that leaves is leaving everywhere, without suspicion, and stays gone', 5, (seed) => {
  for (const [natives, gos] of SIZES) {
    const cluster = mixed(seed, natives, gos);
    const { sim } = cluster;
    sim.run(5000);
    const from = sim.events.length;
    cluster.gos[1]?.leave();
    // The library goes on with what it does by itself for a moment: it retries its seeds, pings, and sends metadata.
    sim.run(50);
    cluster.gos[1]?.join(sim.address(0));
    const leaving = () => cluster.natives.every((native) => sim.state(native, 1_000_001) === 'leaving');
    expect(sim.runUntil(leaving, 3000)).toBe(true);
    sim.run(120_000);
    const seen = sim.events.slice(from).filter(({ kind, about }) => kind === 'state' && about === 1_000_001);
    for (const native of cluster.natives) {
      const states = seen.filter(({ at }) => at === native).map(({ state }) => state);
      expect(states).toEqual(['leaving', 'dead']);
    }
    expect(missing(cluster)).toEqual([]);
  }
});

test('what a leaver sent before its farewell and arrives later does not bring it back', 5, (seed) => {
  // Its clock is ahead of those that hear its farewell.
  const cluster = mixed(seed, 6, 3, { go: (i) => ({ clockAheadMs: i === 0 ? 5000 : 0 }) });
  const { sim, natives, gos } = cluster;
  const leaver = gos[0] as GoLikePeer;
  sim.run(5000);
  const packet = (message: { kind: 'metadata' | 'data' }) => {
    const own = { metadataTime: 1n, metadata: {}, state: 'alive', payload: sim.wire.env.codec.encode('late') } as const;
    const type = message.kind === 'data' ? 128 : 4;
    const header = {
      dialect: 'v1',
      senderId: leaver.id,
      messageId: leaver.now(),
      ttl: 2,
      replyExpected: false,
    } as const;
    return { ...header, type, message: { ...own, ...message } as never };
  };
  const late = [packet({ kind: 'metadata' }), packet({ kind: 'data' }), packet({ kind: 'metadata' })];
  sim.run(5);
  const from = sim.events.length;
  leaver.leave();
  expect(sim.runUntil(() => natives.every((native) => sim.state(native, 1_000_000) === 'leaving'), 3000)).toBe(true);
  for (const old of late) for (const native of natives) sim.inject(native, old, { reliable: false, address: 'go1' });
  sim.run(20_000);
  const states = new Set(
    sim.events.slice(from).map(({ about, state, kind }) => (about === 1_000_000 ? `${kind} ${state}` : '')),
  );
  expect([...states].filter((what) => what.startsWith('state'))).toEqual(['state leaving']);
});

test('a leaver that comes back within its leaving time is alive again everywhere', 3, (seed) => {
  // Its clock is behind that of those whose word is newer than its own, then.
  const cluster = mixed(seed, 5, 3, { go: (i) => ({ clockAheadMs: i === 0 ? -30_000 : 0 }) });
  const { sim, natives, gos } = cluster;
  const leaver = gos[0] as GoLikePeer;
  leaver.leave();
  sim.run(5000);
  expect(natives.map((native) => sim.state(native, 1_000_000))).toEqual(natives.map(() => 'leaving'));
  leaver.restart();
  leaver.join(sim.address(2));
  expect(sim.runUntil(() => allAlive(cluster), 3000)).toBe(true);
});

test('a native that leaves is leaving at Go-like peers, without suspicion', 3, (seed) => {
  for (const [natives, gos] of [
    [2, 1],
    [5, 4],
  ] as const) {
    const cluster = mixed(seed, natives, gos);
    const { sim } = cluster;
    sim.run(5000);
    const from = cluster.gos.map((go) => go.table.events.length);
    sim.leave(1);
    sim.run(120_000);
    for (const [i, go] of cluster.gos.entries()) {
      const states = go.table.events.slice(from[i]).filter(({ about }) => about === 1);
      expect(states.map(({ state }) => state)).toEqual(['leaving', 'dead']);
    }
    expect(missing(cluster)).toEqual([]);
  }
});

for (const pause of ['at once', 'after its death']) {
  for (const address of ['go0', 'elsewhere']) {
    const where = address === 'go0' ? 'the same' : 'another';
    test(`a Go-like peer restarted ${pause} at ${where} address is found by all`, 3, (seed) => {
      const cluster = mixed(seed, tries(30, 10), 2);
      const { sim, natives, gos } = cluster;
      const go = gos[0] as GoLikePeer;
      go.crash();
      if (pause === 'at once') sim.run(500);
      else expect(sim.runUntil(() => natives.every((i) => sim.state(i, 1_000_000) === 'dead'), 90_000)).toBe(true);
      const from = sim.events.length;
      go.restart(address);
      go.join(sim.address(3));
      const found = () =>
        natives.every((native) => {
          const row = sim.view(native).find(({ index }) => index === 1_000_000);
          return row?.state === 'alive' && row.address === address && go.stateOf(native) === 'alive';
        });
      expect(sim.runUntil(found, 4000)).toBe(true);
      sim.run(60_000);
      expect(found()).toBe(true);
      expect(sim.events.slice(from).filter(({ state, about }) => state === 'dead' && about === 1_000_000)).toEqual([]);
      // Each native introduces itself a few times at most.
      for (const native of natives) expect(go.received.get(`1 from ${native}`) ?? 0).toBeLessThan(6);
    });
  }
}

test('a Go-like peer that was restarted and joins nobody is found by those who knew it', 3, (seed) => {
  const cluster = mixed(seed, 8, 1);
  const { sim, natives, gos } = cluster;
  const go = gos[0] as GoLikePeer;
  for (const pauseMs of [100, 60_000]) {
    go.crash();
    sim.run(pauseMs);
    go.restart();
    expect(sim.runUntil(() => allAlive(cluster), 120_000)).toBe(true);
    expect(go.sees('alive')).toEqual(natives);
  }
});

test('a native restarted at the same address is alive again at Go-like peers', 3, (seed) => {
  const cluster = mixed(seed, 4, 3);
  const { sim, gos } = cluster;
  sim.crash(1);
  expect(sim.runUntil(() => gos.every((go) => go.stateOf(1) !== 'alive'), 30_000)).toBe(true);
  sim.run(30_000);
  sim.restart(1);
  sim.join(1, 0);
  expect(sim.runUntil(() => allAlive(cluster), 30_000)).toBe(true);
});

test('a native that was restarted and joins nobody is found by the Go-like peers that knew it', 3, (seed) => {
  const cluster = mixed(seed, 1, 2);
  // Until then they retry their seeds; after that only their pings find it.
  cluster.sim.run(20_000);
  cluster.sim.restart(0);
  expect(cluster.sim.runUntil(() => allAlive(cluster), 60_000)).toBe(true);
});

test('a Go-like peer that one native cannot reach is kept alive by the others', 3, (seed) => {
  for (const ways of ['both', 'one'] as const) {
    const cluster = mixed(seed, 5, 2);
    const { sim } = cluster;
    sim.run(5000);
    sim.cut(2, 1_000_000, ways);
    sim.run(120_000);
    const seen = sim.events.filter(({ about, kind }) => about === 1_000_000 && kind === 'state');
    expect(seen.filter(({ state }) => state !== 'alive')).toEqual([]);
    expect(cluster.natives.map((native) => sim.state(native, 1_000_000))).toEqual(cluster.natives.map(() => 'alive'));
    sim.heal();
    expect(sim.runUntil(() => allAlive(cluster), 60_000)).toBe(true);
  }
});

test('a partition of mixed halves heals', 4, (seed) => {
  for (const forMs of some([5000, 60_000, 400_000], 2)) {
    const cluster = mixed(seed, 4, 4);
    const { sim, natives, gos } = cluster;
    sim.partition([
      [0, 1, 1_000_000, 1_000_001],
      [2, 3, 1_000_002, 1_000_003],
    ]);
    sim.run(forMs);
    if (forMs >= 60_000) {
      expect([sim.state(0, 2), sim.state(0, 1_000_002), sim.state(2, 1_000_000)]).toEqual(['dead', 'dead', 'dead']);
      expect(gos[0]?.stateOf(2)).toBe('dead');
    }
    sim.heal();
    const back = () =>
      natives.every((a) => [...natives, ...gos.map(({ index }) => index)].every((b) => sim.state(a, b) === 'alive'));
    expect(sim.runUntil(back, 240_000)).toBe(true);
    expect(sim.runUntil(() => allAlive(cluster), 240_000)).toBe(true);
    const trouble = troubles(cluster);
    sim.run(60_000);
    expect(trouble().filter((what) => what.includes('dead'))).toEqual([]);
  }
});
