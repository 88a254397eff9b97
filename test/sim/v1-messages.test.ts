/** Messages between natives and Go-like peers: each broadcast once, whoever passes it on; requests both ways. */
import { expect } from 'vitest';
import { NOBODY } from '../../src/core/member-id.js';
import type { GoLikePeer } from '../../tools/sim/go-like-peer.js';
import { some } from '../effort.js';
import { apart, type Mixed, mixed, sum } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('v1-messages.test.ts');
const SIZES = some(
  [
    [1, 3],
    [5, 5],
    [10, 5],
  ] as const,
  2,
);

/** Copies of each application message that Go-like peers got. */
function copies(gos: readonly GoLikePeer[]): number[] {
  return gos.flatMap((go) => [...go.copies.values()]);
}

/** Where a message arrived, natives and Go-like peers, each as often as it was delivered. */
function arrivals({ sim, gos }: Mixed, data: unknown): number[] {
  return [
    ...sim.deliveries.filter((delivery) => delivery.data === data).map(({ to }) => to),
    ...gos.flatMap((go) => go.deliveries.filter((delivery) => delivery.data === data).map(() => go.index)),
  ].sort((a, b) => a - b);
}

function everyoneBut(cluster: Mixed, sender: number): number[] {
  return [...cluster.natives, ...cluster.gos.map(({ index }) => index)].filter((index) => index !== sender);
}

test('a broadcast of a native reaches everybody once, and Go-like peers get one copy', 3, (seed) => {
  for (const [natives, gos] of SIZES) {
    const cluster = mixed(seed, natives, gos);
    const { sim } = cluster;
    for (let i = 0; i < 40; i++) {
      sim.broadcast(i % natives, i, { reliable: i % 4 === 3 });
      sim.run(100);
    }
    sim.run(1000);
    for (let i = 0; i < 40; i++) expect(arrivals(cluster, i)).toEqual(everyoneBut(cluster, i % natives));
    expect(copies(cluster.gos)).toEqual(Array(40 * gos).fill(1));
    for (const go of cluster.gos) {
      for (const { from, data, direct, tag } of go.deliveries) {
        expect([from, direct, tag]).toEqual([(data as number) % natives, false, '']);
      }
    }
  }
});

test('broadcasts that travel as one reach Go-like peers one by one, each once', 3, (seed) => {
  const cluster = mixed(seed, 4, 3);
  const { sim } = cluster;
  for (let i = 0; i < 30; i++) sim.broadcast(0, i, { reliable: i >= 20 });
  sim.run(2000);
  expect(sim.stats(1).broadcastsHeld).toBe(3);
  for (let i = 0; i < 30; i++) expect(arrivals(cluster, i)).toEqual(everyoneBut(cluster, 0));
  expect(copies(cluster.gos)).toEqual(Array(30 * 3).fill(1));
});

test('a broadcast of a Go-like peer reaches everybody once', 3, (seed) => {
  for (const [natives, gos] of SIZES) {
    const cluster = mixed(seed, natives, gos);
    const { sim } = cluster;
    for (let i = 0; i < 40; i++) {
      cluster.gos[i % gos]?.broadcast(i);
      sim.run(100);
    }
    sim.run(1000);
    for (let i = 0; i < 40; i++) expect(arrivals(cluster, i)).toEqual(everyoneBut(cluster, 1_000_000 + (i % gos)));
  }
});

test('a reliable broadcast of a Go-like peer, which its kind carries one hop, goes on from any native', 3, (seed) => {
  const cluster = mixed(seed, 12, 6);
  const { sim, gos } = cluster;
  for (let i = 0; i < 40; i++) gos[i % 6]?.broadcast(i, { reliable: true });
  sim.run(2000);
  const everywhere = Array.from({ length: 40 }, (_, i) => i).filter((i) => {
    const arrived = arrivals(cluster, i);
    // By chance all of the first hop may have been of its own kind.
    if (arrived.every((index) => index >= 1_000_000)) return false;
    expect(arrived).toEqual(everyoneBut(cluster, 1_000_000 + (i % 6)));
    return true;
  });
  expect(everywhere.length).toBeGreaterThan(35);
});

test('at 20 % loss reliable broadcasts of natives still reach everybody', 2, (seed) => {
  const cluster = mixed(seed, 5, 5);
  cluster.sim.network.change({ loss: 0.2, duplicate: 0.2 });
  for (let i = 0; i < 20; i++) cluster.sim.broadcast(i % 5, i, { reliable: true });
  cluster.sim.run(20_000);
  for (let i = 0; i < 20; i++) expect(arrivals(cluster, i)).toEqual(everyoneBut(cluster, i % 5));
});

