/** Broadcasts, direct messages and requests over good and bad networks. */
import { expect } from 'vitest';
import { createSimulation, type NetworkOptions, type Simulation } from '../../src/testing/index.js';
import { tries } from '../effort.js';
import { seeded } from './seeded.js';

const test = seeded('messages.test.ts');
/** Broadcasts. */
const COUNT = tries(100, 50);

function cluster(seed: number, members: number, network: NetworkOptions = {}): Simulation {
  const sim = createSimulation({ seed });
  for (let i = 0; i < members; i++) sim.addMember({ tags: i % 5 === 0 ? ['fifth'] : [] });
  sim.joinAll();
  if (!sim.runUntil(() => sim.converged(), 10_000)) throw new Error('the members did not find each other');
  sim.network.change(network);
  return sim;
}

/** Sends so many broadcasts, each from another member, and returns the share of deliveries that came, each at most once. */
function broadcasts(sim: Simulation, count: number, options: { tag?: string; reliable?: boolean } = {}): number {
  const n = sim.size;
  for (let i = 0; i < count; i++) {
    sim.broadcast(i % n, i, options);
    sim.run(50);
  }
  sim.run(5000);
  const pairs = sim.deliveries.map(({ to, data }) => `${to} ${data}`);
  expect(new Set(pairs).size).toBe(pairs.length);
  // One look at all of them: thousands of `expect` take longer than the simulation.
  const wrong = sim.deliveries.filter(({ from, data, direct }) => from !== (data as number) % n || direct);
  expect(wrong).toEqual([]);
  return pairs.length;
}

test('without loss a broadcast at 50 members reaches everyone but its sender, once', 1, (seed) => {
  for (const reliable of [false, true]) {
    const sim = cluster(seed, 50);
    expect(broadcasts(sim, COUNT, { reliable })).toBe(COUNT * 49);
    expect(sim.deliveries.some(({ to, data }) => to === (data as number) % 50)).toBe(false);
  }
});

test('at 5 % loss all arrive', 2, (seed) => {
  const sim = cluster(seed, 50, { loss: 0.05 });
  expect(broadcasts(sim, COUNT)).toBe(COUNT * 49);
});

test('reliable ones all arrive even at 20 % loss', 1, (seed) => {
  const sim = cluster(seed, 50, { loss: 0.2 });
  expect(broadcasts(sim, COUNT / 2, { reliable: true })).toBe((COUNT / 2) * 49);
});

test('duplicates and reordering deliver nothing twice', 2, (seed) => {
  const sim = cluster(seed, 20, { duplicate: 0.3, reorder: 0.3, jitterMs: 100 });
  expect(broadcasts(sim, 100)).toBe(100 * 19);
  expect(sim.stats(1).duplicates).toBeGreaterThan(0);
});

test('a tagged broadcast reaches those with the tag, and nobody else', 2, (seed) => {
  const sim = cluster(seed, 50);
  const tagged = Array.from({ length: 10 }, (_, i) => i * 5);
  sim.broadcast(0, 'from one of them', { tag: 'fifth' });
  sim.broadcast(1, 'from another', { tag: 'fifth' });
  sim.broadcast(1, 'for nobody', { tag: 'nobody' });
  sim.run(3000);
  const to = (text: string) =>
    sim.deliveries
      .filter(({ data }) => data === text)
      .map((one) => one.to)
      .sort((a, b) => a - b);
  expect(to('from one of them')).toEqual(tagged.filter((i) => i !== 0));
  expect(to('from another')).toEqual(tagged);
  expect(to('for nobody')).toEqual([]);
});

test('a broadcast gets past relays that have just died', 3, (seed) => {
  const sim = cluster(seed, 50);
  for (let i = 1; i <= 10; i++) sim.crash(i * 4, 'silent');
  sim.broadcast(1, 'hello');
  sim.run(2000);
  expect(sim.deliveries).toHaveLength(50 - 10 - 1);
});

test('a large broadcast goes by reliable carriers and reaches everyone', 1, (seed) => {
  const sim = cluster(seed, 20, { loss: 0.2 });
  sim.broadcast(0, new Uint8Array(300_000));
  sim.run(5000);
  expect(sim.deliveries).toHaveLength(19);
});

test('a member that has just joined is heard by all', 5, (seed) => {
  const sim = cluster(seed, 20);
  const late = sim.addMember();
  const joined = sim.join(late, 3);
  sim.runUntil(() => joined.settled, 1000);
  sim.broadcast(late, 'here I am');
  sim.run(5000);
  expect(sim.deliveries).toHaveLength(20);
});

test('direct messages arrive once each, whatever the network repeats', 2, (seed) => {
  const sim = cluster(seed, 3, { duplicate: 1, reorder: 0.5 });
  for (let i = 0; i < 50; i++) sim.send(1, 2, i, { reliable: false });
  for (let i = 50; i < 100; i++) sim.send(1, 2, i, { reliable: true });
  sim.run(1000);
  expect(sim.deliveries.map(({ data }) => data).sort((a, b) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 100 }, (_, i) => i),
  );
  expect(sim.deliveries.every(({ direct, from, to }) => direct && from === 1 && to === 2)).toBe(true);
  // Reliable ones also in order.
  expect(sim.deliveries.map(({ data }) => Number(data)).filter((i) => i >= 50)).toEqual(
    Array.from({ length: 50 }, (_, i) => i + 50),
  );
});

