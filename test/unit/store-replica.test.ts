/** One replica of a store, question by question: when it believes that it has everything, and when not. */
import { expect, test, vi } from 'vitest';
import { type Cell, makeCell } from '../../src/store/cell.js';
import { timeAt } from '../../src/store/hybrid-clock.js';
import type { Effect, Input } from '../../src/store/machine.js';
import { tellCells } from '../../src/store/messages.js';
import { DEFAULT_STORE_LIMITS } from '../../src/store/options.js';
import { Replica } from '../../src/store/replica.js';

const START_MS = Date.UTC(2026, 0, 1);

/** One whose wall says the same as its other clock, where no test says otherwise. */
class Timed extends Replica {
  override handle(input: Input, nowMs: number, unixMs = nowMs): Effect[] {
    return super.handle(input, nowMs, unixMs);
  }
}

function replica(letter: string, limits = {}, syncIntervalMs = 1000): Timed {
  return new Timed({
    name: 's',
    writer: letter.repeat(16),
    random: () => 0.5,
    limits: { ...DEFAULT_STORE_LIMITS, ...limits },
    syncIntervalMs,
    tombstoneMs: 86_400_000,
    clockDriftMaxMs: 60_000,
  });
}

/** The first members that a replica hears of are asked at once. */
const begin = (one: Timed, atMs: number, all = ['other']) => one.handle({ type: 'members', alive: all, all }, atMs);

const write = (one: Timed, key: string, atMs: number) =>
  one.handle(
    { type: 'write', write: { type: 'put', kind: 'register', key, field: '', value: 1, ttlMs: 0 }, wanted: undefined },
    atMs,
  );

/** A register of another replica. */
const cellOf = (key: string): Cell => {
  const writer = 'd'.repeat(16);
  return makeCell(
    { kind: 'register', key, field: '', writer, time: timeAt(START_MS), removed: false, expiresAtMs: 0, value: 1 },
    9,
  );
};

type Ask = Extract<Effect, { type: 'ask' }>;
const asks = (effects: Effect[]) => effects.filter((effect): effect is Ask => effect.type === 'ask');
const synced = (effects: Effect[]) => effects.some(({ type }) => type === 'synced');

/** One comparison of a replica with another, from its first question to the end. @returns all that it did. */
function compare(one: Timed, other: Timed, atMs: number): Effect[] {
  const done: Effect[] = [];
  let effects = begin(one, atMs);
  for (;;) {
    done.push(...effects);
    const [ask] = asks(effects);
    if (!ask) return done;
    const answer = other
      .handle({ type: 'asked', from: 'one', what: ask.what, message: ask.message, ref: 1 }, atMs)
      .find(({ type }) => type === 'answer') as Extract<Effect, { type: 'answer' }>;
    effects = one.handle({ type: 'answered', from: 'other', message: answer.message, ref: ask.ref }, atMs);
  }
}

/** Two replicas that ask each other for a while. @returns all that was asked. */
function live(one: Timed, other: Timed, atMs: number, ms: number): Ask[] {
  const asked: Ask[] = [];
  const pair = [one, other] as const;
  const perform = (who: 0 | 1, effects: Effect[], nowMs: number) => {
    for (const ask of asks(effects)) {
      asked.push(ask);
      const theirs = pair[1 - who]?.handle(
        { type: 'asked', from: `${who}`, what: ask.what, message: ask.message, ref: 1 },
        nowMs,
      ) as Effect[];
      const answer = theirs.find(({ type }) => type === 'answer') as Extract<Effect, { type: 'answer' }>;
      perform((1 - who) as 0 | 1, theirs, nowMs);
      const from = `${1 - who}`;
      perform(who, pair[who].handle({ type: 'answered', from, message: answer.message, ref: ask.ref }, nowMs), nowMs);
    }
  };
  for (const who of [0, 1] as const) perform(who, begin(pair[who], atMs, [`${1 - who}`]), atMs);
  for (let nowMs = atMs; nowMs < atMs + ms; nowMs += 50) {
    for (const who of [0, 1] as const) perform(who, pair[who].handle({ type: 'tick' }, nowMs), nowMs);
  }
  return asked;
}

