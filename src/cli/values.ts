/**
 * Values between the cluster and JSON lines: what JSON has no word for is written as an object with one marked key,
 * `$bytes`, `$int` or `$time`, and read back from it.
 */
import { Buffer } from 'node:buffer';
import { GossipError } from '../index.js';

/** Turns a value as it came from the cluster into one that `JSON.stringify` writes without loss. */
export function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return { $int: String(value) };
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return { $int: String(BigInt(value)) };
  }
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64') };
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : { $time: value.toISOString() };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
  }
  return value;
}

/**
 * Turns parsed JSON into the value that goes to the cluster.
 * @throws GossipError `ERR_OPTION`: a marked value that cannot be read.
 */
export function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only && typeof only[1] === 'string') {
    const [key, text] = only as [string, string];
    if (key === '$bytes') return bytesOf(text);
    if (key === '$int') return integerOf(text);
    if (key === '$time') return timeOf(text);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, fromJson(item)]));
}

function bytesOf(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) {
    throw new GossipError('ERR_OPTION', '$bytes must be base64');
  }
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function integerOf(text: string): number | bigint {
  if (!/^-?\d{1,20}$/.test(text)) throw new GossipError('ERR_OPTION', '$int must be a decimal integer of 64 bits');
  const exact = BigInt(text);
  return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
}

function timeOf(text: string): Date {
  const time = new Date(text);
  if (!/^\d{4}-\d\d-\d\d[Tt ]/.test(text) || Number.isNaN(time.getTime())) {
    throw new GossipError('ERR_OPTION', '$time must be a time of RFC 3339, such as 2026-01-02T03:04:05Z');
  }
  return time;
}
