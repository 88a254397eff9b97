/** What a command takes, by estimate: never less than any codec makes of it. */
import { expect, test } from 'vitest';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { bytesAtMost } from '../../src/quorum/size.js';

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
