/** The tree of broadcasts: what it costs, how it mends, and that nobody is left out, whatever dies, joins or is cut off. */
import { expect } from 'vitest';
import type { Random } from '../../src/core/random.js';
import { createSimulation, type Simulation, type SimulationOptions } from '../../src/testing/index.js';
import { tries } from '../effort.js';
import { seeded } from './seeded.js';

const test = seeded('broadcast.test.ts');

function cluster(seed: number, members: number, options: Partial<SimulationOptions> = {}): Simulation {
  const sim = createSimulation({ seed, members, ...options });
  sim.connectAll();
  sim.run(2000);
  return sim;
}

/** The sum of a counter over all that run. */
function total(sim: Simulation, name: string): number {
  return sim.running().reduce((sum, member) => sum + (sim.stats(member)[name] ?? 0), 0);
}

/** Where a message arrived, each place as often as it was delivered. */
function arrivals(sim: Simulation, data: unknown): number[] {
  return sim.deliveries
    .filter((delivery) => delivery.data === data)
    .map(({ to }) => to)
    .sort((a, b) => a - b);
}

function everyoneBut(sim: Simulation, sender: number): number[] {
  return sim.running().filter((member) => member !== sender);
}

/** Sends from one after the other, and returns what came twice, for each message that was to come once. */
function redundancy(sim: Simulation, senders: readonly number[], count: number): number {
  const before = total(sim, 'broadcastsReceived');
  for (let i = 0; i < count; i++) {
    sim.broadcast(senders[i % senders.length] as number, i);
    sim.run(20);
  }
  sim.run(2000);
  return (total(sim, 'broadcastsReceived') - before) / (count * (sim.running().length - 1)) - 1;
}

test('a cluster that has just found itself comes to rest as well', 2, (seed) => {
  const sim = createSimulation({ seed, members: 30 });
  sim.joinAll();
  expect(sim.runUntil(() => sim.converged(), 30_000)).toBe(true);
  redundancy(sim, sim.running(), 60);
  sim.run(20_000);
  redundancy(sim, sim.running(), 200);
  sim.deliveries.length = 0;
  expect(redundancy(sim, sim.running(), 60)).toBeLessThanOrEqual(0.05);
  expect(sim.deliveries).toHaveLength(60 * 29);
});

test('a tree that has come to rest carries each message along N - 1 links, whoever sends it', 2, (seed) => {
  const sim = cluster(seed, 40);
  const everybody = sim.running();
  redundancy(sim, everybody, 40);
  redundancy(sim, everybody, 40);
  sim.deliveries.length = 0;
  expect(redundancy(sim, everybody, 40)).toBeLessThanOrEqual(0.05);
  for (let i = 0; i < 40; i++) expect(arrivals(sim, i)).toEqual(everyoneBut(sim, i));
});

test('while a tree takes its shape nobody is cut off: all comes before anything is announced', 4, (seed) => {
  const uneven = { delayMs: (random: Random) => (random.unit() < 0.1 ? 1 + random.below(10) : 1) };
  for (const members of [3, 10, 30]) {
    for (const [young, senders] of [
      [true, 1],
      [true, members],
      [false, 1],
      [false, members],
    ] as const) {
      const sim = createSimulation({ seed, members, network: uneven });
      if (young) sim.joinAll();
      else sim.connectAll();
      expect(sim.runUntil(() => sim.converged(), 30_000)).toBe(true);
      const sentMs: number[] = [];
      for (let i = 0; i < 100; i++) {
        sentMs.push(sim.nowMs);
        sim.broadcast(i % senders, i);
        sim.run(1);
      }
      sim.run(1000);
      expect(sim.deliveries).toHaveLength(100 * (members - 1));
      const slowest = Math.max(...sim.deliveries.map(({ atMs, data }) => atMs - (sentMs[data as number] as number)));
      expect(slowest, `${members} members, ${young ? 'young' : 'grown'}, ${senders} senders`).toBeLessThan(100);
    }
  }
});

test('a graft that crosses a prune: both ends agree at once whether their link is of the tree', 1, (seed) => {
  const sim = cluster(seed, 2);
  sim.broadcast(0, 'first');
  sim.run(100);
  // As if the other end had said so before it chose this link.
  sim.inject(0, { type: 'prune', from: sim.id(1) });
  sim.run(20);
  sim.broadcast(0, 'second');
  sim.run(20);
  expect(arrivals(sim, 'second')).toEqual([1]);
});