test('a tagged broadcast reaches those with the tag, on both sides, once', 3, (seed) => {
  const options = { tags: ['odd'] };
  const choose = (i: number) => (i % 2 === 1 ? options : {});
  const cluster = mixed(seed, 6, 4, { native: choose, go: choose });
  const { sim, gos } = cluster;
  const tagged = [1, 3, 5, 1_000_001, 1_000_003];
  sim.broadcast(0, 'by an untagged native', { tag: 'odd' });
  sim.broadcast(1, 'by a tagged native', { tag: 'odd', reliable: true });
  sim.run(1000);
  expect(arrivals(cluster, 'by an untagged native')).toEqual(tagged);
  expect(arrivals(cluster, 'by a tagged native')).toEqual(tagged.filter((index) => index !== 1));
  gos[0]?.broadcast('by an untagged peer', { tag: 'odd' });
  gos[1]?.broadcast('by a tagged peer', { tag: 'odd', reliable: true });
  sim.run(1000);
  expect(arrivals(cluster, 'by an untagged peer')).toEqual(tagged);
  expect(arrivals(cluster, 'by a tagged peer')).toEqual(tagged.filter((index) => index !== 1_000_001));
  sim.broadcast(0, 'for nobody', { tag: 'none' });
  sim.run(1000);
  expect(arrivals(cluster, 'for nobody')).toEqual([]);
});

test('a tag that no native but the sender knows of still reaches the Go-like peer that has it', 2, (seed) => {
  const cluster = mixed(seed, 4, 2, { go: (i) => (i === 1 ? { tags: ['rare'] } : {}) });
  cluster.sim.broadcast(2, 'rare news', { tag: 'rare' });
  cluster.sim.run(1000);
  expect(arrivals(cluster, 'rare news')).toEqual([1_000_001]);
});

test('when the guardian dies another takes over', 4, (seed) => {
  const cluster = mixed(seed, 5, 1);
  const { sim, natives, gos } = cluster;
  const sent = (native: number) => sim.stats(native).v1BroadcastsSent ?? 0;
  for (let i = 0; i < 10; i++) sim.broadcast(i % 5, i);
  sim.run(500);
  const guardians = natives.filter((native) => sent(native) > 0);
  expect(guardians).toHaveLength(1);
  const [guardian] = guardians as [number];
  expect(sent(guardian)).toBe(10);
  sim.crash(guardian, 'silent');
  const others = natives.filter((native) => native !== guardian);
  expect(sim.runUntil(() => others.every((native) => sim.state(native, guardian) === 'dead'), 60_000)).toBe(true);
  for (let i = 10; i < 20; i++) sim.broadcast(others[i % 4] as number, i);
  // The guardian was a relay too: who is cut off asks for what it misses.
  sim.run(2000);
  expect(others.filter((native) => sent(native) > 0)).toHaveLength(1);
  expect(copies(gos)).toEqual(Array(20).fill(1));
});

test('direct messages go both ways, once, to nobody else', 2, (seed) => {
  const cluster = mixed(seed, 3, 2);
  const { sim, gos } = cluster;
  for (const reliable of [false, true]) {
    expect(sim.send(0, 1_000_000, `to go ${reliable}`, { reliable }).error).toBeUndefined();
    gos[1]?.sendTo(2, `to native ${reliable}`, reliable);
  }
  sim.run(1000);
  for (const reliable of [false, true]) {
    expect(arrivals(cluster, `to go ${reliable}`)).toEqual([1_000_000]);
    expect(arrivals(cluster, `to native ${reliable}`)).toEqual([2]);
  }
  expect(gos[0]?.deliveries.every(({ from, direct }) => from === 0 && direct)).toBe(true);
  expect(sim.deliveries.every(({ from, direct }) => from === 1_000_001 && direct)).toBe(true);
  expect(sum(gos.map(({ copies }) => copies.size))).toBe(2);
});

test('a message to a Go-like peer that is gone fails', 1, (seed) => {
  const { sim, gos } = mixed(seed, 2, 1);
  gos[0]?.crash();
  const lost = sim.send(0, 1_000_000, 'hello');
  const asked = sim.request(0, 1_000_000, 'hello');
  sim.run(500);
  expect([lost.error?.code, asked.error?.code]).toEqual(['ERR_UNREACHABLE', 'ERR_UNREACHABLE']);
});

test('requests are answered both ways', 2, (seed) => {
  const { sim, gos } = mixed(seed, 3, 2, {
    native: () => ({ answer: (data, from) => ({ data, from }) }),
    go: () => ({ answer: (data, from) => ({ data, from }) }),
  });
  const toGo = Array.from({ length: 20 }, (_, i) => sim.request(i % 3, 1_000_000 + (i % 2), i));
  const toNative = Array.from({ length: 20 }, (_, i) => gos[i % 2]?.request(i % 3, i));
  sim.run(3000);
  expect(toGo.map(({ value }) => value)).toEqual(toGo.map((_, i) => ({ data: i, from: i % 3 })));
  expect(toNative.map((reply) => reply?.value)).toEqual(
    toNative.map((_, i) => ({ data: i, from: 1_000_000 + (i % 2) })),
  );
  for (const [i, reply] of toNative.entries()) expect(reply?.senderId).toBe(sim.id(i % 3));
});

