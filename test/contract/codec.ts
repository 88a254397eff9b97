/** What every codec must do. Imports no test runner, so that it runs anywhere and others can certify theirs. */
import type { Codec } from '../../src/codec/codec.js';
import { GossipError } from '../../src/errors.js';
import type { TestApi } from './assert.js';

/** One codec and what its format can tell apart. */
export interface CodecKind {
  name: string;
  create(options?: { depthMax: number }): Codec;
  /** Bytes come back as bytes (when they are not valid UTF-8). */
  bytes: boolean;
  /** A `Date` comes back as a `Date`. */
  dates: boolean;
}

const INTEGERS: readonly (number | bigint)[] = [
  ...[0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000],
  ...[-1, -32, -33, -128, -129, -32_768, -32_769, -0x8000_0000, -0x8000_0001, -0x1_0000_0000],
  ...[Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  ...[2n ** 53n, 2n ** 53n + 1n, 59_080_778_570_848_261n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
  ...[-(2n ** 53n), -(2n ** 53n) - 1n, -(2n ** 63n)],
];

/** Defines the suite's tests for one codec. */
export function codecContract({ test, assert }: TestApi, kind: CodecKind): void {
  const codec = kind.create();
  const same = (value: unknown, expected: unknown = value) =>
    assert.deepEqual(codec.decode(codec.encode(value)), expected);
  const check = (what: string, body: () => void) => test(`${kind.name}: ${what}`, body);

  const refuses = (call: () => unknown, what: string) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown instanceof GossipError && thrown.code === 'ERR_CODEC', `${what}: ${String(thrown)}`);
  };

  check('has a name', () => assert.ok(codec.name.length > 0));

  check('carries what JSON knows', () => {
    for (const value of [null, true, false, '', 'a', 'héllo ✓ 🎉', '"\\\n\u0000', 1.5, -0.1, 1e300, 5e-324])
      same(value);
    same([]);
    same({});
    same([1, 'a', [true, [null]]]);
    same({ a: 1, 'b c': { d: [1, { e: '' }] }, '': 0, 7: 'seven', constructor: 1, toString: 2 });
    same('x'.repeat(70_000));
    same(Array.from({ length: 70_000 }, (_, i) => i));
    same(Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i])));
  });

  check('carries every 64-bit integer exactly: as a number where that holds it, else as a bigint', () => {
    for (const value of INTEGERS) {
      same(value);
      same({ in: [value] }, { in: [value] });
    }
    same(5n, 5);
    same(-5n, -5);
    same(4_294_967_296n, 4_294_967_296);
  });

  check('keeps a float beyond 2^53 a float', () => {
    same(2 ** 60);
    same(-1e21);
    same(1e100);
  });

  check('leaves out undefined properties; in a list undefined is null', () => {
    same({ a: 1, b: undefined, c: { d: undefined } }, { a: 1, c: {} });
    same([undefined, 1], [null, 1]);
    same(undefined, null);
  });

  check('does not change what it encodes', () => {
    const value = { big: 5n, list: [2 ** 40, { far: 2 ** 41 }], none: undefined };
    codec.encode(value);
    assert.deepEqual(value, { big: 5n, list: [2 ** 40, { far: 2 ** 41 }], none: undefined });
  });

  check('carries bytes and dates as far as its format can', () => {
    const date = new Date('2026-11-23T10:20:30.456Z');
    const before1970 = new Date('1969-07-20T20:17:40.000Z');
    for (const size of [1, 16, 31, 32, 255, 256, 70_000]) {
      const bytes = new Uint8Array(size).fill(0xfe);
      if (kind.bytes) same({ bytes });
      else assert.equal(typeof codec.decode(codec.encode(bytes)), 'string');
    }
    for (const value of [date, before1970, new Date(0), new Date(2 ** 43)]) {
      if (kind.dates) same({ value });
      else assert.equal(codec.decode(codec.encode(value)), value.toISOString());
    }
  });

  check('shares no memory with what it decodes or encodes', () => {
    const value = { bytes: new Uint8Array(20).fill(0xfe), text: 'text' };
    const encoded = codec.encode(value);
    const copy = encoded.slice();
    const decoded = codec.decode(encoded);
    const expected = codec.decode(copy);
    codec.encode({ something: 'else', to: 'overwrite a shared buffer' });
    assert.deepEqual(encoded, copy);
    encoded.fill(0);
    assert.deepEqual(decoded, expected);
  });

  check('refuses what has no encoding', () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const values: [string, unknown][] = [
      ['a function', () => 1],
      ['a symbol', Symbol('s')],
      ['a cycle', cycle],
      ['2^64', 2n ** 64n],
      ['below -2^63', -(2n ** 63n) - 1n],
      ['an invalid Date', new Date(Number.NaN)],
      ['a Map', new Map()],
      ['a Set', new Set()],
      ['__proto__', JSON.parse('{"__proto__": 1}')],
    ];
    for (const [what, value] of values) {
      refuses(() => codec.encode(value), what);
      refuses(() => codec.encode({ in: [value] }), `${what}, nested`);
    }
    const trap = {
      get boom() {
        throw new Error('boom');
      },
    };
    refuses(() => codec.encode(trap), 'a getter that throws');
    same('still works after failures');
  });

  check('limits depth both ways', () => {
    const nest = (levels: number, leaf: unknown, map: boolean): unknown => {
      let value = leaf;
      for (let i = 0; i < levels; i++) value = map ? { v: value } : [value];
      return value;
    };
    const deep = kind.create({ depthMax: 20_000 });
    for (const map of [true, false]) {
      same(nest(64, 1, map));
      refuses(() => codec.encode(nest(65, 1, map)), 'encoding 65 levels');
      refuses(() => codec.decode(deep.encode(nest(65, 1, map))), 'decoding 65 levels');
      const strict = kind.create({ depthMax: 1 });
      assert.deepEqual(strict.decode(strict.encode(nest(1, 1, map))), nest(1, 1, map));
      refuses(() => strict.encode(nest(2, 1, map)), 'encoding 2 levels where 1 is allowed');
    }
    refuses(() => codec.encode(nest(10_000, 1, false)), 'encoding 10,000 levels');
  });

  check('refuses truncated bytes, trailing bytes and none', () => {
    const bytes = codec.encode({ a: [1, 'text', 1.5], b: { c: 300 } });
    for (let end = 0; end < bytes.length; end++) refuses(() => codec.decode(bytes.subarray(0, end)), `${end} bytes`);
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    refuses(() => codec.decode(longer), 'a trailing byte');
  });
}
