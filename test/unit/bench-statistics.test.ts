import { describe, expect, test } from 'vitest';
import { BYTES, Tally, TEXT } from '../../bench/contract.mjs';
import { median, quantile } from '../../bench/statistics.mjs';

describe('what the benches count with', () => {
  test('quantiles are values that were seen, whatever the order; of nothing there are none', () => {
    const values = [9, 1, 10, 2, 3, 8, 4, 7, 5, 6];
    expect(median(values)).toBe(5);
    expect(quantile(values, 0.99)).toBe(10);
    expect(quantile(values, 0)).toBe(1);
    expect(median([1, Number.POSITIVE_INFINITY, 2])).toBe(2);
    expect(quantile([], 0.5)).toBeUndefined();
    expect(values[0]).toBe(9);
  });

  test('messages have the size that was asked for and say what was put in', () => {
    for (const form of [BYTES, TEXT]) {
      const message = form.make(3, 70_000, 1_764_000_000_123.25, 100);
      expect(message).toHaveLength(100);
      expect(form.read(message as never)).toEqual([3, 70_000, 1_764_000_000_123.25]);
    }
  });

  test('a tally counts each message of a run once, and what comes again apart', () => {
    const tally = new Tally();
    for (const number of [0, 1, 1, 200_000, 0]) tally.take([7, number, Date.now()]);
    expect(tally.heard(7)).toMatchObject({ messages: 3, duplicates: 2 });
    tally.take([8, 0, Date.now()]);
    expect(tally.heard(8)).toMatchObject({ messages: 1, duplicates: 0 });
    expect(tally.heard(9)).toMatchObject({ messages: 0, p50Ms: undefined });
  });
});
