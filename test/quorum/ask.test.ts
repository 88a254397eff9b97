/** What another member's answer may be, of which nothing is known. */
import { expect, test } from 'vitest';
import { isTold, refusal, type Told } from '../../src/quorum/ask.js';

const told = (outcome: unknown) => ({ outcome, leader: 'm0', token: 1, voters: ['m0'] });

test('an outcome is a result or a refusal that is a text, and a refusal nobody knows is none', () => {
  for (const outcome of [undefined, {}, { result: 7 }, { refused: 'busy' }]) expect(isTold(told(outcome))).toBe(true);
  for (const outcome of [null, 7, 'busy', { refused: 7 }, { refused: null }, { refused: {} }])
    expect(isTold(told(outcome))).toBe(false);
  for (const refused of ['constructor', 'toString', '__proto__', 'busy', 'what']) {
    expect(refusal(told({ refused }).outcome as Told['outcome'])).toBeUndefined();
  }
  expect(refusal({ refused: 'overloaded' })?.code).toBe('ERR_OVERLOADED');
});
