/**
 * The JSON codec, as the Go library's speaks it: readable, four times larger, and exact for 64-bit integers, which plain
 * `JSON.parse` and `JSON.stringify` are not.
 */

import { attempt } from '../errors.js';
import { type Codec, DEPTH_MAX } from './codec.js';
import { parseJson } from './json-parse.js';
import { type CodecOptions, keysOf, kindOf, refuse, tooDeep } from './value.js';

export type { CodecOptions } from './value.js';

/** Characters handed to `String.fromCharCode` at once. Source: well below every engine's argument limit. */
const CHUNK = 8192;

/**
 * Makes the JSON codec.
 *
 * Bytes travel as base64 strings and a `Date` as an RFC 3339 string, as Go writes them; both decode as strings, because JSON
 * does not say what they were. Numbers without a fraction beyond ±2^53 are written with an exponent, so that they stay
 * floats; integers of that size are bigints and written as digits.
 */
export function json(options: CodecOptions = {}): Codec {
  const name = 'json';
  const depthMax = options.depthMax ?? DEPTH_MAX;
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return {
    name,
    encode: (value) => attempt(name, 'ERR_CODEC', () => encoder.encode(stringify(value, 0, depthMax))),
    decode: (bytes) => attempt(name, 'ERR_CODEC', () => parseJson(decoder.decode(bytes), depthMax)),
  };
}

function stringify(value: unknown, depth: number, depthMax: number): string {
  switch (kindOf(value)) {
    case 'nil':
      return 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      return number(value as number);
    case 'bigint':
      return String(value);
    case 'string':
      return JSON.stringify(value);
    case 'bytes':
      return `"${base64(value as Uint8Array)}"`;
    case 'date':
      return `"${rfc3339(value as Date)}"`;
    case 'list': {
      if (depth === depthMax) throw tooDeep(depthMax);
      const parts: string[] = [];
      const list = value as readonly unknown[];
      for (let i = 0; i < list.length; i++) parts.push(stringify(list[i], depth + 1, depthMax));
      return `[${parts.join(',')}]`;
    }
    case 'map': {
      if (depth === depthMax) throw tooDeep(depthMax);
      const map = value as Readonly<Record<string, unknown>>;
      const parts = keysOf(map).map((key) => `${JSON.stringify(key)}:${stringify(map[key], depth + 1, depthMax)}`);
      return `{${parts.join(',')}}`;
    }
  }
}

function number(value: number): string {
  if (!Number.isFinite(value)) throw refuse(`${value} in JSON`);
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value);
}

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(binary);
}

function rfc3339(date: Date): string {
  const year = date.getUTCFullYear();
  if (year < 0 || year > 9999) throw refuse('a Date outside the years 0 to 9999 in JSON');
  return date.toISOString();
}
