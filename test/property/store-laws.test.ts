/**
 * Laws of the store's cells, by fast-check: replicas that have merged the same cells are the same, whatever the order, the grouping and the
 * repetition; what a write tells is as good as the whole; a removal removes what it has seen and nothing else.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8Bytes } from '../../src/carried.js';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { GossipError } from '../../src/index.js';
import { type Cell, compareCells, makeCell, removedCell } from '../../src/store/cell.js';
import { timeAt } from '../../src/store/hybrid-clock.js';
import type { Write } from '../../src/store/machine.js';
import { readCells, tellCells } from '../../src/store/messages.js';
import { DEFAULT_STORE_LIMITS } from '../../src/store/options.js';
import { Replica } from '../../src/store/replica.js';
import { Table } from '../../src/store/table.js';
import { keep } from '../../src/store/value.js';

const START_MS = Date.UTC(2026, 0, 1);
const WRITERS = ['a', 'b', 'c'].map((one) => one.repeat(16));

function replica(writer: string): Replica {
  return new Replica({
    name: 's',
    writer,
    random: () => 0.5,
    limits: DEFAULT_STORE_LIMITS,
    syncIntervalMs: 1000,
    tombstoneMs: 86_400_000,
    clockDriftMaxMs: 60_000,
  });
}

/** Merges cells, as a message of them does. */
function merge(one: Replica | undefined, cells: readonly Cell[], nowMs: number): void {
  one?.handle({ type: 'told', from: 'm', message: tellCells('s', cells) }, 0, nowMs);
}

/** What a table holds, in an order of its own. */
const held = ({ table }: { table: Table }) =>
  Array.from(table.all(), ({ id, time, writer, removed, value }) =>
    JSON.stringify([id, time, writer, removed, value]),
  ).sort();

const key = fc.constantFrom('k', 'l');
const field = fc.constantFrom('x', 'y');
const value = fc.integer({ min: 0, max: 9 });
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({
    type: fc.constant('put' as const),
    kind: fc.constant('register' as const),
    key,
    field: fc.constant(''),
    value,
    ttlMs: fc.constant(0),
  }),
  fc.record({
    type: fc.constant('put' as const),
    kind: fc.constant('set' as const),
    key,
    field,
    value: fc.constant(true),
    ttlMs: fc.constant(0),
  }),
  fc.record({
    type: fc.constant('put' as const),
    kind: fc.constant('map' as const),
    key,
    field,
    value,
    ttlMs: fc.constant(0),
  }),
  fc.record({
    type: fc.constant('remove' as const),
    kind: fc.constantFrom('set' as const, 'map' as const),
    key,
    field: fc.option(field, { nil: undefined }),
  }),
  fc.record({
    type: fc.constant('remove' as const),
    kind: fc.constantFrom('register' as const, 'counter' as const),
    key,
    field: fc.constant(''),
  }),
  fc.record({ type: fc.constant('increment' as const), key, by: fc.integer({ min: -3, max: 3 }) }),
);
/** Who writes what, and to whom it is told at once. */
const steps = fc.array(
  fc.record({ at: fc.nat(2), write, to: fc.subarray([0, 1, 2]), whole: fc.boolean(), afterMs: fc.nat(3) }),
  { maxLength: 25 },
);

/** Few places, so that much happens in each. */
const crowded = fc.array(
  fc.record({
    at: fc.nat(2),
    write: fc.record({
      type: fc.constantFrom('put' as const, 'put' as const, 'remove' as const),
      kind: fc.constant('set' as const),
      key: fc.constant('k'),
      field: fc.constantFrom('x', 'x', 'x', 'y'),
      value: fc.constant(true),
      ttlMs: fc.constant(0),
    }),
    to: fc.subarray([0, 1, 2]),
    whole: fc.boolean(),
    afterMs: fc.nat(3),
  }),
  { maxLength: 12 },
);

/** Three replicas that write; every message they had to tell, and who of them has heard it. */
function history(all: readonly { at: number; write: Write; to: readonly number[]; afterMs: number }[]) {
  const replicas = WRITERS.map(replica);
  const told: Cell[][] = [];
  let nowMs = START_MS;
  for (const { at, write, to, afterMs } of all) {
    nowMs += afterMs;
    const effects = (replicas[at] as Replica).handle({ type: 'write', write, wanted: undefined }, 0, nowMs);
    const put = effects.flatMap((effect) => (effect.type === 'save' ? effect.put : [])) as Cell[];
    told.push(put);
    for (const other of to) if (other !== at) merge(replicas[other], put, nowMs);
  }
  return { replicas, told, nowMs };
}

const runs = { numRuns: 200 };