test('a request that nobody answers ends at its deadline, on both sides', 1, (seed) => {
  const { sim, gos } = mixed(seed, 2, 1, { native: () => ({ answer: () => undefined }) });
  const toGo = sim.request(0, 1_000_000, 'anybody?', { timeoutMs: 800 });
  const toNative = gos[0]?.request(1, 'anybody?');
  sim.run(799);
  expect(toGo.settled).toBe(false);
  sim.run(2500);
  expect(toGo.error?.code).toBe('ERR_TIMEOUT');
  expect(toNative?.failed).toBeDefined();
});

test('requests to Go-like peers count towards the limit, can be cancelled and leave nothing behind', 1, (seed) => {
  const { sim } = mixed(seed, 1, 1, { limits: { pendingRequestsMax: 5 } });
  const outcomes = Array.from({ length: 6 }, (_, i) => sim.request(0, 1_000_000, i, { timeoutMs: 500 }));
  expect(outcomes[5]?.error?.code).toBe('ERR_OVERLOADED');
  expect(sim.stats(0).requestsPending).toBe(5);
  outcomes[0]?.cancel();
  expect(sim.stats(0).requestsPending).toBe(4);
  sim.run(1000);
  expect(outcomes.map(({ settled }) => settled)).toEqual([false, true, true, true, true, true]);
  expect(sim.stats(0).requestsPending).toBe(0);
});

test('an answer that bears the id of another member is refused', 1, (seed) => {
  const { sim, gos } = mixed(seed, 2, 2, { go: () => ({ answer: () => 'lie' }) });
  const liar = gos[0] as GoLikePeer;
  const asked = liar.id;
  // At its address answers somebody under another name.
  Object.defineProperty(liar, 'id', { value: gos[1]?.id });
  const { receive } = liar;
  liar.receive = function (frame, source, answer) {
    const packet = sim.wire.decode(frame, false);
    if (packet instanceof Promise || packet.dialect !== 'v1' || packet.targetId !== asked) return;
    const readdressed = sim.wire.encode({ ...packet, targetId: this.id }, false);
    if (!(readdressed instanceof Promise)) receive.call(this, readdressed, source, answer);
  };
  const outcome = sim.request(0, 1_000_000, 'who are you?', { timeoutMs: 500 });
  sim.run(400);
  expect(outcome.error?.code).toBe('ERR_PACKET');
  expect(outcome.value).toBeUndefined();
});

test('packets for others, of strangers and replies nobody asked for are dropped', 1, (seed) => {
  const { sim, gos } = mixed(seed, 2, 1);
  const go = gos[0] as GoLikePeer;
  const message = { kind: 'data', payload: sim.wire.env.codec.encode('x') } as const;
  const packet = { dialect: 'v1', ttl: 3, replyExpected: false, message, senderId: go.id } as const;
  sim.inject(0, { ...packet, type: 128, targetId: sim.id(1), messageId: go.now() });
  sim.inject(0, { ...packet, type: 128, targetId: NOBODY, messageId: go.now() });
  sim.inject(0, { ...packet, type: 0, messageId: go.now() });
  sim.inject(0, { ...packet, type: 128, senderId: sim.id(0), messageId: go.now() });
  const stranger = sim.id(0).replace(/^./, (c) => (c === '0' ? '1' : '0'));
  sim.inject(0, { ...packet, type: 128, senderId: stranger, messageId: go.now() });
  sim.run(10_000);
  expect(sim.deliveries).toEqual([]);
  expect(sim.stats(0)).toMatchObject({
    packetsForOthers: 2,
    repliesNobodyAskedFor: 1,
    ownPackets: 1,
    unknownSenders: 1,
  });
});

test('the first words of a Go-like peer that has just joined are heard', 20, (seed) => {
  const cluster = apart(seed, 4, 1, { network: { delayMs: 20, jitterMs: 20 } });
  const { sim, gos } = cluster;
  const go = gos[0] as GoLikePeer;
  sim.joinAll();
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
  go.join(sim.address(0));
  expect(sim.runUntil(() => go.table.get(sim.id(0)) !== undefined, 1000)).toBe(true);
  go.broadcast('hello');
  sim.run(6000);
  expect(arrivals(cluster, 'hello')).toEqual([0, 1, 2, 3]);
});

test('a native restarted with another tag gets what has that tag', 3, (seed) => {
  const cluster = mixed(seed, 4, 2, { native: (i) => (i === 1 ? { tags: ['old'] } : {}) });
  const { sim, gos } = cluster;
  sim.restart(1, { tags: ['new'] });
  sim.join(1, 0);
  const known = () => [0, 2, 3].every((i) => sim.view(i).find(({ index }) => index === 1)?.tags[0] === 'new');
  expect(sim.runUntil(known, 10_000)).toBe(true);
  sim.broadcast(2, 'for the new', { tag: 'new' });
  gos[0]?.broadcast('for the old', { tag: 'old' });
  sim.run(1000);
  expect(arrivals(cluster, 'for the new')).toEqual([1]);
  expect(arrivals(cluster, 'for the old')).toEqual([]);
});
