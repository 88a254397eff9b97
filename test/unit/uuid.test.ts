/** Identities nobody chose. */
import { expect, test } from 'vitest';
import { isMemberId } from '../../src/core/member-id.js';
import { randomSeed, uuidV7 } from '../../src/uuid.js';

test('a UUIDv7 carries its time, version and variant, and never comes twice', () => {
  const before = Date.now();
  const ids = Array.from({ length: 10_000 }, uuidV7);
  const after = Date.now();
  expect(new Set(ids).size).toBe(ids.length);
  const unixMs = (id: string) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
  const wrong = ids.filter(
    (id) =>
      !(isMemberId(id) && id[14] === '7' && /[89ab]/.test(id[19] ?? '') && unixMs(id) >= before && unixMs(id) <= after),
  );
  expect(wrong).toEqual([]);
});

test('a seed is an integer of 52 bits', () => {
  const seeds = Array.from({ length: 1000 }, randomSeed);
  expect(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0 && seed < 2 ** 52)).toBe(true);
  expect(Math.max(...seeds)).toBeGreaterThan(2 ** 50);
  expect(new Set(seeds).size).toBe(seeds.length);
});