test('a message to nobody, to oneself or to the dead fails at once', 1, (seed) => {
  const sim = cluster(seed, 3);
  const stranger = sim.addMember();
  expect(sim.send(0, stranger, 1).error?.code).toBe('ERR_UNKNOWN_MEMBER');
  expect(sim.send(0, 0, 1).error?.code).toBe('ERR_UNKNOWN_MEMBER');
  sim.crash(2, 'silent');
  sim.runUntil(() => sim.state(0, 2) === 'dead', 60_000);
  expect(sim.send(0, 2, 1).error?.code).toBe('ERR_UNKNOWN_MEMBER');
  expect(sim.request(0, 2, 1).error?.code).toBe('ERR_UNKNOWN_MEMBER');
});

test('a message to a process just killed fails', 1, (seed) => {
  const sim = cluster(seed, 3);
  sim.crash(2);
  const outcome = sim.send(0, 2, 1);
  sim.run(100);
  expect(outcome.error?.code).toBe('ERR_UNREACHABLE');
});

test('a request is answered, once, also at 20 % loss', 2, (seed) => {
  const sim = cluster(seed, 5, { loss: 0.2, duplicate: 0.2 });
  const outcomes = Array.from({ length: 50 }, (_, i) => sim.request(0, 1 + (i % 4), { question: i }));
  sim.run(10_000);
  expect(outcomes.map(({ value }) => value)).toEqual(outcomes.map((_, i) => ({ question: i })));
});

test('a request ends at its deadline, not later, and a late answer is refused', 1, (seed) => {
  const sim = createSimulation({ seed });
  sim.addMember();
  sim.addMember({ answer: () => undefined });
  sim.addMember();
  sim.joinAll();
  sim.run(1000);
  const silent = sim.request(0, 1, 'hello', { timeoutMs: 700 });
  sim.network.change({ delayMs: 400 });
  const slow = sim.request(0, 2, 'hello', { timeoutMs: 700 });
  sim.run(699);
  expect([silent.settled, slow.settled]).toEqual([false, false]);
  sim.run(2);
  expect([silent.error?.code, slow.error?.code]).toEqual(['ERR_TIMEOUT', 'ERR_TIMEOUT']);
  sim.run(1000);
  expect(slow.value).toBeUndefined();
  expect(sim.stats(0)).toMatchObject({ repliesNobodyAskedFor: 1, requestsPending: 0 });
});

test('a request to a process that is killed meanwhile fails soon', 1, (seed) => {
  const sim = createSimulation({ seed });
  sim.addMember();
  sim.addMember({ answer: () => undefined });
  sim.joinAll();
  sim.run(1000);
  const outcome = sim.request(0, 1, 'hello', { timeoutMs: 60_000 });
  sim.run(100);
  sim.crash(1);
  sim.run(15_000);
  expect(outcome.error?.code).toBe('ERR_UNREACHABLE');
});

test('a cancelled request is forgotten, and its answer refused', 1, (seed) => {
  const sim = cluster(seed, 2);
  const outcome = sim.request(0, 1, 'hello');
  expect(sim.stats(0).requestsPending).toBe(1);
  outcome.cancel();
  expect(sim.stats(0).requestsPending).toBe(0);
  sim.run(1000);
  expect(outcome.settled).toBe(false);
  expect(sim.stats(0).repliesNobodyAskedFor).toBe(1);
});

test('a reply is believed only from the member that was asked, for a request that is open', 1, (seed) => {
  const sim = createSimulation({ seed });
  sim.addMember();
  sim.addMember({ answer: () => undefined });
  sim.addMember();
  sim.joinAll();
  sim.run(1000);
  const outcome = sim.request(0, 1, 'hello', { timeoutMs: 1000 });
  const payload = sim.wire.env.codec.encode('lie');
  // The id of a message is its time; try every one that it can have.
  const nowUs = BigInt(Math.floor((Date.UTC(2026, 0, 1) - 1_735_689_600_000 + sim.nowMs) * 1000));
  for (let counter = 0n; counter < 1024n; counter++) {
    const messageId = (nowUs << 10n) | counter;
    sim.inject(0, { type: 'reply', from: sim.id(2), to: sim.id(0), messageId, status: 'ok', payload });
  }
  expect(outcome.settled).toBe(false);
  expect(sim.stats(0).repliesNobodyAskedFor).toBe(1024);
  for (let counter = 0n; counter < 1024n; counter++) {
    const messageId = (nowUs << 10n) | counter;
    sim.inject(0, { type: 'reply', from: sim.id(1), to: sim.id(0), messageId, status: 'ok', payload });
  }
  expect(outcome.value).toBe('lie');
});
