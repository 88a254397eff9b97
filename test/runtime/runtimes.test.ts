/**
 * What `npm run test:runtimes` and `test:browsers` make of the contracts' results, and that the matrix they write says the same
 * in both places.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { matrix, replaceMatrix } from '../../tools/runtimes/matrix.mjs';
import { failures, runContracts } from '../../tools/runtimes/run.mjs';
import { runtimes } from '../../tools/runtimes/runtimes.mjs';

test('README.md and docs/runtimes-matrix.md have the same matrix', () => {
  const readme = readFileSync('README.md', 'utf8');
  const docs = readFileSync('docs/runtimes-matrix.md', 'utf8');
  const table = /(\| suite[\s\S]*\|)\n<!-- end of matrix -->/.exec(docs)?.[1];
  expect(replaceMatrix(readme, table)).toBe(readme);
  for (const { title } of runtimes) expect(table).toContain(` ${title} `);
});

test('the matrix tells what failed, what is not there and what did not run', () => {
  const result = (suite: string, ok = true) => ({ suite, name: 'x', ok, tookMs: 1 });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name, title: name.toUpperCase() }));
  const reports = {
    a: { trace: '0123456789', results: [result('one'), result('one'), result('last')] },
    b: { trace: '0123456789', results: [result('one', false), result('one'), result('mine'), result('last')] },
  };
  expect(
    matrix([a, b, c], reports)
      .split('\n')
      .map((line) => line.replace(/ +/g, ' ')),
  ).toEqual([
    '| suite | A | B | C |',
    expect.stringMatching(/^\|-+\|-+\|-+\|-+\|$/),
    '| one | 2 | **1 of 2 failed** | not run |',
    '| mine | – | 1 | not run |',
    '| last | 1 | 1 | not run |',
    '| trace of seed 1 | `012345…` | `012345…` | not run |',
  ]);
});

test('a runtime that does not run, is another, or runs nothing has failed', async () => {
  const empty = { runtime: 'Y 1', trace: '', results: [] };
  const broken = [
    { name: 'x', title: 'X', run: () => Promise.reject(new Error('it is not there')) },
    { name: 'y', title: 'Y', run: async () => empty },
    { name: 'z', title: 'Z', run: async () => ({ ...empty, results: [{}] }) },
  ];
  const { outcomes } = await runContracts(broken);
  expect(broken.flatMap((runtime) => failures(runtime, outcomes.get(runtime.name)))).toEqual([
    'X: not run: it is not there',
    'Y: not run: it ran nothing',
    'Z: not run: this is Y 1, not Z',
  ]);
});