test('who differs for good is compared with in its turn, and a long list is told in pages', () => {
  const small = replica('a', { cellsMax: 10 }, 10_000);
  const large = replica('b', { writesPerSecond: 10_000 }, 10_000);
  for (let i = 0; i < 3500; i++) write(large, `k${i}`, START_MS);
  const asked = live(small, large, START_MS + 1000, 30_000);
  // Each asks the other each ten seconds, and the large one is reminded as often that there is something else.
  expect(asked.filter(({ what }) => what === 'compare').length).toBeLessThanOrEqual(10);
  const told = asked.map(({ message }) => ('c' in message ? (message.c as unknown[]).length : 0));
  expect(Math.max(...told)).toBeGreaterThan(500);
  expect(Math.max(...told)).toBeLessThan(1500);
  expect(large.counters).not.toHaveProperty('comparisonsFailed');
});

test('long keys are told in pages too', () => {
  const [small, large] = [replica('a'), replica('b', { writesPerSecond: 10_000 })];
  for (let i = 0; i < 1000; i++) write(large, `${i}`.padStart(1000, 'k'), START_MS);
  small.handle(
    { type: 'told', from: 'other', message: tellCells('s', [...large.table.all()].slice(0, 900)) },
    START_MS,
  );
  const sizes = asks(compare(small, large, START_MS)).map(({ message }) => JSON.stringify(message).length);
  expect(Math.max(...sizes)).toBeGreaterThan(64 * 1024);
  expect(Math.max(...sizes)).toBeLessThan(256 * 1024);
  expect(small.table.root).toEqual(large.table.root);
});

test('who answers what cannot be read is asked in its turn', () => {
  const [one, other] = [replica('a', {}, 10_000), replica('b', {}, 10_000)];
  write(other, 'k', START_MS);
  const compare = { n: 's', w: ['b'.repeat(16)], k: [0], f: 0, r: [...other.table.root] };
  let asked = 0;
  begin(one, START_MS);
  for (let nowMs = START_MS; nowMs < START_MS + 60_000; nowMs += 50) {
    for (const { ref } of asks(one.handle({ type: 'tick' }, nowMs))) {
      asked++;
      one.handle({ type: 'answered', from: 'other', message: { ...compare, p: 'none' }, ref }, nowMs);
    }
    one.handle({ type: 'asked', from: 'other', what: 'compare', message: compare, ref: 1 }, nowMs);
  }
  expect(asked).toBeLessThanOrEqual(7);
});

test('with an answer to everything it has all that the other had', () => {
  const [one, other] = [replica('a'), replica('b')];
  for (const key of ['k', 'l', 'm']) write(other, key, START_MS);
  expect(synced(compare(one, other, START_MS + 2000))).toBe(true);
  expect(one.table.root).toEqual(other.table.root);
  expect(one.known.tell(0)[1][1]).toBeGreaterThan(0);
});

test('without an answer, or with one that is none, it has not', () => {
  for (const message of [undefined, {}, { w: [] }]) {
    const one = replica('a');
    const [ask] = asks(begin(one, START_MS + 2000));
    const effects = one.handle({ type: 'answered', from: 'other', message, ref: (ask as Ask).ref }, START_MS + 2001);
    expect(synced(effects)).toBe(false);
    expect(one.counters.comparisonsFailed).toBe(1);
  }
  const one = replica('a');
  begin(one, START_MS + 2000);
  expect(synced(one.handle({ type: 'tick' }, START_MS + 10_000))).toBe(false);
});

test('when something had to be refused it has not, and takes over no floor', () => {
  for (const [limits, atMs] of [
    [{ cellsMax: 2 }, START_MS],
    [{ keyBytesMax: 2 }, START_MS],
    // The other's clock is ahead.
    [{}, START_MS + 120_000],
  ] as const) {
    const [one, other] = [replica('a', limits), replica('b')];
    for (const key of ['k', 'l', 'long']) write(other, key, atMs);
    other.collect(1);
    expect(synced(compare(one, other, START_MS + 2000))).toBe(false);
    expect(one.table.floor).toBe(0);
    expect(one.known.tell(0)[1]).toEqual([0, 0]);
  }
});

