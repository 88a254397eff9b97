/** What a leader takes into its log: what others read as the same, under every codec, and no more than is reckoned with. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { bytesAtMost, readCommand } from '../../src/quorum/size.js';
import { tries } from '../effort.js';

test('no codec makes more of a value than is reckoned with', () => {
  const texts = ['\u0001', '"', 'x', 'é', '€', '😀'].map((letter) => letter.repeat(1000));
  const numbers = [-1 / 3e300, Number.MAX_SAFE_INTEGER, 2n ** 63n - 1n];
  const lists = [new Date(1e12), false, null, '', ...numbers].map((item) => Array(500).fill(item));
  for (const value of [
    ...texts,
    ...lists,
    new Uint8Array(1000),
    Object.fromEntries(texts.map((text) => [text, text])),
  ]) {
    for (const codec of [json(), msgpack()]) {
      const bytes = codec.encode(value).length;
      expect(bytesAtMost(value), `${codec.name}: ${JSON.stringify(String(value).slice(0, 9))}`).toBeGreaterThanOrEqual(
        bytes,
      );
    }
  }
  // All that it says is there may be used.
  expect(bytesAtMost('x'.repeat(32_000))).toBeLessThan(32 * 1024);
});

test.each([msgpack(), json()])('a command that is taken is read as it is by whoever is sent it by $name', (codec) => {
  const text = fc.oneof(fc.string(), fc.constantFrom(`${'a'.repeat(300)}\ud800`, '\u{1f600}', '__proto__'));
  const values = [
    text,
    fc.double(),
    fc.oneof(fc.bigInt(), fc.bigInt({ min: -9n, max: 9n })),
    fc.constantFrom(undefined, null, true, -0, new Array(2), new Map(), () => {}, Symbol('x')),
    // Of these JSON makes texts, as the docs of the machine say.
    ...(codec.name === 'json' ? [] : [fc.uint8Array(), fc.date()]),
  ];
  let taken = 0;
  fc.assert(
    fc.property(fc.anything({ values, key: text, maxDepth: 3 }), (given) => {
      const read = readCommand(given);
      if ('refused' in read) return;
      taken++;
      expect(codec.decode(codec.encode(read.command))).toStrictEqual(read.command);
    }),
    { numRuns: tries(2000) },
  );
  expect(taken).toBeGreaterThan(20);
});
