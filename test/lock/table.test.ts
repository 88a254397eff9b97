/** The lock table, rule by rule; its laws are in `test/lock/table-laws.test.ts`. */
import { expect, test } from 'vitest';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { DEFAULT_LIMITS } from '../../src/index.js';
import { type Answer, LOCK_LIMITS, type Operation } from '../../src/lock/commands.js';
import { LockKeeper } from '../../src/lock/keeper.js';
import { LockTable } from '../../src/lock/table.js';

const open = (table: LockTable, member: string, more: object = {}): number => {
  const { answer } = table.apply({ type: 'open', key: member, member, ttlMs: 1000, previous: 0, ...more }, 1);
  if (answer.type !== 'opened') throw new Error(JSON.stringify(answer));
  return answer.session;
};
const turns = new WeakMap<LockTable, Map<number, number>>();
const turn = (table: LockTable, session: number, ...operations: Operation[]): Answer & { answers?: unknown } => {
  const counts = turns.get(table) ?? new Map<number, number>();
  turns.set(table, counts);
  counts.set(session, (counts.get(session) ?? 0) + 1);
  const member = table.view(session)?.member ?? 'nobody';
  const command = { type: 'turn', session, member, turn: counts.get(session), seen: 0, operations };
  return table.apply(command, 1).answer;
};
const acquire = (claim: number, name = 'a'): Operation => ({ type: 'acquire', claim, name });
const release = (claim: number): Operation => ({ type: 'release', claim });
const gone = { type: 'gone' };

test('numbers of sessions, and so tokens, are above the term: they grow even if all voters have forgotten', () => {
  const table = new LockTable();
  const command = { type: 'open', key: 'k', member: 'ada', ttlMs: 1000, previous: 0 };
  expect(table.apply(command, 5000).answer).toEqual({ type: 'opened', session: 5001 });
  expect(turn(table, 5001, acquire(1))).toMatchObject({ answers: [5002] });
  expect(table.apply({ ...command, key: 'l' }, 9000).answer).toEqual({ type: 'opened', session: 9001 });
});

test('giving back a claim twice does not give back a later one of the same lock', () => {
  const table = new LockTable();
  const ada = open(table, 'ada');
  turn(table, ada, acquire(1), release(1), acquire(2));
  turn(table, ada, release(1));
  expect(table.holder('a')).toMatchObject({ session: ada, claim: 2 });
});

test('a claim whose number was used is refused, so that nobody has two locks by one claim', () => {
  const table = new LockTable();
  const ada = open(table, 'ada');
  expect(turn(table, ada, acquire(3, 'a'), acquire(3, 'b'), acquire(2, 'c'))).toMatchObject({
    answers: [1 + ada, 'old', 'old'],
  });
  expect(table.stats()).toEqual({ sessions: 1, locksHeld: 1, locksWaiting: 0 });
});

test('a dead member waits no longer, but what it holds is nobody else’s before its time is over', () => {
  const table = new LockTable();
  const [ada, ben, cyd] = [open(table, 'ada'), open(table, 'ben'), open(table, 'cyd')];
  turn(table, ada, acquire(1, 'a'));
  turn(table, ben, acquire(1, 'a'));
  turn(table, cyd, acquire(1, 'a'));
  table.apply({ type: 'end', session: ada, beats: 1 }, 1);
  table.apply({ type: 'end', session: ben, beats: 1 }, 1);
  expect(table.holder('a')?.session).toBe(ada);
  // It lives after all, and learns that its session is over.
  expect(turn(table, ada)).toEqual(gone);
  const { granted } = table.apply({ type: 'expire', session: ada, beats: 1 }, 1);
  expect(granted).toEqual([cyd]);
  expect(table.holder('a')?.session).toBe(cyd);
});

test('a session that inherits from itself in the turn that closes it is no heir', () => {
  const table = new LockTable();
  const ada = open(table, 'ada');
  turn(table, ada, acquire(1, 'a'));
  const operations = [{ type: 'close' }, acquire(2, 'a'), release(1)];
  const closing = { type: 'turn', session: ada, member: 'ada', turn: 2, seen: 0, operations };
  expect(table.apply(closing, 1).granted).toEqual([]);
  expect(table.stats()).toEqual({ sessions: 0, locksHeld: 0, locksWaiting: 0 });
});

test('a verdict on a session that was heard since is void', () => {
  const table = new LockTable();
  const ada = open(table, 'ada');
  turn(table, ada, acquire(1));
  turn(table, ada);
  table.apply({ type: 'expire', session: ada, beats: 1 }, 1);
  table.apply({ type: 'end', session: ada, beats: 1 }, 1);
  expect(turn(table, ada)).toMatchObject({ type: 'view' });
  expect(table.holder('a')).toMatchObject({ session: ada });
});