test('what was removed elsewhere is known by its place, also beside a key that is too long there', () => {
  const [one, other] = [replica('a'), replica('b', { keyBytesMax: 10 })];
  for (const key of ['k'.repeat(20), 'l', 'm']) write(one, key, START_MS);
  const [, gone] = [...one.table.all()] as [Cell, Cell];
  other.handle({ type: 'tick' }, START_MS + 1000);
  other.collect(gone.time);
  const message = { ...tellCells('s', one.table.all(), false), f: 0, m: 1, p: [0] };
  const [answer] = other
    .handle({ type: 'asked', from: 'one', what: 'pull', message, ref: 1 }, START_MS + 1000)
    .slice(-1);
  // The first may be there or not; who cannot read its key says nothing of it.
  expect(answer).toMatchObject({ type: 'answer', message: { x: [1] } });
});

test('members that keep no such store are asked once, and when there are no others it has everything', () => {
  const one = replica('a');
  const [first] = asks(begin(one, START_MS + 2000, ['other', 'another']));
  const after = one.handle(
    { type: 'answered', from: 'other', message: null, ref: (first as Ask).ref },
    START_MS + 2000,
  );
  const [second] = asks([...after, ...one.handle({ type: 'tick' }, START_MS + 2000)]);
  expect(new Set([first?.to, second?.to])).toEqual(new Set(['other', 'another']));
  const end = one.handle({ type: 'answered', from: 'other', message: null, ref: (second as Ask).ref }, START_MS + 2001);
  expect([synced(after), synced(end)]).toEqual([false, true]);
});

test('a digest that is none is no word of there being nothing else', () => {
  const [one, other] = [replica('a'), replica('b')];
  write(other, 'k', START_MS);
  other.collect(1);
  const [ask] = asks(begin(one, START_MS + 2000)) as [Ask];
  const { message } = other
    .handle({ type: 'asked', from: 'one', what: 'compare', message: ask.message, ref: 1 }, START_MS + 2000)
    .find(({ type }) => type === 'answer') as Extract<Effect, { type: 'answer' }>;
  const answer = { ...message, p: 'AAAAAA==' };
  expect(synced(one.handle({ type: 'answered', from: 'other', message: answer, ref: ask.ref }, START_MS + 2000))).toBe(
    false,
  );
  expect([one.known.tell(0)[1], one.table.floor]).toEqual([[0, 0], 0]);
  expect(one.counters).toMatchObject({ messagesMalformed: 1, comparisonsFailed: 1 });
});

test('a cell that is none is left out by itself, and the comparison is not whole', () => {
  const [one, other] = [replica('a'), replica('b')];
  for (const key of ['k', 'l']) write(other, key, START_MS);
  const good = tellCells('s', other.table.all());
  const bad = [
    null,
    [9],
    [...(good.c[0] as unknown[]).slice(0, 6), Number.NaN, 1],
    [3, 'c', '', 0, 1, 0, 0, Number.POSITIVE_INFINITY],
  ];
  const message = { ...good, c: [bad[0], good.c[0], ...bad.slice(1), good.c[1]] };
  one.handle({ type: 'told', from: 'other', message }, START_MS);
  expect(one.table.size).toBe(2);
  expect(one.counters).toEqual({ cellsMalformed: 4 });
  const [answer] = one.handle({ type: 'asked', from: 'other', what: 'put', message, ref: 1 }, START_MS);
  expect(answer).toMatchObject({ type: 'answer', message: { x: 4 } });
});

