/**
 * What it takes to be in a group: a tag, and values of metadata. Texts mean what they mean to the Go library's node groups,
 * so that a group has the same members on both sides.
 */
import { checkNames, GossipError } from '../errors.js';
import type { Member } from '../index.js';

/**
 * What the value of a metadata key must be.
 *
 * - `'*'`: any value, as long as there is one
 * - `'~part'`: its text contains `part`
 * - another text, a number, a boolean or a Date: it has the same text; 3, `3n` and `'3'` are equal, as in the Go library
 * - a RegExp: its text matches
 * - a function: it answers true for the value
 *
 * Texts, numbers, booleans and Dates (RFC 3339 in seconds) have a text; of lists, maps and bytes only functions and `'*'` can tell.
 */
export type Criterion = string | number | bigint | boolean | Date | RegExp | ((value: unknown) => unknown);

/** Who is in a group. With neither, everybody is. */
export interface GroupCriteria {
  /** A tag that a member must have. */
  tag?: string;
  /** What a member's metadata must be, by key, all of them; who lacks a key is not in. */
  where?: Readonly<Record<string, Criterion>>;
}

/**
 * Makes one question of all criteria.
 * @throws GossipError `ERR_OPTION`
 */
export function matcher(criteria: GroupCriteria): (member: Member) => boolean {
  const { tag, where = {} } = criteria;
  if (tag !== undefined && typeof tag !== 'string')
    throw new GossipError('ERR_OPTION', 'tag of a group must be a text');
  if (tag === '') throw new GossipError('ERR_OPTION', 'tag of a group is empty; leave it out for members of any tag');
  checkNames(criteria, { tag: 1, where: 1 });
  const tests = Object.entries(where).map(([key, criterion]) => [key, compile(key, criterion)] as const);
  return ({ tags, metadata }) =>
    (tag === undefined || tags.includes(tag)) &&
    tests.every(([key, test]) => Object.hasOwn(metadata, key) && metadata[key] !== undefined && test(metadata[key]));
}

function compile(key: string, criterion: Criterion): (value: unknown) => unknown {
  if (typeof criterion === 'function') return criterion;
  // Unlike test(), search() has no memory of where a global or sticky pattern matched last.
  if (criterion instanceof RegExp) return (value) => (textOf(value)?.search(criterion) ?? -1) >= 0;
  const wanted = textOf(criterion);
  if (wanted === undefined) {
    const kinds = 'a text, number, boolean, Date, RegExp or function';
    throw new GossipError('ERR_OPTION', `where.${key} of a group must be ${kinds}`);
  }
  if (criterion === '*') return () => true;
  if (criterion === wanted && wanted.startsWith('~')) return (value) => textOf(value)?.includes(wanted.slice(1));
  return (value) => textOf(value) === wanted;
}

/** A value as the Go library shows it; nothing for what has parts. */
function textOf(value: unknown): string | undefined {
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? undefined : value.toISOString().replace(/\.\d+/, '');
  }
  if (typeof value === 'number') return inDigits(String(value));
  return /^(string|bigint|boolean)$/.test(typeof value) ? String(value) : undefined;
}

/** The text of a number has all its digits: 1e-7 is 0.0000001. */
function inDigits(text: string): string {
  const [, sign, whole = '', part = '', power] = /^(-?)(\d+)\.?(\d*)e(.+)$/.exec(text) ?? [];
  if (power === undefined) return text;
  const at = whole.length + Number(power);
  const digits = whole + part;
  return sign + (at > 0 ? digits.padEnd(at, '0') : `0.${'0'.repeat(-at)}${digits}`);
}
