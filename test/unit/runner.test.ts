/** The runner of the contracts where there is no other: that it can fail. */
import { expect, test } from 'vitest';
import { createRunner } from '../runtime/runner.js';

/** The names of tests that failed. */
async function failed(define: (runner: ReturnType<typeof createRunner>) => void): Promise<string[]> {
  const runner = createRunner(50);
  define(runner);
  const results = await runner.run();
  for (const { ok, error } of results) expect(ok).toBe(error === undefined);
  return results.filter(({ ok }) => !ok).map(({ name }) => name);
}

test('what throws, rejects, does not end or leaves an error behind has failed, and the others run', async () => {
  const names = await failed(({ test, uncaught }) => {
    test('fine', () => {});
    test('throws', () => {
      throw new Error('no');
    });
    test('throws nothing', () => {
      throw undefined;
    });
    test('rejects', () => Promise.reject(new Error('no')));
    test('does not end', () => new Promise(() => {}));
    test('leaves an error', () => uncaught(new Error('no')));
    test('fine too', async () => {});
  });
  expect(names).toEqual(['throws', 'throws nothing', 'rejects', 'does not end', 'leaves an error']);
});

test('results have their suite and the reason', async () => {
  const runner = createRunner();
  runner.suite('one', () => runner.test('a', () => runner.assert.equal(1, 2, 'sums')));
  runner.suite('two', () => runner.test('b', () => {}));
  const [a, b] = await runner.run();
  expect(a).toMatchObject({ suite: 'one', name: 'a', ok: false });
  expect(a?.error).toContain('sums: 1 where 2 was expected');
  expect(b).toMatchObject({ suite: 'two', name: 'b', ok: true });
});

const values = (): unknown[] => [
  ...[0, -0, 1, '1', true, null, undefined, Number.NaN, 1n, '', [], {}, [1], [1, 2], [undefined], { a: undefined }],
  ...[{ a: 1 }, { b: 1 }, { a: 1, b: 1 }, { a: { b: [1n] } }, { a: { b: [2n] } }],
  ...[new Date(0), new Date(1), new Uint8Array(0), new Uint8Array(1), new Uint8Array([1])],
];

test('equal and deepEqual take what is the same, and nothing else', async () => {
  const [ones, others] = [values(), values()];
  for (const [i, one] of ones.entries()) {
    for (const [j, other] of others.entries()) {
      const names = await failed(({ test, assert }) => {
        test('deepEqual', () => assert.deepEqual(one, other));
        test('equal', () => assert.equal(one, other));
      });
      const isObject = typeof one === 'object' && one !== null;
      const same = i === j ? (isObject ? ['equal'] : []) : ['deepEqual', 'equal'];
      expect(names, `${i} and ${j}`).toEqual(same);
    }
  }
});

test('ok takes what is true', async () => {
  const names = await failed(({ test, assert }) => {
    for (const value of [0, '', null, undefined, false, Number.NaN]) test(String(value), () => assert.ok(value));
    for (const value of [1, 'x', {}, true]) test(String(value), () => assert.ok(value));
  });
  expect(names).toEqual(['0', '', 'null', 'undefined', 'false', 'NaN']);
});