describe('merging', () => {
  test('is commutative, associative and idempotent: any order, with repetitions, makes the same', () => {
    fc.assert(
      fc.property(steps, fc.infiniteStream(fc.nat()), (all, numbers) => {
        const cells = history(all).told.flat();
        const inOrder = { table: new Table(DEFAULT_STORE_LIMITS) };
        for (const cell of cells) inOrder.table.merge(cell);
        const shuffled = [...cells, ...cells]
          .map((cell) => [numbers.next().value as number, cell] as const)
          .sort(([a], [b]) => a - b);
        const other = { table: new Table(DEFAULT_STORE_LIMITS) };
        for (const [, cell] of shuffled) other.table.merge(cell);
        expect(held(other)).toEqual(held(inOrder));
        expect(other.table.root).toEqual(inOrder.table.root);
        // Two halves that are merged afterwards.
        const halves = [0, 1].map((half) => {
          const table = new Table(DEFAULT_STORE_LIMITS);
          for (const [i, cell] of cells.entries()) if (i % 2 === half) table.merge(cell);
          return table;
        }) as [Table, Table];
        for (const cell of halves[1].all()) halves[0].merge(cell);
        expect(held({ table: halves[0] })).toEqual(held(inOrder));
      }),
      runs,
    );
  });

  test('what writes tell is as good as whole states', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { replicas, told, nowMs } = history(all);
        const byDeltas = replica('d'.repeat(16));
        for (const cells of told) merge(byDeltas, cells, nowMs);
        const byStates = replica('e'.repeat(16));
        for (const { table } of replicas) merge(byStates, [...table.all()], nowMs);
        expect(held(byDeltas)).toEqual(held(byStates));
      }),
      runs,
    );
  });

  test('an order of versions is total, and a removed one is above the same one', () => {
    const cell = fc
      .record({ time: fc.integer({ min: 1, max: 3 }), writer: fc.constantFrom(...WRITERS), removed: fc.boolean() })
      .map((one) =>
        makeCell(
          { kind: 'register', key: 'k', field: '', expiresAtMs: 0, value: one.removed ? undefined : 1, ...one },
          1,
        ),
      );
    fc.assert(
      fc.property(cell, cell, cell, (a, b, c) => {
        expect(Math.sign(compareCells(a, b))).toBe(-Math.sign(compareCells(b, a)) || 0);
        if (compareCells(a, b) >= 0 && compareCells(b, c) >= 0) expect(compareCells(a, c)).toBeGreaterThanOrEqual(0);
        if (!a.removed) expect(compareCells(removedCell(a), a)).toBeGreaterThan(0);
      }),
    );
  });
});

