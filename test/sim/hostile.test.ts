/** Strangers, liars and broken clocks: refused, counted, and nothing grows. */
import { expect } from 'vitest';
import { memberIdFromBytes } from '../../src/core/member-id.js';
import { Random } from '../../src/core/random.js';
import { createSimulation, type Simulation } from '../../src/testing/index.js';
import type { MemberRecord } from '../../src/wire/packet.js';
import { tries } from '../effort.js';
import { seeded } from './seeded.js';

const test = seeded('hostile.test.ts');

function cluster(seed: number, members: number): Simulation {
  const sim = createSimulation({ seed, members });
  sim.joinAll();
  if (!sim.runUntil(() => sim.converged(), 10_000)) throw new Error('the members did not find each other');
  sim.run(5000);
  return sim;
}

/** Microseconds of virtual time, as the clock of a member counts them. */
function hlc(sim: Simulation, aheadMs = 0): bigint {
  return BigInt(Math.floor(Date.UTC(2026, 0, 1) - 1_735_689_600_000 + sim.nowMs + aheadMs)) * 1000n * 1024n;
}

function invent(sim: Simulation, random: Random, aheadMs = 0): MemberRecord {
  const id = memberIdFromBytes(Uint8Array.from({ length: 16 }, () => random.below(256)));
  return {
    id,
    incarnation: hlc(sim, aheadMs),
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: hlc(sim, aheadMs),
    address: `nowhere-${random.uint32()}`,
    tags: [],
    protocolVersion: 1,
    applicationVersion: '',
    metadataBytes: 0,
    metadata: {},
  };
}

test('many invented members leave the table as it was, and cost a bounded number of contacts', 1, (seed) => {
  const sim = cluster(seed, 3);
  const random = new Random(seed);
  let pendingMost = 0;
  let probesMost = 0;
  const invented = tries(100_000, 20_000);
  for (let i = 0; i < invented; i++) {
    const record = invent(sim, random);
    sim.inject(0, { type: 'join', seq: i, from: record.id, record }, { address: record.address, reliable: false });
    if (i % 1000 === 0) {
      sim.run(10);
      pendingMost = Math.max(pendingMost, sim.stats(0).contactsPending ?? 0);
      probesMost = Math.max(probesMost, sim.stats(0).probesOpen ?? 0);
    }
  }
  expect(sim.view(0)).toHaveLength(3);
  expect(pendingMost).toBeLessThanOrEqual(256);
  expect(probesMost).toBeLessThanOrEqual(256 + 16);
  expect(sim.stats(0).contactsOverLimit).toBeGreaterThan(invented - 1000);
  sim.run(20_000);
  expect(sim.stats(0)).toMatchObject({ members: 3, contactsPending: 0 });
  expect(sim.stats(0).joinersUnreachable).toBeGreaterThan(0);
  expect(sim.converged()).toBe(true);
  // And somebody real is still welcome.
  const late = sim.addMember();
  sim.join(late, 0);
  expect(sim.runUntil(() => sim.converged(), 5000)).toBe(true);
});

test('one stranger that joins again and again opens one contact', 1, (seed) => {
  const sim = cluster(seed, 2);
  const record = invent(sim, new Random(seed));
  for (let i = 0; i < 10_000; i++) {
    sim.inject(0, { type: 'join', seq: i, from: record.id, record }, { address: record.address, reliable: false });
  }
  expect(sim.stats(0).contactsPending).toBe(1);
  expect(sim.stats(0).probesOpen).toBeLessThan(5);
});

test('pings of strangers cost a bounded number of contacts', 1, (seed) => {
  const sim = cluster(seed, 2);
  const random = new Random(seed);
  for (let i = 0; i < 5000; i++) {
    const { id, address } = invent(sim, random);
    sim.inject(0, { type: 'ping', seq: i, from: id, news: [] }, { address, reliable: false });
  }
  expect(sim.stats(0).contactsPending).toBeLessThanOrEqual(256);
  sim.run(20_000);
  expect(sim.stats(0)).toMatchObject({ members: 2, contactsPending: 0 });
});

test('what strangers say is dropped and counted; their messages wait a moment, and not many', 1, (seed) => {
  const sim = cluster(seed, 3);
  const random = new Random(seed);
  for (let i = 0; i < 1000; i++) {
    const record = invent(sim, random);
    const from = record.id;
    sim.inject(0, { type: 'news', from, news: [{ kind: 'record', record }] });
    sim.inject(0, { type: 'state', from, records: [record], last: true, whole: true });
    const message = { messageId: hlc(sim), messageType: 128, payload: new Uint8Array([1]) };
    const head = { from, ...message };
    sim.inject(0, {
      type: 'gossip',
      from,
      messages: [{ ...message, origin: from, hops: 9, reliable: false, tag: '' }],
    });
    sim.inject(0, { type: 'message', ...head, messageId: hlc(sim) + 1n, to: sim.id(0) });
    sim.inject(0, { type: 'request', ...head, messageId: hlc(sim) + 2n, to: sim.id(0) });
  }
  expect(sim.stats(0).strangersWaiting).toBeLessThanOrEqual(128);
  sim.run(10_000);
  expect(sim.stats(0)).toMatchObject({ members: 3, strangersWaiting: 0, unknownSenders: 5000 });
  expect(sim.deliveries).toEqual([]);
});