test('a floor or a time of the future, and a crowd of writers, change nothing', () => {
  const one = replica('a');
  write(one, 'k', START_MS);
  const compare = { n: 's', w: ['b'.repeat(16)], k: [0], f: 0, r: [...one.table.root] };
  const ask = (more: object) =>
    one.handle({ type: 'asked', from: 'other', what: 'compare', message: { ...compare, ...more }, ref: 1 }, START_MS);
  ask({ f: Number.MAX_SAFE_INTEGER });
  ask({ f: timeAt(START_MS + 1) });
  expect([one.table.floor, one.counters.messagesMalformed]).toEqual([0, 2]);
  const writers = Array.from({ length: 257 }, (_, i) => i.toString(16).padStart(16, '0'));
  ask({ w: writers, k: writers.map(() => 0) });
  expect(one.counters.messagesMalformed).toBe(3);
  ask({ w: ['b'.repeat(16), 'a'.repeat(16)], k: [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] });
  expect(one.counters.messagesMalformed).toBe(3);
  // It is believed as far as others can have written.
  expect([one.known.having(timeAt(START_MS + 59_000)), one.known.having(timeAt(START_MS + 61_000))]).toEqual([1, 0]);
});

test('who is behind the floor by its clock writes all the same', () => {
  const one = replica('a');
  one.collect(timeAt(START_MS + 30_000));
  write(one, 'k', START_MS);
  expect(one.table.visible('register', 'k', '', START_MS)).toBe(1);
});

test('whose clock was ahead writes nothing that others would refuse, and says so', () => {
  const one = replica('a');
  write(one, 'k', START_MS + 86_400_000);
  const before = [...one.table.root];
  for (const what of [() => write(one, 'l', START_MS), () => write(one, 'k', START_MS)]) {
    expect(what).toThrow(expect.objectContaining({ code: 'ERR_CLOCK' }));
  }
  expect([...one.table.root]).toEqual(before);
  write(one, 'l', START_MS + 86_400_000 - 59_000);
  expect(one.table.size).toBe(2);
});

test('writers of whom only somebody else knows hold up the floor, however many there are', () => {
  const one = replica('a');
  const hex = (n: number) => n.toString(16).padStart(16, '0');
  const all = Array.from({ length: 200 }, (_, i) => `m${i}`);
  let looks = 0;
  class Has extends Map<string, number> {
    override get(writer: string) {
      looks++;
      return super.get(writer);
    }
  }
  const heard = (named: number) => {
    for (const [i, member] of all.entries()) {
      const has = new Has([['a'.repeat(16), 5]]);
      for (let n = 0; n < all.length; n++) has.set(hex(n), 5);
      for (let n = 0; n < named; n++) has.set(hex(1000 + i * 100 + n), 5);
      one.known.heard(member, hex(i), has);
    }
    one.known.synced(new Map(all.map((_, n) => [hex(n), 5])));
    looks = 0;
  };
  heard(0);
  expect(one.known.stable(9, all)).toBe(5);
  heard(50);
  expect(one.known.stable(9, all)).toBe(0);
  // Not at each of 10,000 by each.
  expect(looks).toBeLessThan(100_000);
});

test('parts that are the same by chance are fetched all, when the whole is not', () => {
  const [one, other] = [replica('a'), replica('b')];
  for (const key of ['k', 'l', 'm']) write(other, key, START_MS);
  const [ask] = asks(begin(one, START_MS + 2000)) as [Ask];
  const answer = other
    .handle({ type: 'asked', from: 'one', what: 'compare', message: ask.message, ref: 1 }, START_MS + 2000)
    .find(({ type }) => type === 'answer') as Extract<Effect, { type: 'answer' }>;
  const lying = { ...answer.message, p: [0] };
  const [pull] = asks(one.handle({ type: 'answered', from: 'other', message: lying, ref: ask.ref }, START_MS + 2000));
  expect(pull).toMatchObject({ what: 'pull', message: { m: 1, p: [0] } });
});

test('a removal takes no room, so a store that is full can be emptied', () => {
  const one = replica('a', { cellsMax: 1 });
  write(one, 'k', START_MS);
  expect(() => write(one, 'l', START_MS)).toThrow(/cellsMax/);
  one.handle(
    { type: 'write', write: { type: 'remove', kind: 'register', key: 'k', field: '' }, wanted: undefined },
    START_MS,
  );
  expect(one.table.visible('register', 'k', '', START_MS)).toBe(undefined);
});

