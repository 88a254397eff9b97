/** Which metadata fits which criterion; texts as in the Go library's node groups. */
import { expect, test } from 'vitest';
import { type Criterion, matcher } from '../../src/group/criteria.js';
import type { Member } from '../../src/index.js';

function member(metadata: Record<string, unknown>, tags: string[] = []): Member {
  const rest = { via: undefined, state: 'alive', applicationVersion: '', protocol: 'native' } as const;
  return { id: '01900000-0000-7000-8000-000000000001', address: 'm1', tags, metadata, ...rest };
}

const NOON = new Date('2026-11-27T12:00:00.250Z');

test.each<[Criterion, unknown[], unknown[]]>([
  ['eu', ['eu'], ['us', '', 'eu-1', ['eu'], null]],
  ['', [''], ['eu', null, []]],
  ['*', ['eu', '', 0, false, null, [], {}, new Uint8Array()], []],
  ['~web', ['web', 'a,web,b'], ['wob', '', ['web'], null]],
  ['~', ['', 'anything', 5], [null, {}]],
  ['a~b*', ['a~b*'], ['ab', 'a~bc']],
  [3, [3, 3n, '3'], [3.5, '3.0', 30, true]],
  ['3', [3, 3n, '3'], [30]],
  [9007199254740993n, [9007199254740993n, '9007199254740993'], [9007199254740992]],
  [1e21, [1e21, '1000000000000000000000'], ['1e+21', 1e22]],
  ['0.00000000125', [1.25e-9], ['1.25e-9']],
  ['-1500000000000000000000000', [-1.5e24], [1.5e24]],
  [true, [true, 'true'], [1, 'yes', false]],
  ['false', [false, 'false'], [0, '']],
  [NOON, [NOON, new Date('2026-11-27T12:00:00Z'), '2026-11-27T12:00:00Z'], [new Date(0), new Date(Number.NaN)]],
  [/^eu-\d$/, ['eu-1'], ['eu-', 'xeu-1', ['eu-1']]],
  [/^1\d$/, [12, 12n], [2, 123]],
  [(value) => Number(value) < 0.5, [0, 0.4, '0.1', null], [0.5, 1, 'x']],
  [(value) => Array.isArray(value) && value.includes('web'), [['db', 'web']], [['db'], 'web']],
])('%s', (criterion, fitting, others) => {
  const matches = matcher({ where: { key: criterion } });
  for (const value of fitting) expect(matches(member({ key: value })), String(value)).toBe(true);
  for (const value of others) expect(matches(member({ key: value })), String(value)).toBe(false);
  expect(matches(member({}))).toBe(false);
  expect(matches(member({ key: undefined }))).toBe(false);
});

test('a pattern with a memory of its own matches the same every time', () => {
  for (const flags of ['g', 'y', 'gy', '']) {
    const matches = matcher({ where: { zone: new RegExp('eu', flags) } });
    expect([1, 2, 3].map(() => matches(member({ zone: 'eu' })))).toEqual([true, true, true]);
  }
});

test('all criteria must fit, and the tag; with none of them everybody does', () => {
  const web = matcher({ tag: 'web', where: { zone: 'eu', load: '*' } });
  expect(web(member({ zone: 'eu', load: 1 }, ['db', 'web']))).toBe(true);
  expect(web(member({ zone: 'eu', load: 1 }, ['webs']))).toBe(false);
  expect(web(member({ zone: 'us', load: 1 }, ['web']))).toBe(false);
  expect(web(member({ zone: 'eu' }, ['web']))).toBe(false);
  expect(matcher({})(member({}))).toBe(true);
  expect(matcher({ where: {} })(member({}))).toBe(true);
});

test('what every object has is nobody’s metadata', () => {
  expect(matcher({ where: { constructor: '*' } })(member({}))).toBe(false);
  expect(matcher({ where: { toString: () => true } })(member({}))).toBe(false);
});

test('what is no criterion is refused, by the name of its key', () => {
  for (const wrong of [null, undefined, {}, [], Symbol('x'), new Date(Number.NaN)]) {
    expect(() => matcher({ where: { zone: wrong as Criterion } })).toThrow(/where\.zone/);
  }
  expect(() => matcher({ tags: ['web'] } as object)).toThrow('option tags is unknown; there are tag, where');
  expect(() => matcher({ tag: 5 as never })).toThrow('tag of a group must be a text');
  expect(() => matcher({ tag: '' })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
});
