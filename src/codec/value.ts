/**
 * What the codecs of this folder agree on: which values have an encoding and how a refusal looks. With it a value means
 * the same under each of them.
 */
import { GossipError } from '../errors.js';

/** Options of every codec here. */
export interface CodecOptions {
  /** Deepest nesting of lists and maps, both ways. Default 64. Source: `limits.depthMax`. */
  depthMax?: number;
}

/** The kinds of values that have an encoding. */
export type ValueKind = 'nil' | 'boolean' | 'number' | 'bigint' | 'string' | 'bytes' | 'date' | 'list' | 'map';

/** Tells what a value is. @throws GossipError `ERR_CODEC`: it has no encoding. */
export function kindOf(value: unknown): ValueKind {
  if (value === undefined || value === null) return 'nil';
  const type = typeof value;
  if (type === 'function' || type === 'symbol') throw refuse(`a ${type}`);
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) {
    throw refuse('an integer beyond 64 bits');
  }
  if (typeof value !== 'object') return type as 'boolean' | 'number' | 'bigint' | 'string';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Uint8Array) return 'bytes';
  if (Object.getPrototypeOf(value) === Object.prototype) return 'map';
  const name = Object.prototype.toString.call(value).slice(8, -1);
  if (name === 'Object') return 'map';
  if (name !== 'Date') throw refuse(`a ${name}`);
  if (Number.isNaN(Number(value))) throw refuse('an invalid Date');
  return 'date';
}

/**
 * The keys of a map that are encoded: its own, without those whose value is `undefined`.
 * @throws GossipError `ERR_CODEC`: `__proto__`, which no receiver could hold safely.
 */
export function keysOf(map: Readonly<Record<string, unknown>>): string[] {
  const keys = Object.keys(map).filter((key) => map[key] !== undefined);
  if (keys.includes('__proto__')) throw refuse('the key __proto__');
  return keys;
}

/** Makes the error for a value or bytes that are refused. */
export function refuse(what: string): GossipError {
  return new GossipError('ERR_CODEC', `cannot carry ${what}`);
}

/** Makes the error for nesting that is too deep, which is also what a cycle is. */
export function tooDeep(depthMax: number): GossipError {
  return refuse(`more than ${depthMax} levels of nesting`);
}

/** Turns an integer of any size into a number when that is exact, into a bigint when not. A number stays what it is. */
export function exactInteger(value: number | bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