test('who has seen a write of a clock that is ahead can still write over it', () => {
  const [one, other] = [replica('a'), replica('b')];
  write(other, 'k', START_MS + 30_000);
  compare(one, other, START_MS);
  one.handle(
    {
      type: 'write',
      write: { type: 'put', kind: 'register', key: 'k', field: '', value: 'later', ttlMs: 0 },
      wanted: undefined,
    },
    START_MS + 1,
  );
  expect(one.table.visible('register', 'k', '', START_MS + 1)).toBe('later');
});

test('who has seen what others have added adds no more than its own', () => {
  const [one, other] = [replica('a'), replica('b')];
  const increment = (who: Timed, by: number) =>
    who.handle({ type: 'write', write: { type: 'increment', key: 'c', by }, wanted: undefined }, START_MS);
  increment(other, 5);
  compare(one, other, START_MS);
  increment(one, 1);
  increment(one, 1);
  expect(one.table.visible('counter', 'c', '', START_MS)).toBe(7);
});

test('who was out of touch compares at once, and else only in its turn', () => {
  const [one, other] = [replica('a'), replica('b')];
  compare(one, other, START_MS);
  expect(asks(one.handle({ type: 'tick' }, START_MS + 1))).toEqual([]);
  expect(asks(one.handle({ type: 'missed' }, START_MS + 2))).toMatchObject([{ to: 'other', what: 'compare' }]);
});

test('what was removed elsewhere is dropped once, also when it is named page after page or twice', () => {
  const nowMs = START_MS + 10 * 86_400_000;
  const old: Cell = { ...cellOf('old'), writer: 'c'.repeat(16), time: timeAt(START_MS) };
  const other = replica('b');
  other.collect(timeAt(START_MS + 86_400_000));
  for (let i = 0; i < 7; i++) {
    const put = {
      type: 'put',
      kind: 'register',
      key: `k${i}`,
      field: '',
      value: 'x'.repeat(60_000),
      ttlMs: 0,
    } as const;
    other.handle({ type: 'write', write: put, wanted: undefined }, nowMs);
  }
  const one = replica('a');
  one.handle({ type: 'told', from: 'c', message: tellCells('s', [old]) }, nowMs);
  expect(one.table.size).toBe(1);
  expect(synced(compare(one, other, nowMs))).toBe(true);
  expect([one.table.size, one.table.root, one.table.bytes]).toEqual([7, other.table.root, other.table.bytes]);
});

test('a floor that nobody can have is no reason to drop or refuse what was written of late', () => {
  const nowMs = START_MS + 10 * 86_400_000;
  const one = replica('a');
  write(one, 'ours', nowMs);
  const [ask] = asks(begin(one, nowMs, ['x'])) as [Ask];
  const has = { n: 's', w: ['b'.repeat(16)], k: [timeAt(nowMs)], f: timeAt(nowMs) };
  const asked = { type: 'asked', from: 'x', what: 'compare', message: { ...has, r: [...one.table.root] } } as const;
  one.handle({ ...asked, ref: 1 }, nowMs);
  const young = { ...cellOf('young'), time: timeAt(nowMs - 1000) };
  one.handle({ type: 'told', from: 'y', message: tellCells('s', [young]) }, nowMs);
  expect(one.table.size).toBe(2);
  const differs = { ...has, r: [1, 2], p: [1] };
  const [pull] = asks(one.handle({ type: 'answered', from: 'x', message: differs, ref: ask.ref }, nowMs)) as [Ask];
  const nothing = { ...tellCells('s', []), d: 1, x: [0, 1] };
  one.handle({ type: 'answered', from: 'x', message: nothing, ref: pull.ref }, nowMs + 1);
  expect([one.table.size, one.table.floor]).toEqual([2, timeAt(nowMs + 60_000 - 86_400_000)]);
});