test('links are few, and the same on both sides', 2, (seed) => {
  const sim = cluster(seed, 60);
  sim.run(30_000);
  const links = new Set(sim.running().flatMap((a) => sim.neighbours(a).map((b) => `${a} ${b}`)));
  for (const link of links) expect(links).toContain(link.split(' ').reverse().join(' '));
  for (const member of sim.running()) {
    expect(sim.neighbours(member).length).toBeGreaterThanOrEqual(2);
    expect(sim.neighbours(member).length).toBeLessThanOrEqual(6);
  }
});

test('the ways of one sender become short', 2, (seed) => {
  const sim = cluster(seed, 60);
  redundancy(sim, [7], 40);
  sim.deliveries.length = 0;
  redundancy(sim, [7], 10);
  // 60 members with four links each: the farthest is at least four hops away, and may be twice as far.
  expect(Math.max(...sim.deliveries.map(({ hops = 999 }) => hops))).toBeLessThanOrEqual(8);
});

test('what was under way when 80 % die at once reaches every survivor, and so does all that follows', 2, (seed) => {
  const sim = cluster(seed, 40);
  redundancy(sim, [0], 5);
  sim.deliveries.length = 0;
  for (let i = 8; i < 40; i++) sim.crash(i, seed % 2 === 1 ? 'silent' : 'killed');
  for (let i = 0; i < 8; i++) {
    sim.broadcast(i, `during ${i}`);
    sim.run(100);
  }
  const known = () => sim.running().every((a) => sim.stats(a).membersAlive === 8);
  expect(sim.runUntil(known, 55_000)).toBe(true);
  sim.run(15_000);
  for (let i = 0; i < 8; i++) sim.broadcast(i, `after ${i}`);
  sim.run(5000);
  for (const when of ['during', 'after']) {
    for (let i = 0; i < 8; i++) expect(arrivals(sim, `${when} ${i}`)).toEqual(everyoneBut(sim, i));
  }
});

test('a relay that dies with messages in its hands takes none of them along', 3, (seed) => {
  const sim = cluster(seed, 30);
  redundancy(sim, [0], 10);
  sim.deliveries.length = 0;
  for (let i = 0; i < 20; i++) {
    sim.broadcast(0, `message ${i}`);
    sim.run(1);
    if (i % 4 === 3) sim.crash(29 - i, i % 8 === 3 ? 'killed' : 'silent');
  }
  sim.run(15_000);
  for (let i = 0; i < 20; i++) {
    expect(arrivals(sim, `message ${i}`).filter((to) => sim.isRunning(to))).toEqual(everyoneBut(sim, 0));
  }
});

test('after a partition both sides hear what the other one said meanwhile', 2, (seed) => {
  const sim = cluster(seed, 20);
  const [left, right] = [sim.running().filter((i) => i % 2 === 0), sim.running().filter((i) => i % 2 === 1)];
  sim.partition([left, right]);
  for (let i = 0; i < 10; i++) {
    sim.broadcast(i, i);
    sim.run(1000);
  }
  sim.heal();
  sim.run(30_000);
  for (let i = 0; i < 10; i++) expect(arrivals(sim, i)).toEqual(everyoneBut(sim, i));
});

test('members come and go, and whoever was there all the time has heard everything, once', 2, (seed) => {
  const sim = cluster(seed, 30, { network: { loss: 0.05, duplicate: 0.05, reorder: 0.05, jitterMs: 20 } });
  for (let i = 0; i < 40; i++) {
    sim.broadcast(i % 20, i);
    if (i % 4 === 0) sim.crash(20 + i / 4, i % 8 === 0 ? 'killed' : 'silent');
    if (i % 4 === 2) sim.join(sim.addMember(), i % 20);
    sim.run(250);
  }
  sim.run(20_000);
  for (let i = 0; i < 40; i++) {
    const arrived = arrivals(sim, i);
    expect(arrived).toEqual([...new Set(arrived)]);
    expect(arrived.filter((to) => to < 20)).toEqual(everyoneBut(sim, i % 20).filter((to) => to < 20));
  }
});