test('nobody speaks for another: not in its session, and its session is not given up by others', () => {
  const table = new LockTable();
  const ada = open(table, 'ada');
  turn(table, ada, acquire(1));
  const forged = { type: 'turn', session: ada, member: 'eve', turn: 2, seen: 0, operations: [release(1)] };
  expect(table.apply(forged, 1).answer).toEqual(gone);
  open(table, 'eve', { previous: ada });
  expect(table.holder('a')).toMatchObject({ session: ada });
});

test('a command has the fields of its type, all of them its own, and no others: else it is refused and changes nothing', () => {
  const table = new LockTable();
  const ada = open(table, 'ada');
  turn(table, ada, acquire(1));
  const turnOf = (...operations: unknown[]) => ({
    type: 'turn',
    session: ada,
    member: 'ada',
    turn: 9,
    seen: 0,
    operations,
  });
  const close = { type: 'close' };
  const commands = [
    { type: 'open', key: 'k', member: 'ben', ttlMs: 1000, previous: 0 },
    turnOf(),
    { type: 'end', session: ada, beats: 1 },
    { type: 'expire', session: ada, beats: 1 },
  ];
  const others = ['member', 'session', 'beats', 'key', 'claim', 'name', 'x'];
  /** All that is nearly a thing. */
  const near = (thing: object) => [
    ...others
      .filter((name) => !(name in thing))
      .flatMap((name) => [
        { ...thing, [name]: 1 },
        { ...thing, [name]: undefined },
      ]),
    JSON.parse(`{"__proto__":{"member":"ada"},${JSON.stringify(thing).slice(1)}`),
    ...Object.entries(thing).flatMap(([name, value]) => {
      const { [name]: _, ...rest } = thing as Record<string, unknown>;
      const inherits = Object.assign(Object.create({ [name]: value }), rest);
      return [rest, inherits, { ...rest, x: 1 }, { ...rest, [name]: undefined }, { ...rest, [name]: [value] }];
    }),
    Object.create(thing),
    Object.entries(thing),
    new Map(Object.entries(thing)),
  ];
  const refused = commands.flatMap(near);
  for (const operation of [acquire(2), { ...acquire(2), type: 'try' }, release(1), close])
    refused.push(...near(operation).map((one) => turnOf(one)));
  const before = table.snapshot();
  for (const command of refused) {
    expect(table.apply(command, 1).answer, JSON.stringify(command)).toEqual({ type: 'refused', why: 'malformed' });
    expect(table.snapshot()).toEqual(before);
  }
  for (const command of commands) expect(table.apply(command, 1).answer.type).not.toBe('refused');
});

test('who opens a session anew has given up the one before', () => {
  const table = new LockTable();
  const ada = open(table, 'ada');
  turn(table, ada, acquire(1));
  const again = open(table, 'ada', { key: 'another', previous: ada });
  expect(again).toBeGreaterThan(ada);
  expect(table.holder('a')).toBeUndefined();
});