test('whoever names ever other writers does not fill the memory', () => {
  const one = replica('a');
  begin(one, START_MS, ['x']);
  for (let i = 0; i < 20; i++) {
    const others = Array.from({ length: 255 }, (_, j) => (i * 255 + j).toString(16).padStart(16, '0'));
    const w = ['b'.repeat(16), ...others];
    const message = { n: 's', w, k: w.map(() => 1), f: 0, r: [...one.table.root] };
    one.handle({ type: 'asked', from: 'x', what: 'compare', message, ref: 1 }, START_MS);
  }
  const forgets = vi.spyOn(Map.prototype, 'delete');
  one.known.keep(new Set(['x']));
  expect(forgets.mock.calls.length).toBeLessThan(600);
  forgets.mockRestore();
});

test('a write that has room only by what it removes is refused, and nothing is removed', () => {
  const one = replica('a', { bytesMax: 70_000 });
  const other = replica('b');
  const put = (who: Timed, key: string, field: string, value: string) =>
    who.handle(
      { type: 'write', write: { type: 'put', kind: 'map', key, field, value, ttlMs: 0 }, wanted: undefined },
      START_MS,
    );
  put(other, 'm', 'f', 'x'.repeat(60_000));
  one.handle({ type: 'told', from: 'b', message: tellCells('s', other.table.all()) }, START_MS);
  put(one, 'm', 'g', 'y'.repeat(8000));
  expect(() => put(one, 'm', 'f', 'z'.repeat(5000))).toThrow(/limits.bytesMax/);
  expect(one.table.visible('map', 'm', 'f', START_MS)).toMatch(/^x/);
});

test('whoever sends ever more in one comparison is left in the end, and asked in its turn', () => {
  const one = replica('a');
  const other = replica('b');
  write(other, 'k', START_MS);
  let [ask] = asks(begin(one, START_MS)) as [Ask];
  let nowMs = START_MS;
  for (let i = 0; ask && nowMs < START_MS + 3_600_000; i++) {
    nowMs += 4000;
    const asked = { type: 'asked', from: 'one', what: ask.what, message: ask.message, ref: 1 } as const;
    const { message } = other.handle(asked, nowMs).find(({ type }) => type === 'answer') as { message: object };
    // One more each time, and never the whole of a part.
    const more = { ...message, ...tellCells('s', [{ ...cellOf(`k${i}`), time: timeAt(nowMs) }]), d: 0 };
    const answer = ask.what === 'pull' ? more : message;
    [ask] = asks(one.handle({ type: 'answered', from: 'other', message: answer, ref: ask.ref }, nowMs)) as [Ask];
  }
  expect(nowMs).toBeLessThan(START_MS + 900_000);
  expect(one.counters).toMatchObject({ comparisonsFailed: 1 });
});

test('what is over when it comes is never seen, and what is over is told once, whatever comes in between', () => {
  const one = replica('a');
  const heard: unknown[] = [];
  const handle = (input: Input, nowMs: number) => {
    for (const effect of one.handle(input, nowMs)) {
      if (effect.type === 'changed') heard.push([effect.change.key, effect.change.value]);
    }
  };
  const over = { ...cellOf('late'), time: timeAt(START_MS), expiresAtMs: START_MS + 1 };
  for (const [key, ttlMs] of [
    ['a', 1000],
    ['b', 1050],
  ] as const) {
    const put = { type: 'put', kind: 'register', key, field: '', value: 1, ttlMs } as const;
    handle({ type: 'write', write: put, wanted: undefined }, START_MS);
  }
  handle({ type: 'tick' }, START_MS + 1000);
  // The next that are over are looked for in 40 ms.
  const remove = { type: 'remove', kind: 'register', key: 'b', field: '' } as const;
  handle({ type: 'write', write: remove, wanted: undefined }, START_MS + 1060);
  handle({ type: 'told', from: 'x', message: tellCells('s', [over]) }, START_MS + 1070);
  handle({ type: 'tick' }, START_MS + 2000);
  expect(heard).toEqual([
    ['a', 1],
    ['b', 1],
    ['a', undefined],
    ['b', undefined],
  ]);
  expect(one.table.size).toBe(3);
});