describe('against a model', () => {
  test('a removal wins over what it has seen, and over nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(steps, crowded), (all) => {
        /** Of each put of an element or field its number, and which of them each replica has seen removed. */
        const replicas = WRITERS.map(replica);
        const model = WRITERS.map(() => ({ puts: new Map<number, string>(), removed: new Set<number>() }));
        /** Who hears of a put knows that its writer's earlier ones in the same place are replaced. */
        const before = (n: number) =>
          [...all.entries()].filter(([earlier, { at, write }]) => {
            const later = all[n];
            return (
              earlier < n &&
              at === later?.at &&
              write.type === 'put' &&
              later.write.type === 'put' &&
              `${write.kind} ${write.key} ${write.field}` ===
                `${later.write.kind} ${later.write.key} ${later.write.field}`
            );
          });
        let nowMs = START_MS;
        for (const [n, { at, write, to, whole, afterMs }] of all.entries()) {
          nowMs += afterMs;
          const own = model[at] as (typeof model)[0];
          if (write.type === 'increment' || write.kind === 'register' || write.kind === 'counter') continue;
          const { kind, key, field } = write;
          // Whoever puts replaces what it has seen.
          const seen = [...own.puts].filter(
            ([put, place]) =>
              !own.removed.has(put) &&
              (field === undefined ? place.startsWith(`${kind} ${key} `) : place === `${kind} ${key} ${field}`),
          );
          for (const [put] of seen) own.removed.add(put);
          if (write.type === 'put') own.puts.set(n, `${kind} ${key} ${field}`);
          const effects = (replicas[at] as Replica).handle({ type: 'write', write, wanted: undefined }, 0, nowMs);
          const told = effects.flatMap((effect) => (effect.type === 'save' ? effect.put : [])) as Cell[];
          for (const other of to) {
            if (other === at) continue;
            merge(replicas[other], whole ? [...(replicas[at] as Replica).table.all()] : told, nowMs);
            const theirs = model[other] as (typeof model)[0];
            const puts = whole ? own.puts : new Map(write.type === 'put' ? [[n, `${kind} ${key} ${field}`]] : []);
            for (const [number, place] of puts) theirs.puts.set(number, place);
            for (const number of whole ? own.removed : seen.map(([put]) => put)) theirs.removed.add(number);
            for (const number of [...theirs.puts.keys(), ...theirs.removed]) {
              for (const [earlier] of before(number)) theirs.removed.add(earlier);
            }
          }
        }
        for (const [i, { table }] of replicas.entries()) {
          const { puts, removed } = model[i] as (typeof model)[0];
          const ought = new Set([...puts].filter(([number]) => !removed.has(number)).map(([, place]) => place));
          const is = new Set<string>();
          for (const kind of ['set', 'map'] as const) {
            for (const one of table.keys(kind)) {
              for (const each of table.fields(kind, one)) {
                if (table.visible(kind, one, each, nowMs) !== undefined) is.add(`${kind} ${one} ${each}`);
              }
            }
          }
          expect(is).toEqual(ought);
        }
      }),
      { numRuns: 600 },
    );
  });

  test('a put takes the place of what it has seen, also where that comes later', () => {
    const put = (value: number): Write => ({ type: 'put', kind: 'map', key: 'k', field: 'x', value, ttlMs: 0 });
    const { told } = history([
      { at: 0, write: put(1), to: [1], afterMs: 0 },
      { at: 1, write: put(2), to: [2], afterMs: 1 },
      { at: 2, write: { type: 'remove', kind: 'map', key: 'k', field: 'x' }, to: [], afterMs: 1 },
    ]);
    const one = replica('d'.repeat(16));
    for (const cells of told.reverse()) merge(one, cells, START_MS);
    expect(one.table.visible('map', 'k', 'x', START_MS)).toBe(undefined);
  });

  test('a counter is the sum of all that was added', () => {
    const adding = fc.array(
      fc.record({ at: fc.nat(2), by: fc.integer({ min: -5, max: 5 }), to: fc.subarray([0, 1, 2]) }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(adding, (all) => {
        const { told, nowMs } = history(
          all.map(({ at, by, to }) => ({ at, write: { type: 'increment', key: 'c', by }, to, afterMs: 0 })),
        );
        const one = replica('d'.repeat(16));
        for (const cells of told.reverse()) merge(one, cells, nowMs);
        expect(one.table.visible('counter', 'c', '', nowMs) ?? 0).toBe(all.reduce((sum, { by }) => sum + by, 0));
      }),
      runs,
    );
  });

  test('of a register the latest write is there, whoever wrote it', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ at: fc.nat(2), value }), { minLength: 1, maxLength: 20 }), (all) => {
        const put = (one: (typeof all)[0]): Write => ({
          type: 'put',
          kind: 'register',
          key: 'k',
          field: '',
          value: one.value,
          ttlMs: 0,
        });
        const { told, nowMs } = history(all.map((one) => ({ at: one.at, write: put(one), to: [], afterMs: 1 })));
        const one = replica('d'.repeat(16));
        for (const cells of told.reverse()) merge(one, cells, nowMs);
        expect(one.table.visible('register', 'k', '', nowMs)).toBe(all.at(-1)?.value);
      }),
      runs,
    );
  });
});