test('every limit is kept, and what is above it refused by name', () => {
  const { sessionsMax, claimsPerSessionMax, operationsMax, nameLengthMax, waitersMax } = LOCK_LIMITS;
  const nameOf = (i: number) => `${i}`.padEnd(nameLengthMax, '界');
  const table = new LockTable();
  for (let i = 0; i < sessionsMax; i++) open(table, `m${i}`);
  const command = { type: 'open', key: 'k', member: 'late', ttlMs: 1000, previous: 0 };
  expect(table.apply(command, 1).answer).toEqual({ type: 'refused', why: 'limit' });

  const ada = open(table, 'm0');
  let claim = 0;
  const fill = (session: number, count: number, name: (i: number) => string) => {
    for (let i = 0; i < count; i += operationsMax) {
      const size = Math.min(operationsMax, count - i);
      turn(table, session, ...Array.from({ length: size }, () => acquire(++claim, name(claim))));
    }
  };
  fill(ada, claimsPerSessionMax, (i) => nameOf(i));
  expect(turn(table, ada, acquire(++claim, 'one more'))).toMatchObject({ answers: ['limit'] });

  for (let i = 1; table.stats().locksWaiting < waitersMax; i++)
    fill(open(table, `m${i}`), claimsPerSessionMax, () => 'all');
  const other = open(table, 'm20');
  expect(turn(table, other, acquire(++claim, 'all'))).toMatchObject({ answers: ['limit'] });

  for (
    let i = 30;
    claim < 30_000 && table.stats().locksHeld + table.stats().locksWaiting < LOCK_LIMITS.claimsMax;
    i++
  ) {
    fill(open(table, `m${i}`), claimsPerSessionMax, nameOf);
  }
  expect(turn(table, other, acquire(++claim, 'free'))).toMatchObject({ answers: ['limit'] });
  const { locksHeld, locksWaiting } = table.stats();
  expect(locksHeld + locksWaiting).toBe(LOCK_LIMITS.claimsMax);

  // A voter that has forgotten everything is sent all of it in one frame, whatever letters the names have.
  for (const codec of [msgpack(), json()]) {
    const bytes = codec.encode(table.snapshot()).length;
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(bytes, codec.name).toBeLessThan(DEFAULT_LIMITS.frameBytesMax - 100_000);
  }

  const long = { type: 'turn', session: other, member: 'm20', turn: 99, seen: 0 };
  const tooLong = acquire(++claim, 'x'.repeat(nameLengthMax + 1));
  const malformed = { type: 'refused', why: 'malformed' };
  expect(table.apply({ ...long, operations: [tooLong] }, 1).answer).toEqual(malformed);
  const escaped = acquire(++claim, '\u0007');
  expect(table.apply({ ...long, operations: [escaped] }, 1).answer).toEqual(malformed);
  const tooMany = Array.from({ length: operationsMax + 1 }, () => release(1));
  expect(table.apply({ ...long, operations: tooMany }, 1).answer).toEqual(malformed);
});

test('the keeper judges a session when all of its time has passed since it was heard, and a dead member’s after half', () => {
  const table = new LockTable();
  const keeper = new LockKeeper(table);
  const [ada, ben] = [open(table, 'ada'), open(table, 'ben')];
  const isDead = (member: string) => member === 'ben';
  expect(keeper.judge(0, isDead)).toEqual({ verdicts: [], wakeAtMs: 500 });
  const end = { type: 'end', session: ben, beats: 0 };
  expect(keeper.judge(500, isDead)).toEqual({ verdicts: [end], wakeAtMs: 750 });
  // Not told again while it is on its way.
  expect(keeper.judge(600, isDead).verdicts).toEqual([]);
  turn(table, ada);
  keeper.heard(ada, 900);
  table.apply(end, 1);
  expect(keeper.judge(1000, isDead)).toEqual({
    verdicts: [{ type: 'expire', session: ben, beats: 0 }],
    wakeAtMs: 1250,
  });
  expect(keeper.judge(1899, isDead).verdicts).toEqual([{ type: 'expire', session: ben, beats: 0 }]);
  expect(keeper.judge(1900, isDead).verdicts).toEqual([{ type: 'expire', session: ada, beats: 1 }]);
});

test('a dead member that is still heard has been buried alive: its session goes on', () => {
  const table = new LockTable();
  const keeper = new LockKeeper(table);
  const ada = open(table, 'ada');
  for (let nowMs = 0; nowMs < 5000; nowMs += 333) {
    turn(table, ada);
    keeper.heard(ada, nowMs);
    expect(keeper.judge(nowMs + 332, () => true).verdicts).toEqual([]);
  }
});

test('who takes over gives those their whole time that others have heard: it cannot know what they have used up', () => {
  const table = new LockTable();
  const keeper = new LockKeeper(table);
  const [ada, ben] = [open(table, 'ada'), open(table, 'ben')];
  keeper.heard(ada, 0);
  turn(table, ada);
  expect(keeper.judge(900, () => false)).toEqual({ verdicts: [], wakeAtMs: 1900 });
  expect(keeper.judge(1899, () => false)).toEqual({ verdicts: [], wakeAtMs: 1900 });
  const verdicts = [expect.objectContaining({ session: ada }), expect.objectContaining({ session: ben })];
  expect(keeper.judge(1900, () => false)).toMatchObject({ verdicts });
});

test('the keeper remembers no session that is not there any longer, however it ended', () => {
  const table = new LockTable();
  const keeper = new LockKeeper(table);
  let previous = 0;
  for (let i = 0; i < 100; i++) {
    previous = open(table, 'ada', { key: `k${i}`, previous });
    keeper.heard(previous, i);
    keeper.judge(i, () => false);
    expect(keeper.size).toBe(1);
  }
  turn(table, previous, { type: 'close' });
  keeper.heard(previous, 100);
  expect(keeper.size).toBe(0);
});
