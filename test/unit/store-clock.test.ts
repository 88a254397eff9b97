/** The two clocks of a store: what is timed goes by one that never goes back, what is dated by the wall's, which may be set. */
import { afterEach, expect, test, vi } from 'vitest';
import type { Clock, Cluster } from '../../src/index.js';
import type { Effect } from '../../src/store/machine.js';
import { DEFAULT_STORE_LIMITS, resolveStoreOptions } from '../../src/store/options.js';
import { Replica } from '../../src/store/replica.js';
import { createStore, type Store } from '../../src/store/store.js';
import { Harness } from './cluster-harness.js';

const START_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

const open = new Set<Store>();
afterEach(async () => {
  vi.useRealTimers();
  for (const store of open) await store.close();
  open.clear();
});

const code = (wanted: string) => expect.objectContaining({ code: wanted });

/** Two stores, and the clock on the wall of the first. */
async function pair() {
  const h = new Harness();
  const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
  const wall: Clock & { epochMs: number } = {
    epochMs: h.clock.epochMs,
    now: () => h.clock.now(),
    schedule: (delayMs, run) => h.clock.schedule(delayMs, run),
  };
  const a = await createStore(m0, { clock: wall, random: () => 0.5 });
  const b = await createStore(m1, { clock: h.clock, random: () => 0.5 });
  for (const store of [a, b]) open.add(store);
  await h.clock.advance(100);
  return { h, wall, a, b };
}

test.each([-DAY_MS, DAY_MS])('a wall that is set by %i ms neither hastens nor holds up what is timed', async (byMs) => {
  const { h, wall, a } = await pair();
  await h.clock.advance(60_000);
  const inAMinute = a.stats().comparisons as number;
  expect(inAMinute).toBeGreaterThan(4);
  // Nobody confirms it, so it waits for all of its time.
  const written = a.set('k', 1, { acks: 5, timeoutMs: 30_000 });
  let ended = false;
  written.catch(() => {
    ended = true;
  });
  await h.clock.advance(1000);
  wall.epochMs += byMs;
  await h.clock.advance(28_900);
  expect(ended).toBe(false);
  await h.clock.advance(200);
  await expect(written).rejects.toEqual(code('ERR_TIMEOUT'));
  await h.clock.advance(30_000);
  const more = (a.stats().comparisons as number) + (a.stats().comparisonsFailed ?? 0) - inAMinute;
  expect(more).toBeGreaterThan(4);
  expect(more).toBeLessThan(9);
});

test('what has a time to live is over by the wall, and what is written is dated by it', async () => {
  const { h, wall, a, b } = await pair();
  const heard: unknown[] = [];
  a.register('k').watch((value) => heard.push(value));
  a.set('k', 'for an hour', { ttlMs: 3_600_000 });
  await h.clock.advance(1000);
  wall.epochMs += 3_600_000;
  expect([a.get('k'), b.get('k')]).toEqual([undefined, 'for an hour']);
  await h.clock.advance(20_000);
  expect(heard).toEqual(['for an hour', undefined]);
  // Others refuse what is dated an hour ahead.
  a.set('l', 1);
  await h.clock.advance(1000);
  expect([b.get('l'), (b.stats().clockDrift ?? 0) > 0]).toEqual([undefined, true]);
  wall.epochMs -= 3_600_000;
  expect(() => a.set('l', 2)).toThrow(code('ERR_CLOCK'));
});

test('flush says how many others have had everything since it was written', async () => {
  const { h, a, b } = await pair();
  a.set('k', 1);
  a.setOf('s').add('x');
  expect(await a.flush()).toEqual({ members: 0 });
  await h.clock.advance(30_000);
  expect(await a.flush()).toEqual({ members: 1 });
  // A removal has no time of its own.
  a.setOf('s').delete('x');
  expect(await a.flush()).toEqual({ members: 0 });
  b.set('l', 1);
  await h.clock.advance(30_000);
  expect([await a.flush(), await b.flush()]).toEqual([{ members: 1 }, { members: 1 }]);
});

test("the platform's clock follows the wall, and what is timed does not", () => {
  const { clock } = resolveStoreOptions({});
  vi.useFakeTimers({ toFake: ['Date'], now: START_MS });
  const before = clock.now();
  expect(Math.abs(clock.epochMs + clock.now() - START_MS)).toBeLessThan(2);
  vi.setSystemTime(START_MS - DAY_MS);
  expect(Math.abs(clock.epochMs + clock.now() - START_MS + DAY_MS)).toBeLessThan(2);
  expect(clock.now()).toBeGreaterThanOrEqual(before);
  expect(clock.now() - before).toBeLessThan(5000);
});

test('what others have long forgotten is not confirmed as written', () => {
  const make = (writer: string) =>
    new Replica({
      name: 's',
      writer: writer.repeat(16),
      random: () => 0.5,
      limits: DEFAULT_STORE_LIMITS,
      syncIntervalMs: 1000,
      tombstoneMs: DAY_MS,
      clockDriftMaxMs: 60_000,
    });
  const [one, other] = [make('a'), make('b')];
  const members = { type: 'members', alive: ['other'], all: ['other'] } as const;
  one.handle(members, 0, START_MS - 2 * DAY_MS);
  const write = { type: 'put', kind: 'register', key: 'k', field: '', value: 1, ttlMs: 0 } as const;
  const wanted = { acks: 1, timeoutMs: 3000, ref: 1 } as const;
  const effects = one.handle({ type: 'write', write, wanted }, 1, START_MS - 2 * DAY_MS);
  const put = effects.find((effect) => effect.type === 'ask' && effect.what === 'put');
  const { message, ref } = put as Extract<Effect, { type: 'ask' }>;
  other.handle({ type: 'tick' }, 0, START_MS);
  other.collect(other.mint());
  const answer = other
    .handle({ type: 'asked', from: 'one', what: 'put', message, ref: 1 }, 1, START_MS)
    .find(({ type }) => type === 'answer');
  expect(answer).toMatchObject({ message: { x: 1 } });
  const said = (answer as Extract<Effect, { type: 'answer' }>).message;
  const after = one.handle({ type: 'answered', from: 'other', message: said, ref }, 2, START_MS - 2 * DAY_MS);
  expect(after.some(({ type }) => type === 'settled')).toBe(false);
});
