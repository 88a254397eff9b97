/** Texts as criteria of a group mean what they mean to the Go library: its own node groups say whom they take. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { matcher } from '../../src/group/criteria.js';
import type { Member } from '../../src/index.js';
import { goBuild } from './go-build.js';
import { describeWithGo } from './harness.js';

const folder = mkdtempSync(join(tmpdir(), 'isogossip-go-groups-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A value as Go sets it, and as it comes to us. */
interface Value {
  kind: 'string' | 'int64' | 'uint64' | 'float64' | 'bool' | 'none';
  value: string;
  ours: unknown;
}
const of = (kind: Value['kind'], value: string, ours: unknown): Value => ({ kind, value, ours });

const NUMBERS = [0, 1, -1, 0.5, -2.25, 1e6, 123456789.125, 2 ** 53, 1e21, 1.5e300, 1e-6, 1e-7, -2.5e-9, 5e-324];
const INTEGERS = [0n, 1n, -1n, 42n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n];
const TEXTS = ['', ' ', 'eu', 'eu-1', 'EU', '*', '~', '~eu', 'a~eu*', 'true', '42', '0.5', '1e21', 'ünïcode', '-1'];

const VALUES: Value[] = [
  of('none', '', undefined),
  ...TEXTS.map((text) => of('string', text, text)),
  ...INTEGERS.map((value) => of('int64', String(value), value)),
  ...INTEGERS.filter((value) => value >= -(2n ** 53n) && value < 2n ** 53n).map((value) =>
    of('int64', String(value), Number(value)),
  ),
  of('uint64', String(2n ** 64n - 1n), 2n ** 64n - 1n),
  ...NUMBERS.map((value) => of('float64', String(value), value)),
  of('bool', 'true', true),
  of('bool', 'false', false),
];

function member(key: unknown): Member {
  const rest = {
    address: 'm',
    via: undefined,
    state: 'alive',
    tags: [],
    applicationVersion: '',
    protocol: 'v1',
  } as const;
  return { id: '01900000-0000-7000-8000-000000000001', metadata: key === undefined ? {} : { key }, ...rest };
}

describeWithGo('criteria', () => {
  test('take whom the Go library takes', { timeout: 120_000 }, () => {
    const binary = join(folder, 'groups');
    goBuild(binary, ['./groups']);
    const plain = NUMBERS.map((value) =>
      value.toLocaleString('en-US', { useGrouping: false, maximumFractionDigits: 20 }),
    );
    const words = [
      ...TEXTS,
      ...INTEGERS.map(String),
      ...plain.slice(0, 8),
      '1000000000000000000000',
      '0.0000001',
      '0.000001',
    ];
    const random = new Random(1);
    const parts = VALUES.map(({ value }) => {
      const at = random.below(value.length + 1);
      return `~${value.slice(at, at + 1 + random.below(3))}`;
    });
    const questions = VALUES.flatMap((value) => [...words, ...parts].map((criterion) => ({ ...value, criterion })));
    const input = questions.map(({ kind, value, criterion }) => JSON.stringify({ kind, value, criterion })).join('\n');
    const answers = execFileSync(binary, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] })
      .trim()
      .split('\n');
    expect(answers).toHaveLength(questions.length);
    const ours = questions.map(({ ours, criterion }) => matcher({ where: { key: criterion } })(member(ours)));
    const differ = questions.filter((_, index) => String(ours[index]) !== answers[index]);
    expect(differ.map(({ kind, value, criterion }) => `${kind} ${value} as ${criterion}`)).toEqual([]);
    expect(answers.filter((answer) => answer === 'true').length).toBeGreaterThan(200);
  });
});