test('members that a member invents are limited by membersMax', 1, (seed) => {
  const sim = createSimulation({ seed, members: 2, limits: { membersMax: 50 } });
  sim.joinAll();
  sim.run(1000);
  const random = new Random(seed);
  for (let i = 0; i < 500; i++) {
    const record = invent(sim, random);
    sim.inject(0, { type: 'news', from: sim.id(1), news: [{ kind: 'record', record }] });
  }
  expect(sim.stats(0).members).toBe(50);
  expect(sim.stats(0).membersOverLimit).toBe(452);
});

test('times far ahead are refused and counted, and move no clock', 1, (seed) => {
  const sim = cluster(seed, 3);
  const random = new Random(seed);
  const from = sim.id(1);
  const far = invent(sim, random, 3_600_000);
  sim.inject(0, { type: 'news', from, news: [{ kind: 'record', record: far }] });
  sim.inject(0, {
    type: 'news',
    from,
    news: [{ kind: 'state', id: sim.id(2), incarnation: far.incarnation, state: 'dead', by: from }],
  });
  sim.inject(0, {
    type: 'news',
    from,
    news: [{ kind: 'state', id: sim.id(0), incarnation: far.incarnation, state: 'dead', by: from }],
  });
  const message = { messageId: far.incarnation, messageType: 128, payload: new Uint8Array([1]) };
  sim.inject(0, { type: 'gossip', from, messages: [{ ...message, origin: from, hops: 9, reliable: false, tag: '' }] });
  sim.inject(0, { type: 'join', seq: 1, from: far.id, record: far });
  expect(sim.stats(0)).toMatchObject({ clockDrift: 5, members: 3 });
  expect(sim.deliveries).toEqual([]);
  sim.run(10_000);
  expect(sim.converged()).toBe(true);
});

test('a joiner whose clock is an hour ahead is told so; one 30 seconds ahead is welcome', 1, (seed) => {
  const sim = createSimulation({ seed });
  sim.addMember();
  sim.addMember({ clockAheadMs: 3_600_000 });
  sim.addMember({ clockAheadMs: 30_000 });
  const [hour, half] = [sim.join(1, 0), sim.join(2, 0)];
  sim.run(6000);
  expect(hour.error?.message).toMatch(/clock/);
  expect(half.value).toBe(1);
  expect(sim.state(0, 1)).toBe('unknown');
  expect(sim.state(0, 2)).toBe('alive');
});

test('a lie about somebody is refuted by that member itself', 2, (seed) => {
  const sim = cluster(seed, 10);
  const { incarnation } = sim.record(0, 5);
  sim.inject(0, {
    type: 'news',
    from: sim.id(1),
    news: [{ kind: 'state', id: sim.id(5), incarnation, state: 'dead', by: sim.id(1) }],
  });
  expect(sim.state(0, 5)).toBe('dead');
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
});

test('acks and nacks nobody asked for change nothing', 1, (seed) => {
  const sim = cluster(seed, 3);
  for (let seq = 0; seq < 1000; seq++) {
    sim.inject(0, { type: 'ack', seq, from: sim.id(1), news: [] });
    sim.inject(0, { type: 'nack', seq, from: sim.id(1), refused: true });
  }
  expect(sim.stats(0).lateAcks).toBe(1000);
  sim.run(5000);
  expect(sim.converged()).toBe(true);
});

test('flipped bits are refused or harmless, never thrown', 1, (seed) => {
  const sim = createSimulation({ seed, members: 6, network: { corrupt: 0.5 } });
  sim.joinAll();
  sim.run(120_000);
  expect(sim.traffic().corrupted).toBeGreaterThan(500);
  expect(Object.keys(sim.refused(1)).length).toBeGreaterThan(0);
  for (const i of sim.running()) expect(sim.view(i)).toHaveLength(6);
});

test('the dead are forgotten after their time, everywhere, and stay so', 2, (seed) => {
  const sim = createSimulation({ seed, members: 5, timing: { tombstoneMs: 120_000 } });
  sim.joinAll();
  sim.run(5000);
  sim.crash(4, 'silent');
  expect(sim.runUntil(() => sim.running().every((i) => sim.state(i, 4) === 'dead'), 60_000)).toBe(true);
  sim.run(110_000);
  expect(sim.running().every((i) => sim.state(i, 4) === 'dead')).toBe(true);
  sim.run(60_000);
  expect(sim.running().every((i) => sim.state(i, 4) === 'unknown')).toBe(true);
  const removed = sim.events.filter(({ about, state }) => about === 4 && state === 'removed');
  expect(removed.map(({ at, previous }) => `${at} ${previous}`).sort()).toEqual([
    '0 dead',
    '1 dead',
    '2 dead',
    '3 dead',
  ]);
  sim.run(300_000);
  expect(sim.running().every((i) => sim.state(i, 4) === 'unknown')).toBe(true);
});

test('a forgotten member comes back by itself when it lives, and does not when it is dead', 2, (seed) => {
  const sim = cluster(seed, 5);
  sim.forget(0, 3);
  expect(sim.state(0, 3)).toBe('unknown');
  expect(sim.runUntil(() => sim.converged(), 60_000)).toBe(true);
  sim.crash(3, 'silent');
  expect(sim.runUntil(() => sim.running().every((i) => sim.state(i, 3) === 'dead'), 60_000)).toBe(true);
  for (const i of sim.running()) sim.forget(i, 3);
  sim.run(120_000);
  expect(sim.running().every((i) => sim.state(i, 3) === 'unknown')).toBe(true);
});