describe('messages', () => {
  test('cells are read as they were told', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const cells = history(all).told.flat();
        expect(readCells(tellCells('s', cells), DEFAULT_STORE_LIMITS, () => {})).toEqual(cells);
      }),
      runs,
    );
  });

  test('what is no cell is left out by itself', () => {
    const bad = fc.oneof(
      fc.anything(),
      fc.tuple(fc.nat(4), fc.string(), fc.string(), fc.constant(9), fc.nat(), fc.nat(3), fc.nat(), fc.anything()),
      fc.constantFrom([3, 'c', '', 0, 1, 0, 0, Number.NaN], [0, 'k', '', 0, 1, 0, 0, new Date(Number.NaN)]),
    );
    fc.assert(
      fc.property(steps, fc.array(fc.tuple(fc.nat(), bad), { maxLength: 5 }), (all, more) => {
        const cells = history(all).told.flat();
        const message = tellCells('s', cells);
        const c = [...message.c];
        for (const [place, one] of more) c.splice(place % (c.length + 1), 0, one as never);
        let refused = 0;
        expect(readCells({ ...message, c }, DEFAULT_STORE_LIMITS, () => refused++)).toEqual(cells);
        expect(refused).toBe(more.length);
      }),
      runs,
    );
  });

  test('whatever else comes in is refused or counted, never more', () => {
    const any = fc.anything({ withBigInt: true, withDate: true, withTypedArray: true });
    const hostile = fc.oneof(
      any,
      fc.record(
        {
          n: fc.constant('s'),
          w: fc.oneof(any, fc.constant(WRITERS)),
          c: fc.oneof(any, fc.array(any)),
          p: any,
          f: fc.oneof(any, fc.maxSafeNat()),
          m: any,
          k: fc.oneof(any, fc.array(fc.maxSafeNat(), { minLength: 3, maxLength: 3 })),
          r: fc.oneof(any, fc.constant([0, 0])),
          d: any,
          x: any,
        },
        { requiredKeys: [] },
      ),
      fc.record({
        n: fc.constant('s'),
        w: fc.constant(WRITERS),
        c: fc.array(fc.tuple(fc.nat(4), fc.string(), fc.string(), fc.nat(3), fc.nat(), fc.nat(3), fc.nat(), any)),
      }),
    );
    const put: Write = { type: 'put', kind: 'map', key: 'after all', field: 'x', value: 1, ttlMs: 0 };
    fc.assert(
      fc.property(hostile, fc.constantFrom('compare' as const, 'pull' as const, 'put' as const), (message, what) => {
        const one = replica('d'.repeat(16));
        one.handle({ type: 'members', alive: ['m'], all: ['m'] }, START_MS, START_MS);
        const asks = one.handle({ type: 'tick' }, START_MS + 5000, START_MS + 5000);
        one.handle({ type: 'told', from: 'm', message }, START_MS + 5000, START_MS + 5000);
        one.handle({ type: 'asked', from: 'm', what, message, ref: 1 }, START_MS + 5000, START_MS + 5000);
        for (const effect of asks) {
          if (effect.type === 'ask')
            one.handle({ type: 'answered', from: 'm', message, ref: effect.ref }, START_MS + 5000, START_MS + 5000);
        }
        one.handle({ type: 'tick' }, START_MS + 60_000, START_MS + 60_000);
        // Whatever it was, what is written is there, and neither forgotten nor out of date at once.
        one.handle({ type: 'write', write: put, wanted: undefined }, START_MS + 60_000, START_MS + 60_000);
        expect(one.table.visible('map', 'after all', 'x', START_MS + 60_000)).toBe(1);
        expect(one.table.floor).toBeLessThanOrEqual(timeAt(START_MS + 60_000));
      }),
      { numRuns: 500 },
    );
  });
});

describe('values', () => {
  test('are kept as they are, apart from who gave them, and no smaller than they are measured', () => {
    const plain = fc.anything({
      withBigInt: false,
      maxDepth: 4,
      key: fc.string().filter((name) => name !== '__proto__'),
      values: [
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => one + 0),
        fc.date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-01-01') }),
        fc.uint8Array(),
      ],
    });
    fc.assert(
      fc.property(plain, (one) => {
        const { value: kept, bytes } = keep(one, 1_000_000);
        expect(kept).toEqual(one);
        expect(bytes).toBeGreaterThan(0);
      }),
      runs,
    );
  });

  test.each([msgpack(), json()])(
    'what is kept here is kept where it is told by $name, and whatever else is refused',
    (codec) => {
      const date = fc.oneof(fc.date(), fc.constant(new Date(Number.NaN)));
      const text = fc.oneof(fc.string(), fc.constantFrom(`\ud800${'a'.repeat(300)}`, 'a\udc00', '\u{1f600}'));
      const values = [
        text,
        fc.oneof(fc.double(), fc.constant(Number.NaN)),
        fc.bigInt(),
        date,
        fc.uint8Array(),
        fc.constantFrom(undefined, new Array(3), new Map(), new Uint16Array(2)),
      ];
      const any = fc.anything({ values, key: text, maxDepth: 2 });
      fc.assert(
        fc.property(any, (one) => {
          let kept: ReturnType<typeof keep>;
          try {
            kept = keep(one, 1_000_000);
          } catch (error) {
            expect(error).toBeInstanceOf(GossipError);
            return;
          }
          const [kind, key, field, writer] = ['map' as const, 'k', 'x', 'a'.repeat(16)];
          const data = { kind, key, field, writer, time: 1, removed: false, expiresAtMs: 0, value: kept.value };
          const told = codec.decode(codec.encode(tellCells('s', [makeCell(data, kept.bytes)])));
          const refused: string[] = [];
          const cells = readCells(told, DEFAULT_STORE_LIMITS, (reason) => refused.push(reason));
          expect([cells.length, refused]).toEqual([1, []]);
          if (codec.name === 'msgpack') expect(cells[0]?.value).toEqual(kept.value);
        }),
        { numRuns: 500 },
      );
    },
  );

  test('a text is measured as UTF-8', () => {
    const codePoint = fc.oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }));
    fc.assert(
      fc.property(fc.array(codePoint), (points) => {
        const text = String.fromCodePoint(...points);
        expect(utf8Bytes(text)).toBe(new TextEncoder().encode(text).length);
      }),
      { numRuns: 50 },
    );
  });
});