test('a newcomer hears what is said from then on, and nothing from before', 3, (seed) => {
  const sim = cluster(seed, 20);
  sim.broadcast(3, 'before');
  sim.run(1000);
  const late = sim.addMember();
  const joined = sim.join(late, 0);
  expect(sim.runUntil(() => joined.settled && (sim.stats(late).neighbours ?? 0) > 0, 5000)).toBe(true);
  sim.broadcast(5, 'after');
  sim.run(5000);
  expect(arrivals(sim, 'before')).not.toContain(late);
  expect(arrivals(sim, 'after')).toContain(late);
});

test('many senders at once, and 64 KB of one: everything arrives, once', 2, (seed) => {
  const sim = cluster(seed, 30, { network: { loss: 0.02 } });
  const senders = tries(30, 10);
  for (let i = 0; i < senders; i++) {
    sim.broadcast(i, new Uint8Array(65_536).fill(i));
    for (let k = 0; k < 10; k++) sim.broadcast(i, i * 10 + k);
  }
  sim.run(10_000);
  for (let i = 0; i < senders * 10; i++) expect(arrivals(sim, i)).toEqual(everyoneBut(sim, Math.floor(i / 10)));
  const large = sim.deliveries.filter(({ data }) => data instanceof Uint8Array);
  expect(large).toHaveLength(senders * 29);
  expect(new Set(large.map(({ to, from }) => `${to} ${from}`)).size).toBe(senders * 29);
});

test('what one member says at once is one broadcast on its way, for each tag, and comes in its order', 2, (seed) => {
  const sim = createSimulation({ seed });
  for (let i = 0; i < 10; i++) sim.addMember({ tags: i % 2 === 1 ? ['odd'] : [] });
  sim.connectAll();
  sim.run(2000);
  sim.broadcast(0, 'first');
  for (let i = 0; i < 100; i++)
    sim.broadcast(0, i, { messageType: 128 + i, ...(i >= 60 && i < 80 ? { tag: 'odd' } : {}) });
  sim.run(1000);
  for (const to of everyoneBut(sim, 0)) {
    const heard = sim.deliveries.filter((delivery) => delivery.to === to);
    const expected = Array.from({ length: 100 }, (_, i) => i).filter((i) => to % 2 === 1 || i < 60 || i >= 80);
    expect(heard.map(({ data }) => data)).toEqual(['first', ...expected]);
    expect(heard.slice(1).map(({ messageType }) => messageType)).toEqual(expected.map((i) => 128 + i));
    // The first, and 60, 20 and 20 that left together.
    expect(sim.stats(to)).toMatchObject({ broadcastsHeld: 4, broadcastsDelivered: expected.length + 1 });
  }
});

test('1,000 broadcasts a second share packets, and nothing grows without limit', 1, (seed) => {
  const sim = cluster(seed, 10, { limits: { broadcastCacheBytesMax: 100_000 } });
  const before = sim.traffic().reliable;
  const rounds = tries(1000, 300);
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < 10; k++) sim.broadcast(0, new Uint8Array(100));
    sim.run(10);
  }
  sim.run(1000);
  expect(sim.deliveries).toHaveLength(10 * rounds * 9);
  // Nine links of the tree, ten messages at a time, and what is announced along the other links.
  expect(sim.traffic().reliable - before).toBeLessThan(25 * rounds);
  for (const member of sim.running()) {
    expect(sim.stats(member).broadcastsHeldBytes).toBeLessThanOrEqual(100_000);
    expect(sim.stats(member).broadcastsMissing).toBe(0);
  }
});

test('a member that announces what there is not costs a bounded memory, which it loses again', 1, (seed) => {
  const sim = cluster(seed, 3);
  const from = sim.id(1);
  const now = BigInt(Math.floor((Date.UTC(2026, 0, 1) - 1_735_689_600_000 + sim.nowMs) * 1000)) << 10n;
  for (let round = 0n; round < 20n; round++) {
    const messages = Array.from({ length: 2000 }, (_, i) => ({
      origin: sim.id(2),
      messageId: now + round * 2000n + BigInt(i),
      hops: 1,
    }));
    sim.inject(0, { type: 'ihave', from, messages });
  }
  expect(sim.stats(0)).toMatchObject({ broadcastsMissing: 16_384, missingOverLimit: 40_000 - 16_384 });
  sim.run(10_000);
  expect(sim.stats(0)).toMatchObject({ broadcastsMissing: 0, broadcastsMissed: 16_384 });
});
