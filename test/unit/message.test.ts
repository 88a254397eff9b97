/** Kinds of messages and requests, and their schemas. */
import { describe, expect, test } from 'vitest';
import { defineMessage, defineRequest, type Schema } from '../../src/index.js';
import { validate } from '../../src/message.js';

const kinds: [string, (type: number) => { readonly type: number }][] = [
  ['messages', defineMessage],
  ['requests', defineRequest],
];

describe.each(kinds)('%s', (_, define) => {
  test.each([128, 129, 65_535])('may have the type %i', (type) => {
    expect(define(type).type).toBe(type);
    expect(Object.isFrozen(define(type))).toBe(true);
  });

  test.each([127, 65_536, 0, -1, 128.5, Number.NaN, Number.POSITIVE_INFINITY, '129' as unknown as number])(
    'may not have the type %s',
    (type) => {
      expect(() => define(type)).toThrow(
        expect.objectContaining({
          code: 'ERR_OPTION',
          message: `message type ${type} must be an integer from 128 to 65535`,
        }),
      );
    },
  );
});

describe('validate', () => {
  const schema = (check: (value: unknown) => unknown): Schema => ({
    '~standard': { version: 1, vendor: 'test', validate: check as Schema['~standard']['validate'] },
  });

  test('lets everything through without a schema', async () => {
    expect(await validate(undefined, 'x')).toBe('x');
  });

  test('gives what the schema made of it, at once or later', async () => {
    expect(
      await validate(
        schema(() => ({ value: 'made' })),
        'x',
      ),
    ).toBe('made');
    expect(
      await validate(
        schema(async () => ({ value: undefined })),
        'x',
      ),
    ).toBe(undefined);
  });

  test.each([
    ['issues', () => ({ issues: [{ message: 'too short' }, { message: 'too dull' }] }), 'too short; too dull'],
    ['later issues', async () => ({ issues: [{ message: 'no' }] }), 'no'],
    ['no reason', () => ({ issues: [] }), ''],
    ['a rejection', () => Promise.reject(new Error('offline')), 'offline'],
    ['no result at all', () => undefined, expect.stringMatching(/undefined/)],
    [
      'a throw',
      () => {
        throw new Error('broken');
      },
      'broken',
    ],
  ])('refuses by %s', async (_, check, message) => {
    await expect(validate(schema(check), 'x')).rejects.toMatchObject({ code: 'ERR_INVALID_DATA', message });
  });
});
