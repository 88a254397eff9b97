/** Rows are kept as a map would keep them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemberRow, toRecord } from '../../src/core/row.js';
import { Rows } from '../../src/core/rows.js';
import { tries } from '../effort.js';
import { idOf, oneCore } from './one-core.js';

const record = toRecord(oneCore().self, true);
const row = (n: number) => new MemberRow({ ...record, id: idOf(n) }, 0);

test('whatever comes and goes, each is found by its id, and all are in the order in which they came', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { maxLength: 300, size: 'max' }), (changes) => {
      const rows = new Rows();
      const map = new Map<number, MemberRow>();
      for (const n of changes) {
        if (map.delete(n)) rows.delete(idOf(n));
        else {
          map.set(n, row(n));
          rows.add(map.get(n) as MemberRow);
        }
        expect(rows.size).toBe(map.size);
      }
      for (let n = 0; n <= 61; n++) expect(rows.get(idOf(n))).toBe(map.get(n));
      expect([...rows.values()]).toEqual([...map.values()]);
    }),
    { numRuns: tries(1000) },
  );
});

test('who looks at all of them may take some out meanwhile', () => {
  const rows = new Rows();
  for (let n = 0; n < 100; n++) rows.add(row(n));
  const seen: string[] = [];
  for (const { id } of rows.values()) {
    seen.push(id);
    rows.delete(id);
  }
  expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => idOf(n)));
  expect(rows.size).toBe(0);
});
